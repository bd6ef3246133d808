"""The environment in which outputs are saved and compared: one definition for conftest.py and save_outputs.py."""

import itertools
import os
import shutil
import tempfile
from pathlib import Path

from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"  # ignored by git: the copies of notebooks that a run leaves behind


def notebook_environment(threads=1, *, gpu=False):
    """Environment variables that make a notebook print the same on every CPU.

    They must be set before NumPy, TensorFlow or PyTorch is imported.
    """
    environment = {
        name: str(threads)
        for name in (
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "TF_NUM_INTRAOP_THREADS",
            "TF_NUM_INTEROP_THREADS",
        )
    }
    environment |= {
        "KERAS_BACKEND": "tensorflow",
        "PYTHONHASHSEED": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # the same kernels, in the same order, on every CPU; also silences one log line
        "TQDM_DISABLE": "1",  # progress bars are for the reader; they never enter a saved output
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    if gpu:
        environment["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # two kernels may share a card
    else:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    return environment


def use_unix_sockets():
    """Give each kernel its own socket files: kernels that start together race for TCP ports (jupyter_client issue 487).

    Returns a function that undoes it. Windows has no such sockets, and a path may hold about 100 characters; there
    kernels go on talking over TCP.
    """
    folder = tempfile.mkdtemp(prefix="kernels")
    if os.name != "posix" or len(folder) > 80:
        return lambda: shutil.rmtree(folder)
    counter = itertools.count()
    original = KernelManager.__init__

    def __init__(self, *args, **kwargs):
        original(self, *args, transport="ipc", ip=f"{folder}/{next(counter)}", **kwargs)

    def undo():
        KernelManager.__init__ = original
        shutil.rmtree(folder, ignore_errors=True)

    KernelManager.__init__ = __init__
    return undo
