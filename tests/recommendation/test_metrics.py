"""recommendation.metrics against slow, plain loops, and against scikit-learn where it has the metric; the conventions."""

import itertools
import math

import numpy as np
import pytest
from scipy import sparse, stats
from sklearn.metrics import average_precision_score, mean_absolute_error, ndcg_score, root_mean_squared_error
from sklearn.metrics.pairwise import cosine_similarity

from recommendation import metrics

# --- references: one user, plain Python ---------------------------------------------------------------------------------


def plain_top_k(scores, k, excluded=()):
    candidates = [item for item in range(len(scores)) if item not in excluded and scores[item] > -math.inf]
    return sorted(candidates, key=lambda item: (-scores[item], item))[:k]


def plain(name, recommended, gains, k):
    """`gains`: dict of item -> gain above 0, not empty. `recommended`: list of items."""
    hits = [item in gains for item in recommended[:k]]
    if name == "precision_at_k":
        return sum(hits) / k
    if name == "recall_at_k":
        return sum(hits) / len(gains)
    if name == "hit_rate":
        return float(any(hits))
    if name == "reciprocal_rank_at_k":
        return next((1 / (i + 1) for i, hit in enumerate(hits) if hit), 0.0)
    if name == "average_reciprocal_hit_rate":
        return sum(1 / (i + 1) for i, hit in enumerate(hits) if hit)
    if name == "average_precision_at_k":
        return sum(sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit) / min(k, len(gains))
    dcg = sum(gains.get(item, 0) / math.log2(i + 2) for i, item in enumerate(recommended[:k]))
    best = sum(gain / math.log2(i + 2) for i, gain in enumerate(sorted(gains.values(), reverse=True)[:k]))
    return dcg / best


RANKING = (
    "precision_at_k recall_at_k hit_rate reciprocal_rank_at_k average_reciprocal_hit_rate average_precision_at_k ndcg_at_k"
).split()


def random_case(seed, n_users=60, n_items=25):
    """Scores with many ties, graded relevance, users with nothing relevant, lists with holes at their end."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, size=(n_users, n_items)).astype(float)
    scores[rng.random(scores.shape) < 0.3] = -np.inf  # no candidates
    gains = np.where(rng.random(scores.shape) < 0.1, rng.integers(1, 6, size=scores.shape) / 2, 0.0)
    gains[0] = 0
    gains[1] = 1  # more relevant items than any k below
    return scores, gains


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", RANKING)
def test_ranking_metrics_equal_plain_loops(name, seed):
    scores, gains = random_case(seed)
    for k in (1, 2, 7, 25, 40):
        lists = metrics.top_k(scores, min(k, 25))
        got = getattr(metrics, name)(lists, sparse.csr_array(gains), k, per_user=True)
        for row, user_gains, value in zip(scores, gains, got, strict=True):
            relevant = {item: gain for item, gain in enumerate(user_gains.tolist()) if gain}
            if relevant:
                assert value == pytest.approx(plain(name, plain_top_k(row.tolist(), k), relevant, k), abs=1e-12)
            else:
                assert np.isnan(value)
        mean = getattr(metrics, name)(lists, sparse.csr_array(gains), k)
        assert mean == pytest.approx(np.nanmean(got)) and isinstance(mean, float)


@pytest.mark.parametrize("k", [1, 3, 10, 25])
def test_ndcg_equals_scikit_learn(k):
    rng = np.random.default_rng(k)
    scores, gains = rng.normal(size=(50, 25)), rng.integers(0, 4, size=(50, 25)).astype(float)
    ours = metrics.ndcg_at_k(metrics.top_k(scores, 25), sparse.csr_array(gains), k)
    assert ours == pytest.approx(ndcg_score(gains, scores, k=k), abs=1e-12)


def test_ndcg_averaged_over_all_orders_of_the_ties_equals_scikit_learn():
    rng = np.random.default_rng(0)
    orders = np.array(list(itertools.permutations(range(6))))
    for _ in range(20):
        scores, gains = rng.integers(0, 3, size=6).astype(float), rng.integers(0, 3, size=6).astype(float)
        gains[0] = 1
        k = int(rng.integers(1, 7))
        allowed = orders[(np.diff(scores[orders], axis=1) <= 0).all(axis=1)]  # every order of equal scores
        ours = metrics.ndcg_at_k(allowed, sparse.csr_array(np.tile(gains, (len(allowed), 1))), k)
        assert ours == pytest.approx(ndcg_score(gains[None], scores[None], k=k), abs=1e-12)


def test_average_precision_equals_scikit_learn_on_whole_lists():
    rng = np.random.default_rng(0)
    scores, relevant = rng.normal(size=(50, 25)), (rng.random((50, 25)) < 0.3).astype(float)
    relevant[:, 0] = 1
    ours = metrics.average_precision_at_k(metrics.top_k(scores, 25), sparse.csr_array(relevant), 25, per_user=True)
    theirs = [average_precision_score(y, s) for y, s in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# --- conventions --------------------------------------------------------------------------------------------------------


def test_a_cut_off_beyond_the_list_counts_misses():
    relevant = sparse.csr_array([[1.0, 1.0, 0, 0, 0]])
    for lists in ([[0]], [[0, -1, -1, -1]]):
        assert metrics.precision_at_k(lists, relevant, 4) == 1 / 4
        assert metrics.recall_at_k(lists, relevant, 4) == 1 / 2
        assert metrics.average_precision_at_k(lists, relevant, 4) == 1 / 2
        assert metrics.ndcg_at_k(lists, relevant, 4) == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_a_perfect_list_scores_1_however_much_is_relevant():
    for n in (1, 3, 8):
        relevant = sparse.csr_array([[1.0] * n + [0] * 2])
        for name in ("average_precision_at_k", "ndcg_at_k", "reciprocal_rank_at_k", "hit_rate"):
            assert getattr(metrics, name)([list(range(min(n, 3)))], relevant, 3) == pytest.approx(1)


@pytest.mark.parametrize("name", RANKING)
def test_users_with_nothing_relevant_are_left_out_of_every_mean(name):
    function = getattr(metrics, name)
    alone, lists = sparse.csr_array([[0, 1.0, 0]]), [[1, 0], [1, 0]]
    together = sparse.csr_array([[0, 1.0, 0], [0, 0, 0]])
    assert function(lists, together, 2) == function(lists[:1], alone, 2)
    stored_zero = sparse.csr_array(([1.0, 0.0], ([0, 1], [1, 1])), shape=(2, 3))
    assert stored_zero.nnz == 2 and function(lists, stored_zero, 2) == function(lists[:1], alone, 2)
    with pytest.raises(ValueError, match="no user has a relevant item"):
        function(lists, sparse.csr_array((2, 3)), 2)
    assert np.isnan(function(lists, sparse.csr_array((2, 3)), 2, per_user=True)).all()


@pytest.mark.parametrize("name", RANKING)
def test_an_item_twice_in_the_part_that_counts_is_refused(name):
    relevant = sparse.csr_array([[0, 1.0, 1.0]])
    with pytest.raises(ValueError, match="holds item 1 twice in row 0"):
        getattr(metrics, name)([[1, 2, 1]], relevant, 3)
    with pytest.raises(ValueError, match="holds item 0 twice in row 0"):
        getattr(metrics, name)([[0, 2, 0]], relevant, 3)
    getattr(metrics, name)([[1, 2, 1]], relevant, 2)
    getattr(metrics, name)([[1, -1, -1]], relevant, 3)


def test_pairs_stored_twice_count_once_and_entries_need_no_order():
    twice = sparse.csr_array(([2.0, 1.0, 1.0, 1.0], [2, 0, 0, 1], [0, 4]), shape=(1, 4))
    assert not twice.has_canonical_format
    once = sparse.csr_array([[2.0, 1.0, 2.0, 0]])
    for name in RANKING:
        assert getattr(metrics, name)([[0, 3, 2]], twice, 3) == getattr(metrics, name)([[0, 3, 2]], once, 3)
    assert metrics.rating_hit_rate([[0, 3]], twice, 2) == {1.0: 0.0, 2.0: 0.5}
    assert metrics.cumulative_hit_rate([[0, 3]], twice, 2, min_rating=2) == 1
    assert metrics.at_least(twice, 2).toarray().tolist() == [[2, 0, 2, 0]]
    assert twice.nnz == 4, "the caller's matrix is untouched"


@pytest.mark.parametrize("form", [sparse.coo_array, sparse.lil_array, sparse.csc_matrix])
def test_any_sparse_matrix_will_do(form):
    held_out = form(sparse.csr_array([[0, 4.0], [5.0, 0]]))
    assert metrics.rating_hit_rate([[0], [0]], held_out, 1) == {4.0: 0.0, 5.0: 1.0}
    assert metrics.cumulative_hit_rate([[0], [0]], held_out, 1) == 0.5


@pytest.mark.parametrize("name", RANKING)
def test_lists_of_length_0_hit_nothing(name):
    relevant = sparse.csr_array([[1.0, 0], [0, 1.0]])
    assert getattr(metrics, name)(np.empty((2, 0), int), relevant, 2) == 0


BAD_CALLS = [
    ([[0, 1]], [[0, 1.0]], 0, ValueError, "k must be at least 1"),
    ([[0, 1]], [[0, 1.0]], -3, ValueError, "k must be"),
    ([[0, 1]], [[0, 1.0]], 1.5, TypeError, "k must be an int"),
    ([[0, 2]], [[0, 1.0]], 1, ValueError, "items from 0 to 1, or -1, got 0 to 2"),
    ([[0, -2]], [[0, 1.0]], 1, ValueError, "or -1"),
    ([[0.0, 1.0]], [[0, 1.0]], 1, ValueError, "integers of shape"),
    ([0, 1], [[0, 1.0]], 1, ValueError, "integers of shape"),
    ([[0], [1]], [[0, 1.0]], 1, ValueError, "one row for each user, got 2 and 1"),
    ([[0, 1]], [[0, -1.0]], 1, ValueError, "finite gains from 0 up"),
    ([[0, 1]], [[0, np.nan]], 1, ValueError, "finite gains"),
]


@pytest.mark.parametrize("name", RANKING)
@pytest.mark.parametrize(("lists", "relevant", "k", "error", "message"), BAD_CALLS)
def test_bad_calls_are_refused(name, lists, relevant, k, error, message):
    with pytest.raises(error, match=message):
        getattr(metrics, name)(lists, sparse.csr_array(relevant), k)


def test_relevant_must_be_sparse():
    with pytest.raises(TypeError, match="sparse matrix"):
        metrics.precision_at_k([[0]], np.ones((1, 2)), 1)


# --- lists --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_top_k_equals_a_stable_sort(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, size=(30, 20)).astype(float)
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    exclude = rng.random(scores.shape) < 0.4
    exclude[0] = True
    for k in (1, 5, 20, 99):
        got = metrics.top_k(scores, k, exclude=sparse.csr_array(exclude.astype(float)))
        assert got.shape == (30, min(k, 20))
        for row, out, items in zip(scores, exclude, got, strict=True):
            expected = plain_top_k(row.tolist(), k, set(np.flatnonzero(out)))
            assert items.tolist() == expected + [-1] * (got.shape[1] - len(expected))


def test_top_k_leaves_its_arguments_alone_and_refuses_nan():
    scores, exclude = np.ones((2, 3)), sparse.csr_array([[1.0, 0, 0], [0, 0, 0]])
    assert metrics.top_k(scores, 1, exclude=exclude).tolist() == [[1], [0]] and (scores == 1).all()
    for bad, message in (([[np.nan, 1]], "NaN"), ([1.0, 2.0], "shape"), (np.ones((2, 0)), "shape")):
        with pytest.raises(ValueError, match=message):
            metrics.top_k(bad, 1)
    with pytest.raises(ValueError, match="exclude must have the shape"):
        metrics.top_k(scores, 1, exclude=sparse.csr_array((2, 4)))
    with pytest.raises(ValueError, match="k must be"):
        metrics.top_k(scores, 0)
    assert metrics.top_k(np.empty((0, 5)), 2).shape == (0, 2), "nobody asks, nobody gets a list"


def test_ranked_lists_equal_top_k_of_the_same_table():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, size=(30, 20)).astype(float)
    given = rng.random(scores.shape) < 0.3
    given[3] = False
    users, items = np.nonzero(given)
    order = rng.permutation(len(users))
    got = metrics.ranked_lists(users[order], items[order], scores[users, items][order], 30, 7)
    assert np.array_equal(got, metrics.top_k(np.where(given, scores, -np.inf), 7))
    for arguments, message in (
        (([0], [1], [np.nan], 1, 1), "NaN"),
        (([1], [1], [1.0], 1, 1), "users must be from 0 to 0"),
        (([0, 0], [-1, 2], [1.0, 2.0], 1, 2), "items must be at least 0, got -1"),
        (([], [], [], -1, 1), "n_users must be at least 0, got -1"),
        (([0, 0], [1], [1.0], 1, 1), "one shape"),
    ):
        with pytest.raises(ValueError, match=message):
            metrics.ranked_lists(*arguments)
    assert metrics.ranked_lists([], [], [], 2, 1).tolist() == [[-1], [-1]]
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        metrics.ranked_lists([0], [0], [1.0], 1, 0)


# --- hit rates of ratings -----------------------------------------------------------------------------------------------


def test_hit_rates_by_rating_equal_plain_loops():
    rng = np.random.default_rng(0)
    lists = np.argsort(rng.random((80, 12)), axis=1)[:, :5]
    held_out = np.zeros((80, 12))
    held_out[np.arange(80), rng.integers(12, size=80)] = rng.integers(1, 11, size=80) / 2
    pairs = [(row.tolist(), int(r.argmax()), r.max()) for row, r in zip(lists, held_out, strict=True)]
    sparse_held_out = sparse.csr_array(held_out)
    for k in (1, 3, 5):
        by_rating = {}
        for row, item, rating in pairs:
            by_rating.setdefault(rating, []).append(item in row[:k])
        expected = {rating: sum(hits) / len(hits) for rating, hits in sorted(by_rating.items())}
        assert metrics.rating_hit_rate(lists, sparse_held_out, k) == expected
        liked = [item in row[:k] for row, item, rating in pairs if rating >= 3.5]
        assert metrics.cumulative_hit_rate(lists, sparse_held_out, k, min_rating=3.5) == pytest.approx(np.mean(liked))
        arhr = [1 / (row[:k].index(item) + 1) if item in row[:k] else 0 for row, item, _ in pairs]
        assert metrics.average_reciprocal_hit_rate(lists, sparse_held_out, k) == pytest.approx(np.mean(arhr))
        assert metrics.reciprocal_rank_at_k(lists, sparse_held_out, k) == pytest.approx(np.mean(arhr))


def test_item_0_is_an_item():
    held_out = sparse.csr_array([[4.0, 0], [5.0, 0]])
    assert metrics.hit_rate([[0], [1]], held_out, 1) == 0.5
    assert metrics.rating_hit_rate([[0], [1]], held_out, 1) == {4.0: 1.0, 5.0: 0.0}


def test_hit_rates_of_nothing_are_refused():
    stored_zero = sparse.csr_array(([0.0], ([0], [1])), shape=(1, 3))
    for held_out in (sparse.csr_array((1, 3)), stored_zero):
        with pytest.raises(ValueError, match="held_out is empty: no user has a relevant item"):
            metrics.rating_hit_rate([[1]], held_out, 1)


def test_at_least_keeps_the_entries_from_the_bound_up():
    ratings = sparse.csr_array([[1.0, 4.0], [3.5, 0]])
    assert metrics.at_least(ratings, 3.5).toarray().tolist() == [[0, 4], [3.5, 0]] and ratings.nnz == 3
    for bad, error in ((0, ValueError), (-1, ValueError), (float("nan"), ValueError), ("4", TypeError)):
        with pytest.raises(error, match="min_rating must be"):
            metrics.at_least(ratings, bad)


# --- ratings ------------------------------------------------------------------------------------------------------------


def test_errors_of_ratings_equal_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(1, 11, size=100) / 2, rng.normal(3, 1, size=100)
    assert metrics.mae(truth, predicted) == pytest.approx(mean_absolute_error(truth, predicted), rel=1e-14)
    assert metrics.rmse(truth, predicted) == pytest.approx(root_mean_squared_error(truth, predicted), rel=1e-14)


@pytest.mark.parametrize("function", [metrics.mae, metrics.rmse])
@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([], [], "empty"),
        ([1.0, 2.0], [1.0], "one shape"),
        ([[1.0]], [[1.0]], "one shape"),
        ([np.nan], [1.0], "y_true holds NaN"),
        ([1.0], [np.inf], "y_pred holds NaN or infinity"),
    ],
)
def test_errors_of_nothing_or_nan_are_refused(function, truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        function(truth, predicted)


# --- beyond accuracy ----------------------------------------------------------------------------------------------------


@pytest.fixture
def some_lists():
    rng = np.random.default_rng(0)
    lists = np.argsort(rng.random((40, 15)), axis=1)[:, :6]
    lists[0] = -1
    lists[1, 1:] = -1
    lists[2, 3:] = -1
    return lists


def test_coverage_and_gini_count_what_is_shown(some_lists):
    for k in (1, 4, 9):
        counts = [int(np.sum(some_lists[:, :k] == item)) for item in range(20)]
        assert metrics.catalogue_coverage(some_lists, 20, k) == np.mean(np.array(counts) > 0)
        pairs = np.abs(np.subtract.outer(counts, counts)).sum()  # the definition: mean difference over twice the mean
        assert metrics.gini(some_lists, 20, k) == pytest.approx(pairs / (2 * 20 * sum(counts)), rel=1e-12)
    with pytest.raises(ValueError, match="nothing to count"):
        metrics.gini([[-1]], 3, 1)
    with pytest.raises(ValueError, match="from 0 to 9"):
        metrics.catalogue_coverage(some_lists, 10, 3)


@pytest.mark.parametrize(
    ("metric", "argument"),
    [
        (metrics.catalogue_coverage, 3),
        (metrics.gini, 3),
        (metrics.diversity, np.eye(3)),
        (metrics.novelty, np.ones(3)),
        (metrics.average_popularity, np.ones(3)),
        (metrics.churn, [[0, 1]]),
    ],
    ids=lambda argument: getattr(argument, "__name__", ""),
)
def test_the_length_of_a_list_is_checked(metric, argument):
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        metric([[0, 1]], argument, 0)


def test_diversity_equals_the_mean_over_pairs(some_lists):
    features = np.random.default_rng(1).integers(0, 2, size=(15, 7)).astype(float)
    features[4] = 0
    similarity = cosine_similarity(features)
    got = metrics.diversity(some_lists, features, 5, per_user=True)
    for row, value in zip(some_lists, got, strict=True):
        items = [item for item in row[:5] if item >= 0]
        pairs = [similarity[a, b] for a, b in itertools.combinations(items, 2)]
        assert value == pytest.approx(1 - np.mean(pairs), abs=1e-12) if pairs else np.isnan(value)
    assert metrics.diversity(some_lists, features, 5) == pytest.approx(np.nanmean(got))
    with pytest.raises(ValueError, match="no list is long enough"):
        metrics.diversity(some_lists, features, 1)
    with pytest.raises(ValueError, match="features"):
        metrics.diversity(some_lists, features[:, 0], 2)


def test_novelty_and_popularity_equal_plain_loops(some_lists):
    popularity = np.random.default_rng(2).integers(0, 30, size=15)
    popularity[3] = 0
    novelty = metrics.novelty(some_lists, popularity, 4, per_user=True)
    mean_popularity = metrics.average_popularity(some_lists, popularity, 4, per_user=True)
    for row, bits, users in zip(some_lists, novelty, mean_popularity, strict=True):
        items = [item for item in row[:4] if item >= 0]
        if not items:
            assert np.isnan(bits) and np.isnan(users)
            continue
        assert bits == pytest.approx(np.mean([-math.log2(max(popularity[i], 1) / 40) for i in items]))
        assert users == pytest.approx(np.mean([popularity[i] for i in items]))
    for bad in ([-1.0] * 15, [np.nan] * 15, np.ones((15, 1)), []):
        with pytest.raises(ValueError, match="popularity"):
            metrics.novelty(some_lists, bad, 4)


def test_churn_equals_plain_sets(some_lists):
    rng = np.random.default_rng(3)
    after = np.argsort(rng.random((40, 15)), axis=1)[:, :6]
    after[5] = -1
    got = metrics.churn(some_lists, after, 4, per_user=True)
    for old, new, value in zip(some_lists, after, got, strict=True):
        old, new = set(old[:4].tolist()) - {-1}, set(new[:4].tolist()) - {-1}
        assert value == pytest.approx(len(new - old) / len(new)) if new else np.isnan(value)
    assert metrics.churn(after, after[:, ::-1], 6) == 0 and metrics.churn([[0]], [[1]], 1) == 1
    with pytest.raises(ValueError, match="same users"):
        metrics.churn(after, after[:3], 4)


# --- bootstrap ----------------------------------------------------------------------------------------------------------


def test_bootstrap_has_the_mean_and_the_spread_of_theory():
    values = np.random.default_rng(0).exponential(size=400)
    draws = metrics.bootstrap_by_user(values, n_resamples=4000)
    assert draws.mean() == pytest.approx(values.mean(), abs=0.01)
    assert draws.std() == pytest.approx(values.std() / 20, rel=0.05)
    ours = np.quantile(draws, [0.025, 0.975])
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=1).confidence_interval
    np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_bootstrap_draws_the_same_users_for_every_system_and_weighs_them():
    values = np.random.default_rng(0).normal(size=(2, 50))
    values[1] = values[0] + 1
    draws = metrics.bootstrap_by_user(values)
    np.testing.assert_allclose(draws[1] - draws[0], 1, rtol=1e-12)
    values[0, 3] = np.nan
    np.testing.assert_allclose(metrics.bootstrap_by_user(values), metrics.bootstrap_by_user(np.delete(values, 3, axis=1)))
    weights = np.array([3.0, 1.0])
    assert set(metrics.bootstrap_by_user([0.0, 1.0], weights).round(6)) == {0, 0.25, 1}
    assert metrics.bootstrap_by_user([0.0, 1.0], n_resamples=1).shape == (1,)
    with pytest.raises(ValueError, match="n_resamples must be at least 1"):
        metrics.bootstrap_by_user([0.0, 1.0], n_resamples=0)


@pytest.mark.parametrize(
    ("values", "weights", "message"),
    [
        (np.full(3, np.nan), None, "empty"),
        (np.ones((2, 2, 2)), None, "values must have the shape"),
        (5.0, None, "values must have the shape"),
        ([1.0, np.inf], None, "values holds infinity"),
        ([1.0, 2.0], [1.0], "last axis"),
        ([1.0, 2.0], [1.0, np.nan], "weights must be finite and above 0"),
        ([1.0, 2.0], [1.0, np.inf], "weights must be finite"),
        ([1.0, 2.0], [1.0, 0.0], "weights must be finite and above 0 for every user with a value"),
        ([1.0, 2.0], [1.0, -1.0], "weights must be finite and above 0"),
    ],
)
def test_bootstrap_refuses_what_has_no_mean(values, weights, message):
    with pytest.raises(ValueError, match=message):
        metrics.bootstrap_by_user(values, weights)


@pytest.mark.parametrize("weight", [0.0, np.nan])
def test_the_weight_of_a_user_without_a_value_does_not_matter(weight):
    draws = metrics.bootstrap_by_user([1.0, np.nan, 3.0], [1.0, weight, 2.0])
    np.testing.assert_array_equal(draws, metrics.bootstrap_by_user([1.0, 3.0], [1.0, 2.0]))
