"""hnswlib, faiss and usearch on one thread, on the vectors of `cargo bench --bench index`.

Started by it. A line names a library and `build` or the number of vectors to keep on the way (ef); the
answer is one line of JSON. A library that is not installed is not named in the first line.
"""

import importlib
import json
import sys
import time

import numpy

ROUNDS = 3


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as figures:
        return int(figures.read().split()[1]) * 4096


class Hnswlib:
    module = "hnswlib"

    def build(self, library, vectors, connections, ef_construction):
        self.index = library.Index(space="ip", dim=vectors.shape[1])
        self.index.init_index(len(vectors), M=connections, ef_construction=ef_construction)
        self.index.set_num_threads(1)
        self.index.add_items(vectors)

    def keep(self, ef):
        self.index.set_ef(ef)

    def search(self, query, k):
        return self.index.knn_query(query, k)[0][0]


class Faiss:
    module = "faiss"

    def build(self, library, vectors, connections, ef_construction):
        library.omp_set_num_threads(1)
        inner_product = library.METRIC_INNER_PRODUCT
        self.index = library.IndexHNSWFlat(vectors.shape[1], connections, inner_product)
        self.index.hnsw.efConstruction = ef_construction
        self.index.add(vectors)

    def keep(self, ef):
        self.index.hnsw.efSearch = ef

    def search(self, query, k):
        return self.index.search(query, k)[1][0]


class Usearch:
    module = "usearch.index"

    def build(self, library, vectors, connections, ef_construction):
        self.index = library.Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=connections,
            expansion_add=ef_construction,
        )
        self.index.add(numpy.arange(len(vectors)), vectors, threads=1)

    def keep(self, ef):
        self.index.expansion_search = ef

    def search(self, query, k):
        return self.index.search(query[0], k, threads=1).keys


def timed_search(peer, queries, truth, ef):
    peer.keep(ef)
    times, found = [], 0
    for turn in range(ROUNDS):
        for query, nearest in zip(queries, truth):
            started = time.perf_counter()
            answer = peer.search(query[None], len(nearest))
            times.append((time.perf_counter() - started) * 1e3)
            if turn == 0:
                found += len(set(map(int, answer)) & set(map(int, nearest)))
    return {"recall": found / truth.size, "times": times}


def main():
    folder, dim, connections, ef_construction = sys.argv[1], *map(int, sys.argv[2:5])
    vectors = numpy.fromfile(f"{folder}/vectors", dtype="<f4").reshape(-1, dim)
    queries = numpy.fromfile(f"{folder}/queries", dtype="<f4").reshape(-1, dim)
    truth = numpy.fromfile(f"{folder}/truth", dtype="<u4").reshape(len(queries), -1)
    libraries, peers = {}, {}
    for peer in (Hnswlib, Faiss, Usearch):
        name = peer.__name__.lower()
        try:
            libraries[name] = importlib.import_module(peer.module)
        except ImportError:
            continue
        peers[name] = peer()
    print(json.dumps(list(peers)), flush=True)
    for line in sys.stdin:
        name, what = line.split()
        if what == "build":
            before, started = resident_bytes(), time.perf_counter()
            peers[name].build(libraries[name], vectors, connections, ef_construction)
            seconds = time.perf_counter() - started
            taken = (resident_bytes() - before) / len(vectors)
            answer = {"seconds": seconds, "bytes": taken}
        else:
            answer = timed_search(peers[name], queries, truth, int(what))
        print(json.dumps(answer), flush=True)


main()
