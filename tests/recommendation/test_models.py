"""recommendation.models against plain loops and libraries; the one interface; cold users and items; bad input."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import Ridge

from recommendation import datasets, metrics, models

FEATURES = np.random.default_rng(9).integers(0, 2, size=(30, 6)).astype(float)
MAKE = {
    "popularity": models.Popularity,
    "baseline": models.Baseline,
    "user knn": lambda: models.UserKNN(n_neighbors=8),
    "item knn": lambda: models.ItemKNN(n_neighbors=8, similarity="cosine"),
    "als": lambda: models.MatrixFactorizationALS(3, reg=1.0),
    "sgd": lambda: models.MatrixFactorizationSGD(3, n_epochs=3, batch_size=7),
    "implicit": lambda: models.ImplicitALS(3),
    "content": lambda: models.ContentBased(FEATURES),
    "blend": lambda: models.Blend([models.Baseline(), models.ContentBased(FEATURES)], validation_size=0.3),
}
RATES = [name for name in MAKE if name not in ("popularity", "implicit")]


def random_ratings(seed=0, n_users=40, n_items=30, density=0.3):
    """Row 5 (a user) and column 7 (an item) are cold."""
    rng = np.random.default_rng(seed)
    table = np.where(rng.random((n_users, n_items)) < density, rng.integers(1, 11, size=(n_users, n_items)) / 2, 0)
    table[5], table[:, 7] = 0, 0
    return sparse.csr_array(table)


@pytest.fixture(scope="module")
def movielens():
    """The fixed split: its training matrix, its test frame."""
    ratings, films = datasets.movielens()
    train, test = datasets.random_split(ratings)
    return datasets.rating_matrix(train, (671, len(films))), test, films


# --- the interface ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKE)
def test_predict_scores_and_recommend_agree(name):
    ratings = random_ratings()
    model = MAKE[name]()
    assert model.fit(ratings) is model
    users, items = np.repeat(np.arange(40), 30), np.tile(np.arange(30), 40)
    scores = model.scores(np.arange(40))
    assert scores.shape == (40, 30) and np.isfinite(scores).all()
    expected = scores if not model.predicts_ratings else np.clip(scores, 0.5, 5)
    np.testing.assert_allclose(model.predict(users, items), expected.ravel(), rtol=1e-5, atol=1e-5)
    shuffled = np.random.default_rng(0).permutation(1200)
    np.testing.assert_allclose(
        model.predict(users[shuffled], items[shuffled]), expected.ravel()[shuffled], rtol=1e-5, atol=1e-5
    )
    lists = model.recommend([3, 0, 3], 6)
    assert np.array_equal(lists, metrics.top_k(scores[[3, 0, 3]], 6, exclude=ratings[[3, 0, 3]]))
    assert not any(ratings[3, item] for item in lists[0])
    with_rated = model.recommend([3], 6, exclude_rated=False)
    assert np.array_equal(with_rated, metrics.top_k(scores[[3]], 6))


@pytest.mark.parametrize("name", MAKE)
def test_a_model_depends_on_its_seed_alone_and_leaves_its_input_alone(name):
    ratings = random_ratings()
    before = ratings.copy()
    first, again = MAKE[name]().fit(ratings).scores([0, 1]), MAKE[name]().fit(ratings).scores([0, 1])
    assert np.array_equal(first, again)
    assert (ratings != before).nnz == 0 and np.array_equal(ratings.indices, before.indices)
    refitted = MAKE[name]().fit(random_ratings(1))
    assert np.array_equal(refitted.fit(ratings).scores([0, 1]), first), "a second fit starts afresh"


@pytest.mark.parametrize("name", MAKE)
def test_unknown_users_and_items_are_refused_by_number(name):
    model = MAKE[name]().fit(random_ratings())
    for users, items, message in (
        ([40], [0], "users: 40 is unknown"),
        ([-1], [0], "users: -1 is unknown"),
        ([0], [30], "items: 30 is unknown, this model was fitted with the numbers 0 to 29"),
        ([0.0], [1], "users must be integers"),
        ([0, 1], [0], "equally long"),
        ([[0]], [[1]], "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict(users, items)
    with pytest.raises(ValueError, match="users: 99 is unknown"):
        model.recommend([99])
    assert model.predict([], []).shape == (0,) and model.recommend([], 4).shape == (0, 4)


@pytest.mark.parametrize("name", MAKE)
def test_bad_ratings_are_refused(name):
    for bad, error, message in (
        (np.ones((40, 30)), TypeError, "sparse matrix"),
        (sparse.csr_array((40, 30)), ValueError, "ratings is empty"),
        (sparse.csr_array(np.full((40, 30), np.nan)), ValueError, "NaN"),
        (sparse.csr_array(np.full((40, 30), np.inf)), ValueError, "infinity"),
    ):
        with pytest.raises(error, match=message):
            MAKE[name]().fit(bad)
    with pytest.raises(ValueError, match="is not fitted: call fit first"):
        MAKE[name]().predict([0], [0])
    for k, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="k must be"):
            MAKE[name]().fit(random_ratings()).recommend([0], k)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.Baseline(reg_user=-1), "reg_user must be at least 0"),
        (lambda: models.Baseline(n_epochs=0), "n_epochs"),
        (lambda: models.UserKNN(0), "n_neighbors"),
        (lambda: models.UserKNN(similarity="dot"), "'cosine' or 'pearson'"),
        (lambda: models.ItemKNN(shrinkage=float("nan")), "shrinkage"),
        (lambda: models.ItemKNN(reg=-1), "reg"),
        (lambda: models.MatrixFactorizationALS(0), "n_factors"),
        (lambda: models.MatrixFactorizationALS(reg=0), "reg must be above 0"),
        (lambda: models.MatrixFactorizationALS(dtype="float16"), "dtype"),
        (lambda: models.MatrixFactorizationSGD(batch_size=0), "batch_size"),
        (lambda: models.MatrixFactorizationSGD(learning_rate=0), "learning_rate"),
        (lambda: models.ImplicitALS(alpha=0), "alpha"),
        (lambda: models.ImplicitALS().fit(sparse.csr_array([[-1.0, 0]])), "negative"),
        (lambda: models.ContentBased([1.0, 2.0]), "features"),
        (lambda: models.ContentBased([[np.nan]]), "features must be finite"),
        (lambda: models.ContentBased(np.ones((3, 2))).fit(random_ratings()), "features has 3 rows, ratings has 30 items"),
        (lambda: models.Blend([models.Baseline()]), "two or more"),
        (lambda: models.Blend([models.Baseline(), models.Popularity()]), "Popularity does not"),
        (lambda: models.Blend([models.Baseline()] * 2, validation_size=1), "validation_size"),
        (lambda: models.Blend([models.Baseline()] * 2).fit(sparse.csr_array([[1.0]])), "too few"),
        (lambda: models.similarity(random_ratings(), "dot"), "kind"),
        (lambda: models.similarity(sparse.csr_array([[-1.0, 1.0]])), "above 0"),
        (
            lambda: models.ridge_rows(random_ratings(), FEATURES, np.zeros(6)),
            "reg must hold 6 penalties, finite and above 0",
        ),
        (lambda: models.ridge_rows(random_ratings(), FEATURES, np.full(6, np.inf)), "finite"),
        (lambda: models.ridge_rows(random_ratings(), FEATURES, np.ones(5)), "reg must hold 6 penalties"),
        (lambda: models.ridge_rows(random_ratings(), FEATURES, 1.0), "reg must hold 6 penalties"),
    ],
)
def test_bad_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_types_are_refused_by_name():
    for make, name in (
        (lambda: models.Baseline(reg_user="1"), "reg_user must be a number"),
        (lambda: models.ImplicitALS(reg=True), "reg must be a number"),
        (lambda: models.Blend([models.Baseline()] * 2, validation_size="1"), "validation_size must be a number"),
        (lambda: models.ridge_rows(random_ratings(), FEATURES.astype(int), np.ones(6)), "features .* got int64"),
    ):
        with pytest.raises(TypeError, match=name):
            make()


def test_a_fit_that_fails_changes_nothing():
    model = models.ContentBased(FEATURES)
    for _ in range(2):
        with pytest.raises(ValueError, match="features has 30 rows, ratings has 4 items"):
            model.fit(sparse.csr_array(np.ones((2, 4))))
    with pytest.raises(ValueError, match="is not fitted"):
        model.predict([0], [0])
    before = model.fit(random_ratings()).scores([0, 39])
    with pytest.raises(ValueError, match="ratings has 4 items"):
        model.fit(sparse.csr_array(np.ones((2, 4))))
    assert np.array_equal(model.scores([0, 39]), before)


@pytest.mark.parametrize("kind", [models.UserKNN, models.ItemKNN])
def test_neighbours_that_cannot_be_compared_change_nothing(kind):
    model = kind(similarity="cosine").fit(random_ratings())
    before = model.scores([0, 39])
    with pytest.raises(ValueError, match="above 0"):
        model.fit(-random_ratings())
    assert np.array_equal(model.scores([0, 39]), before)


# --- cold users and items -----------------------------------------------------------------------------------------------


def test_a_cold_user_gets_what_the_model_says():
    ratings = random_ratings()
    counts = np.bincount(ratings.indices, minlength=30)
    baseline = models.Baseline().fit(ratings)
    assert baseline.user_bias_[5] == 0
    np.testing.assert_allclose(baseline.scores([5])[0], baseline.mean_ + baseline.item_bias_)
    for name in ("user knn", "item knn", "content"):
        np.testing.assert_allclose(MAKE[name]().fit(ratings).scores([5])[0], baseline.scores([5])[0])
    als = MAKE["als"]().fit(ratings)
    np.testing.assert_allclose(als.scores([5])[0], als.mean_ + als.item_bias_, rtol=1e-6)
    assert not als.user_factors_[5].any() and als.user_bias_[5] == 0
    best_sellers = metrics.top_k(counts[None].astype(float), 10)
    for name in ("popularity", "implicit"):
        assert np.array_equal(MAKE[name]().fit(ratings).recommend([5], 10), best_sellers)


def test_a_cold_item_gets_what_the_model_says():
    ratings = random_ratings()
    baseline = models.Baseline().fit(ratings)
    assert baseline.item_bias_[7] == 0
    for name in ("user knn", "item knn"):
        np.testing.assert_allclose(MAKE[name]().fit(ratings).scores([0])[0, 7], baseline.scores([0])[0, 7])
    als = MAKE["als"]().fit(ratings)
    np.testing.assert_allclose(als.scores([0, 1])[:, 7], als.mean_ + als.user_bias_[:2], rtol=1e-6)
    assert not MAKE["implicit"]().fit(ratings).scores([0, 1])[:, 7].any()
    content = MAKE["content"]().fit(ratings)
    assert abs(content.scores([0])[0, 7] - baseline.scores([0])[0, 7]) > 1e-3, "its features are known"


# --- baseline -----------------------------------------------------------------------------------------------------------


def test_baseline_ends_where_the_penalised_squares_are_least():
    ratings = random_ratings()
    model = models.Baseline(reg_user=3.0, reg_item=2.0, n_epochs=200).fit(ratings)
    rows, columns = ratings.nonzero()
    error = ratings.data - model.mean_ - model.user_bias_[rows] - model.item_bias_[columns]
    np.testing.assert_allclose(np.bincount(rows, error, 40), 3 * model.user_bias_, atol=1e-9)
    np.testing.assert_allclose(np.bincount(columns, error, 30), 2 * model.item_bias_, atol=1e-9)
    design = np.zeros((ratings.nnz, 70))
    design[np.arange(ratings.nnz), rows] = design[np.arange(ratings.nnz), 40 + columns] = 1
    penalty = np.diag([3.0] * 40 + [2.0] * 30)
    exact = np.linalg.solve(design.T @ design + penalty, design.T @ (ratings.data - model.mean_))
    np.testing.assert_allclose(np.append(model.user_bias_, model.item_bias_), exact, atol=1e-9)


def test_baseline_without_penalty_survives_cold_rows():
    model = models.Baseline(0, 0).fit(random_ratings())
    assert np.isfinite(model.scores(np.arange(40))).all()


# --- neighbours ---------------------------------------------------------------------------------------------------------


def plain_similarity(x, y, kind):
    both = (x > 0) & (y > 0)
    x, y = x[both], y[both]
    if kind == "pearson" and len(x):
        x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt(np.sum(x * x) * np.sum(y * y))
    return (np.sum(x * y) / scale if scale > 1e-12 else 0.0), both.sum()


@pytest.mark.parametrize("kind", ["cosine", "pearson"])
@pytest.mark.parametrize("shrinkage", [0.0, 4.0])
def test_similarity_equals_plain_loops(kind, shrinkage, monkeypatch):
    monkeypatch.setattr(models, "BLOCK", 16)  # several blocks
    for seed, density in ((0, 0.3), (1, 0.1), (2, 0.9)):
        ratings = random_ratings(seed, density=density)
        table = ratings.toarray()
        expected = np.zeros((40, 40))
        for u in range(40):
            for v in range(40):
                value, n = plain_similarity(table[u], table[v], kind)
                expected[u, v] = max(value * n / (n + shrinkage), 0) if u != v and n else 0
        got = models.similarity(ratings, kind, shrinkage=shrinkage)
        np.testing.assert_allclose(got.toarray(), expected, atol=1e-9)
        nearest = models.similarity(ratings, kind, shrinkage=shrinkage, n_neighbors=5)
        for full, kept in zip(got.toarray(), nearest.toarray(), strict=True):
            best = [v for v in np.lexsort((np.arange(40), -full))[:5] if full[v] > 0]
            assert np.flatnonzero(kept).tolist() == sorted(best)
            np.testing.assert_array_equal(kept[best], full[best])


def test_pearson_of_constant_ratings_is_0():
    ratings = sparse.csr_array([[3.3] * 7, [0.7, 1.1, 3.0, 4.0, 4.4, 2.0, 1.0], [3.3] * 7])
    assert models.similarity(ratings, "pearson").nnz == 0


def test_pearson_does_not_depend_on_the_unit_of_the_ratings():
    ratings, rng = random_ratings(), np.random.default_rng(0)
    expected = models.similarity(ratings, "pearson").toarray()
    for units in (1e-5, 1e6, rng.permutation(np.geomspace(1e-5, 1e6, 40))[:, None]):  # the last: each row has its own
        scaled = sparse.csr_array(ratings.toarray() * units)
        np.testing.assert_allclose(models.similarity(scaled, "pearson").toarray(), expected, atol=1e-9)
    constant = np.repeat(rng.uniform(1e5, 1e6, size=(20, 1)), 50, axis=1)
    varying = rng.uniform(1e5, 1e6, size=(20, 50))
    got = models.similarity(sparse.csr_array(np.concatenate([constant, varying])), "pearson")
    assert not got[:20].nnz and not got[:, :20].nnz and got.nnz


@pytest.mark.parametrize("by", ["user", "item"])
@pytest.mark.parametrize("reg", [0.0, 2.0])
def test_neighbours_predict_as_a_plain_loop(by, reg):
    ratings = random_ratings(3)
    make = models.UserKNN if by == "user" else models.ItemKNN
    model = make(6, "pearson", 3.0, reg).fit(ratings)
    baseline, table, s = model.baseline_, ratings.toarray(), model.similarity_.toarray()
    scores, deviation = model.scores(np.arange(40)), table - baseline.scores(np.arange(40))
    for u in range(0, 40, 3):
        for i in range(30):
            if by == "user":
                pairs = [(s[u, v], deviation[v, i]) for v in range(40) if table[v, i] > 0]
            else:
                pairs = [(s[i, j], deviation[u, j]) for j in range(30) if table[u, j] > 0]
            total = reg + sum(weight for weight, _ in pairs)
            extra = sum(weight * d for weight, d in pairs) / total if total else 0
            assert scores[u, i] == pytest.approx(baseline.scores([u])[0, i] + extra, abs=1e-9)


# --- factors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ridge_rows_equal_scikit_learn_for_every_length_of_row(dtype):
    rng = np.random.default_rng(0)
    n_columns, n_features = 30, 5
    table = np.zeros((32, n_columns))
    for row in range(31):  # rows with 0 to 30 entries
        table[row, rng.permutation(n_columns)[:row]] = rng.normal(size=row)
    targets, features = sparse.csr_array(table), rng.normal(size=(n_columns, n_features)).astype(dtype)
    reg = np.array([0.5, 1.0, 2.0, 3.0, 0.1])
    got = models.ridge_rows(targets, features, reg)
    assert got.dtype == dtype and not got[0].any() and not got[31].any()
    scaled = features.astype(np.float64) / np.sqrt(reg)  # scikit-learn has one penalty for all
    for row in range(1, 31):
        rated = np.flatnonzero(table[row])
        theirs = Ridge(alpha=1.0, fit_intercept=False, solver="cholesky").fit(scaled[rated], table[row, rated]).coef_
        tolerance = {"float32": 1e-4, "float64": 1e-11}[dtype]
        np.testing.assert_allclose(got[row], theirs / np.sqrt(reg), rtol=tolerance, atol=tolerance)


def test_als_never_raises_what_it_minimises_and_ends_where_the_gradient_is_zero():
    ratings = random_ratings()
    options = {"reg": 2.0, "reg_bias": 3.0, "seed": 1, "dtype": "float64"}
    values = [models.MatrixFactorizationALS(3, n_epochs=n, **options).fit(ratings).objective() for n in range(1, 12)]
    assert (np.diff(values) <= 1e-9).all() and values[-1] < values[0]
    model = models.MatrixFactorizationALS(3, n_epochs=600, **options).fit(ratings)
    parameters = [model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_]
    p, q, b_u, b_i = (torch.tensor(array, requires_grad=True) for array in parameters)
    rows, columns = (torch.tensor(index.astype(np.int64)) for index in ratings.nonzero())
    error = torch.tensor(ratings.data) - model.mean_ - b_u[rows] - b_i[columns] - (p[rows] * q[columns]).sum(dim=1)
    value = error.square().sum() + 2 * (p.square().sum() + q.square().sum()) + 3 * (b_u.square().sum() + b_i.square().sum())
    assert value.item() == pytest.approx(model.objective(), rel=1e-12)
    value.backward()
    for parameter in (p, q, b_u, b_i):
        assert parameter.grad.abs().max() < 1e-3


def test_als_survives_more_factors_than_users_or_items_and_nothing_to_explain():
    for ratings in (sparse.csr_array([[5.0, 1.0], [0, 3.0], [2.0, 0]]), sparse.csr_array(np.full((3, 4), 2.0))):
        model = models.MatrixFactorizationALS(6, n_epochs=2).fit(ratings)
        assert model.item_factors_.shape == (ratings.shape[1], 6) and np.isfinite(model.scores([0, 1, 2])).all()


def test_als_in_float32_is_als_in_float64(movielens):
    ratings, test, _ = movielens
    low, high = (
        models.MatrixFactorizationALS(10, n_epochs=3, dtype=dtype).fit(ratings) for dtype in ("float32", "float64")
    )
    assert low.user_factors_.dtype == np.float32 and high.user_factors_.dtype == np.float64
    np.testing.assert_allclose(low.predict(test.user, test.item), high.predict(test.user, test.item), atol=2e-3)


def sgd_by_loop(ratings, n_factors, rate, reg, n_epochs, seed):
    """S. Funk's rule, one rating at a time, as Surprise's SVD runs it, with the model's own draws."""
    rng = np.random.default_rng(seed)
    p, q = (rng.normal(scale=0.1, size=(n, n_factors + 2)).astype(np.float32)[:, :n_factors] for n in ratings.shape)
    p, q, mean = p.astype(np.float64), q.astype(np.float64), ratings.data.mean()
    b_u, b_i = np.zeros(ratings.shape[0]), np.zeros(ratings.shape[1])
    rows, columns = ratings.nonzero()
    for _ in range(n_epochs):
        for n in rng.permutation(ratings.nnz):
            u, i = rows[n], columns[n]
            e = ratings.data[n] - mean - b_u[u] - b_i[i] - p[u] @ q[i]
            b_u[u], b_i[i] = b_u[u] + rate * (e - reg * b_u[u]), b_i[i] + rate * (e - reg * b_i[i])
            p[u], q[i] = p[u] + rate * (e * q[i] - reg * p[u]), q[i] + rate * (e * p[u] - reg * q[i])
    return p, q, b_u, b_i


def test_sgd_one_by_one_equals_the_plain_loop():
    ratings = random_ratings(4)
    p, q, b_u, b_i = sgd_by_loop(ratings, 3, 0.02, 0.1, 4, seed=5)
    model = models.MatrixFactorizationSGD(3, learning_rate=0.02, reg=0.1, n_epochs=4, batch_size=1, seed=5).fit(ratings)
    for ours, theirs in (
        (model.user_factors_, p),
        (model.item_factors_, q),
        (model.user_bias_, b_u),
        (model.item_bias_, b_i),
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_sgd_that_diverges_says_so_and_small_batches_do_not():
    dense = sparse.csr_array(np.random.default_rng(0).integers(1, 6, size=(2, 1000)).astype(float))
    for ratings in (dense, dense.T):  # few users, few items
        with pytest.raises(ValueError, match="a smaller batch_size or learning_rate may help"):
            models.MatrixFactorizationSGD().fit(ratings)
    small = models.MatrixFactorizationSGD(batch_size=64).fit(dense)
    assert np.isfinite(small.scores([0, 1])).all()
    model = models.MatrixFactorizationSGD().fit(random_ratings())
    before = model.scores([0, 39])
    with pytest.raises(ValueError, match="NaN or infinite"):
        model.fit(dense)
    assert np.array_equal(model.scores([0, 39]), before)


def test_sgd_gives_back_the_threads_that_it_found():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        models.MatrixFactorizationSGD(2, n_epochs=1).fit(random_ratings())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_batch_adds_up_the_steps_of_its_ratings():
    ratings = random_ratings(4)
    model = models.MatrixFactorizationSGD(2, learning_rate=0.01, reg=0.2, n_epochs=1, batch_size=10_000, seed=1).fit(
        ratings
    )
    rng = np.random.default_rng(1)
    p, q = (torch.tensor(rng.normal(scale=0.1, size=(n, 4))[:, :2], requires_grad=True) for n in (40, 30))
    b_u, b_i = (torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in (40, 30))
    rows, columns = (torch.tensor(index.astype(np.int64)) for index in ratings.nonzero())
    error = torch.tensor(ratings.data - ratings.data.mean()) - b_u[rows] - b_i[columns] - (p[rows] * q[columns]).sum(dim=1)
    penalty = (p[rows].square() + q[columns].square()).sum() + b_u[rows].square().sum() + b_i[columns].square().sum()
    (error.square().sum() / 2 + 0.2 * penalty / 2).backward()
    for ours, start in (
        (model.user_factors_, p),
        (model.item_factors_, q),
        (model.user_bias_, b_u),
        (model.item_bias_, b_i),
    ):
        np.testing.assert_allclose(ours, (start - 0.01 * start.grad).detach(), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 3.0])
def test_implicit_als_equals_the_sum_over_all_pairs_written_out(alpha):
    ratings = random_ratings(6)
    model = models.ImplicitALS(4, alpha=alpha, reg=0.7, n_epochs=2, seed=3).fit(ratings)
    table, q = ratings.toarray(), np.random.default_rng(3).normal(scale=0.1, size=(30, 4))
    confidence, preference = 1 + alpha * table, (table > 0).astype(float)
    for _ in range(2):
        p = np.array(
            [
                np.linalg.solve(q.T @ (c[:, None] * q) + 0.7 * np.eye(4), q.T @ (c * y))
                for c, y in zip(confidence, preference, strict=True)
            ]
        )
        q = np.array(
            [
                np.linalg.solve(p.T @ (c[:, None] * p) + 0.7 * np.eye(4), p.T @ (c * y))
                for c, y in zip(confidence.T, preference.T, strict=True)
            ]
        )
    np.testing.assert_allclose(model.user_factors_, p, atol=1e-4)
    np.testing.assert_allclose(model.item_factors_, q, atol=1e-4)


# --- content and blend --------------------------------------------------------------------------------------------------


def test_content_weights_are_each_users_ridge_regression_on_the_residuals():
    ratings = random_ratings(7)
    model = models.ContentBased(FEATURES, reg=2.0).fit(ratings)
    residuals = model.baseline_.residuals().toarray()
    lengths = np.linalg.norm(FEATURES, axis=1, keepdims=True)
    unit = FEATURES / np.where(lengths > 0, lengths, 1)
    for u in (0, 5, 11):
        rated = np.flatnonzero(ratings[[u]].toarray()[0])
        if len(rated) == 0:
            assert not model.weights_[u].any()
            continue
        theirs = Ridge(alpha=2.0, fit_intercept=False).fit(unit[rated], residuals[u, rated]).coef_
        np.testing.assert_allclose(model.weights_[u], theirs, atol=1e-9)


def test_blend_learns_its_weights_from_ratings_its_models_have_not_seen():
    class Spy(models.Baseline):
        seen = ()

        def _fit(self, ratings):
            self.seen = (*self.seen, ratings.copy())
            super()._fit(ratings)

    ratings, spy = random_ratings(8), Spy()
    blend = models.Blend([spy, models.ContentBased(FEATURES)], validation_size=0.25, seed=2).fit(ratings)
    part, everything = spy.seen
    assert part.nnz == ratings.nnz - round(0.25 * ratings.nnz) and (everything != ratings).nnz == 0
    assert part.shape == ratings.shape and abs(part - ratings.multiply(part > 0)).sum() == 0
    aside = (ratings > 0).toarray() & ~(part > 0).toarray()
    users, items = np.nonzero(aside)
    columns = [
        type(m)(*args).fit(part).scores(np.arange(40))[users, items] for m, args in ((blend.models[1], (FEATURES,)),)
    ]
    columns = [models.Baseline().fit(part).scores(np.arange(40))[users, items], *columns, np.ones(len(users))]
    solution = np.linalg.lstsq(np.column_stack(columns), ratings[users, items])[0]
    np.testing.assert_allclose([*blend.weights_, blend.constant_], solution, atol=1e-6)
    expected = blend.constant_ + sum(w * m.scores([3]) for w, m in zip(blend.weights_, blend.models, strict=True))
    np.testing.assert_allclose(blend.scores([3]), expected)


# --- on MovieLens -------------------------------------------------------------------------------------------------------

SURPRISE = {  # scikit-surprise 1.1.5 on the same split, its defaults: test RMSE
    "BaselineOnly": 0.8914,
    "SVD, 100 factors": 0.8998,
    "SVD, 20 factors": 0.8951,
    "KNNBaseline, Pearson, users": 0.9049,
}


def test_baseline_is_surprise_s(movielens):
    ratings, test, _ = movielens
    error = metrics.rmse(test.rating, models.Baseline().fit(ratings).predict(test.user, test.item))
    assert round(error, 4) == SURPRISE["BaselineOnly"]


@pytest.mark.parametrize(
    ("model", "theirs", "at_most"),
    [
        (models.MatrixFactorizationALS(), "SVD, 20 factors", 0.874),
        (models.MatrixFactorizationALS(n_epochs=1), "SVD, 20 factors", 0.879),
        (models.MatrixFactorizationSGD(), "SVD, 20 factors", 0.883),
        (models.UserKNN(), "KNNBaseline, Pearson, users", 0.879),
    ],
    ids=["ALS", "ALS, 1 sweep", "SGD", "UserKNN"],
)
def test_error_is_no_worse_than_surprise_s(model, theirs, at_most, movielens):
    ratings, test, _ = movielens
    error = metrics.rmse(test.rating, model.fit(ratings).predict(test.user, test.item))
    assert error < at_most < SURPRISE[theirs]
