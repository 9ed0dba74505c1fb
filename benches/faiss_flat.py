"""Exhaustive search with faiss on one thread: a query's number in, its time and answers out.

Started by `cargo bench --bench search`; ends with an error where faiss is not installed.
"""

import sys
import time

import faiss
import numpy

path, dim, k = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
vectors = numpy.fromfile(path, dtype="<f4").reshape(-1, dim)
faiss.omp_set_num_threads(1)
index = faiss.IndexFlatIP(dim)
index.add(vectors)
print(faiss.__version__, flush=True)
for line in sys.stdin:
    query = vectors[int(line)][None]
    started = time.perf_counter()
    _, found = index.search(query, k)
    elapsed_ms = (time.perf_counter() - started) * 1e3
    print(elapsed_ms, *found[0], flush=True)
