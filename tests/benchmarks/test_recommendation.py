"""Recommendation: five ranking metrics beside plain loops and scikit-learn; factorisation beside one rating at a time.

    pytest tests/benchmarks/test_recommendation.py --benchmark-enable -n 0 --benchmark-columns=median,iqr,rounds

The number in parentheses is the ratio to the fastest. Without ``--benchmark-enable`` each runs once and is only checked.
ranx (700 MB with numba) and scikit-surprise (compiled on installation) are too heavy for the test extra. Measured by
hand, one thread, alternating in one process, medians of CPU time on a busy machine: the five metrics from these frames
32 ms, ranx 0.3.21 394 ms, equal to 2e-16; 20 factors in one sweep of ALS 71 ms, test RMSE 0.878, scikit-surprise 1.1.5's
SVD with 20 factors 328 ms, 0.895, with its settings tuned 747 ms, 0.883.
"""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import ndcg_score

from recommendation import datasets, metrics, models

N_USERS, N_ITEMS, LENGTH, K = 1000, 2000, 100, 10
NAMES = ("precision_at_k", "recall_at_k", "average_precision_at_k", "reciprocal_rank_at_k", "ndcg_at_k")


@pytest.fixture(scope="module")
def frames():
    """1,000 users, 100 scored items and 20 relevant ones each, as long tables."""
    rng = np.random.default_rng(0)
    run = {"user": np.repeat(np.arange(N_USERS), LENGTH), "score": rng.random(N_USERS * LENGTH)}
    run["item"] = rng.random((N_USERS, N_ITEMS)).argsort(axis=1)[:, :LENGTH].ravel()
    truth = {"user": np.repeat(np.arange(N_USERS), 20), "rating": rng.integers(1, 6, size=N_USERS * 20).astype(float)}
    truth["item"] = rng.random((N_USERS, N_ITEMS)).argsort(axis=1)[:, :20].ravel()
    return pd.DataFrame(run), pd.DataFrame(truth)


def ours_from_frames(run, truth):
    lists = metrics.ranked_lists(run["user"], run["item"], run["score"], N_USERS, LENGTH)
    relevant = datasets.rating_matrix(truth, (N_USERS, N_ITEMS))
    return [getattr(metrics, name)(lists, relevant, K) for name in NAMES]


def loops_from_frames(run, truth):
    lists, gains = {}, {}
    for user, item, score in zip(run["user"], run["item"], run["score"], strict=True):
        lists.setdefault(user, []).append((-score, item))
    for user, item, gain in zip(truth["user"], truth["item"], truth["rating"], strict=True):
        gains.setdefault(user, {})[item] = gain
    rows = []
    for user, relevant in gains.items():
        top = [relevant.get(item, 0) for _, item in sorted(lists[user])[:K]]
        hits = [gain > 0 for gain in top]
        precision = [sum(hits[: i + 1]) / (i + 1) for i in range(K)]
        dcg, best = (
            sum(gain / math.log2(i + 2) for i, gain in enumerate(row[:K]))
            for row in (top, sorted(relevant.values(), reverse=True))
        )
        rows.append(
            (
                sum(hits) / K,
                sum(hits) / len(relevant),
                sum(p for p, hit in zip(precision, hits, strict=True) if hit) / min(K, len(relevant)),
                next((1 / (i + 1) for i, hit in enumerate(hits) if hit), 0),
                dcg / best,
            )
        )
    return np.mean(rows, axis=0)


def ndcg_of_scikit_learn(run, truth):
    shape = N_USERS, N_ITEMS
    scores, gains = (
        sparse.csr_array((table[column], (table["user"], table["item"])), shape=shape).toarray()
        for table, column in ((run, "score"), (truth, "rating"))
    )
    return [ndcg_score(gains, scores, k=K)]


@pytest.mark.benchmark(group="five metrics at 10 from frames: 1,000 users, 100 items each (scikit-learn: NDCG alone)")
@pytest.mark.parametrize("run", [ours_from_frames, loops_from_frames, ndcg_of_scikit_learn], ids=lambda f: f.__name__)
def test_ranking_metrics(run, frames, benchmark):
    got = benchmark.pedantic(run, args=frames, rounds=11, warmup_rounds=1)
    np.testing.assert_allclose(got, ours_from_frames(*frames)[-len(got) :], rtol=1e-12)


@pytest.fixture(scope="module")
def movielens():
    ratings, films = datasets.movielens()
    train, test = datasets.random_split(ratings)
    return datasets.rating_matrix(train, (671, len(films))), test


FACTORISATIONS = {  # model, test RMSE on the fixed split; Surprise's SVD with 20 factors: 0.895
    "ALS, 1 sweep": (lambda: models.MatrixFactorizationALS(n_epochs=1), 0.879),
    "ALS, 3 sweeps": (lambda: models.MatrixFactorizationALS(), 0.874),
    "SGD, batches of 512": (lambda: models.MatrixFactorizationSGD(), 0.883),
}


@pytest.mark.benchmark(group="20 factors from 80,003 ratings")
@pytest.mark.parametrize("name", FACTORISATIONS)
def test_factorisation(name, movielens, benchmark):
    ratings, test = movielens
    make, at_most = FACTORISATIONS[name]
    model = benchmark.pedantic(lambda: make().fit(ratings), rounds=5, warmup_rounds=1)
    assert metrics.rmse(test.rating, model.predict(test.user, test.item)) < at_most


def one_rating_at_a_time(ratings, n_factors=20, rate=0.005, reg=0.02):
    """One epoch of what Surprise's SVD does, in plain Python and NumPy; Surprise compiles it and takes 20."""
    rng = np.random.default_rng(0)
    p, q = (rng.normal(scale=0.1, size=(n, n_factors)) for n in ratings.shape)
    b_u, b_i = (np.zeros(n) for n in ratings.shape)
    mean, rows, columns = ratings.data.mean(), *ratings.nonzero()
    for u, i, r in zip(rows.tolist(), columns.tolist(), ratings.data.tolist(), strict=True):
        e = r - mean - b_u[u] - b_i[i] - p[u] @ q[i]
        b_u[u] += rate * (e - reg * b_u[u])
        b_i[i] += rate * (e - reg * b_i[i])
        p[u], q[i] = p[u] + rate * (e * q[i] - reg * p[u]), q[i] + rate * (e * p[u] - reg * q[i])
    return b_u, b_i


@pytest.mark.benchmark(group="20 factors from 80,003 ratings")
def test_one_epoch_one_rating_at_a_time(movielens, benchmark):
    b_u, b_i = benchmark.pedantic(one_rating_at_a_time, args=movielens[:1], rounds=2)
    assert np.isfinite(b_u).all() and np.isfinite(b_i).all()
