"""Builders of the corpus, one module for each source package.

Every builder lists all architectures that its package publishes; ``run`` traces them one by one
and checkpoints after each. Importing this package sets the environment that they all need, before
any of them imports torch.
"""

import os

os.environ.update(
    {
        "PYTORCH_JIT": "0",  # scripted functions would hide their operators
        "TORCHDYNAMO_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
)
