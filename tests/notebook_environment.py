"""The environment in which outputs are saved and compared: one definition for conftest.py and save_outputs.py."""


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
    if not gpu:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    return environment
