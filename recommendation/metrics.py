"""Metrics of recommenders: how far predicted ratings are off, how good the head of a ranked list is, and what else it does.

The ranking metrics share one form, ``metric(recommended, relevant, k)``, and one set of conventions:

- ``recommended``: integers of shape (n_users, length), each row the items recommended to a user, best first; -1 fills a
  row that is shorter. `top_k` and `ranked_lists` make it from scores. **Ties**: of equal scores the lower item number
  comes first.
- ``relevant``: sparse matrix of shape (n_users, n_items), such as `recommendation.datasets.rating_matrix` makes; an item is
  relevant to a user if the entry is above 0, and the entry is its gain for NDCG. Row i belongs to row i of
  ``recommended``.
- ``k``: positions that count. **A cut-off beyond the list**: the missing positions are misses; precision divides by k all
  the same. The best possible list, by which NDCG and average precision are scaled, has ``min(k, number of relevant items)``
  hits.
- **Users without relevant items** have no value in any metric, also not in precision: they are left out of the mean, and
  are NaN with ``per_user=True``. If nobody has any, that is a ValueError.
- **Duplicates**: an item twice in the first k of a row is a ValueError; a pair twice in ``relevant`` counts once, with the
  sum of its entries, as everywhere in SciPy (`rating_matrix` refuses it).

All are vectorised over users: one search in the sorted keys ``user * n_items + item`` finds all hits.
"""

import numpy as np
from scipy import sparse

from tensorflow_basics.checks import check_int, check_number

# --- ratings ------------------------------------------------------------------------------------------------------------


def mae(y_true, y_pred):
    """Mean absolute error, in stars: every star counts alike.

    Parameters
    ----------
    y_true, y_pred : array_like
        Ratings and predictions, shape (n,), n at least 1, finite.

    Returns
    -------
    float

    Examples
    --------
    >>> mae([4.0, 2.0, 5.0], [3.5, 2.5, 3.0])
    1.0
    """
    return float(np.mean(np.abs(_errors(y_true, y_pred))))


def rmse(y_true, y_pred):
    """Root of the mean squared error, in stars: one error of two stars weighs as much as four of one.

    Parameters
    ----------
    y_true, y_pred : array_like
        As for `mae`.

    Returns
    -------
    float

    Examples
    --------
    >>> round(rmse([4.0, 2.0, 5.0], [3.5, 2.5, 3.0]), 4)
    1.2247
    """
    return float(np.sqrt(np.mean(_errors(y_true, y_pred) ** 2)))


def _errors(y_true, y_pred):
    y_true, y_pred = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if y_true.ndim != 1 or y_true.shape != y_pred.shape:
        raise ValueError(f"y_true and y_pred must have one shape (n,), got {y_true.shape} and {y_pred.shape}")
    if y_true.size == 0:
        raise ValueError("y_true is empty: there is nothing to average")
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds NaN or infinity")
    return y_pred - y_true


# --- from scores to lists -----------------------------------------------------------------------------------------------


def top_k(scores, k, *, exclude=None):
    """The items with the k highest scores of each row, best first; of equal scores the lower item number.

    Parameters
    ----------
    scores : array_like
        Shape (n_users, n_items), without NaN. ``-inf`` means: never recommend.
    k : int
        Length of the lists, at least 1; at most n_items of it are used.
    exclude : scipy.sparse matrix, optional
        Shape (n_users, n_items); items stored in a row are not recommended to it, such as those already rated.

    Returns
    -------
    ndarray
        Shape (n_users, min(k, n_items)), int64; -1 where a row has no candidate left.

    Examples
    --------
    >>> top_k([[0.1, 0.7, 0.7, 0.2]], 3).tolist()
    [[1, 2, 3]]
    """
    check_int("k", k, 1)
    scores = np.array(scores, np.float64)  # a copy
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(f"scores must have the shape (n_users, n_items), got {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError("scores holds NaN")
    if exclude is not None:
        if exclude.shape != scores.shape:
            raise ValueError(f"exclude must have the shape of scores, {scores.shape}, got {exclude.shape}")
        scores[exclude.nonzero() if not sparse.issparse(exclude) else exclude.tocoo().coords] = -np.inf
    n_users, n_items = scores.shape
    k = min(k, n_items)
    kth = np.partition(scores, n_items - k, axis=1)[:, n_items - k, None]
    users, items = np.nonzero((scores >= kth) & (scores > -np.inf))  # k of each row, or more if there are ties
    return ranked_lists(users, items, scores[users, items], n_users, k)


def ranked_lists(users, items, scores, n_users, k):
    """Ranked lists from a long table of scored pairs; of equal scores the lower item number comes first.

    Parameters
    ----------
    users, items : array_like
        Integers from 0, shape (n,). A pair may occur once; the metrics refuse a list with an item twice.
    scores : array_like
        Shape (n,), without NaN.
    n_users : int
        Number of rows of the result, at least 0; users are 0 to n_users - 1.
    k : int
        Length of the lists, at least 1.

    Returns
    -------
    ndarray
        Shape (n_users, k), int64; -1 where a user has fewer than k pairs.

    Examples
    --------
    >>> ranked_lists([0, 0, 2], [5, 4, 1], [0.1, 0.9, 0.3], 3, 2).tolist()
    [[4, 5], [-1, -1], [1, -1]]
    """
    check_int("n_users", n_users, 0)
    check_int("k", k, 1)
    users, items, scores = (np.asarray(column) for column in (users, items, scores))
    if not users.shape == items.shape == scores.shape or users.ndim != 1:
        raise ValueError(
            f"users, items and scores must have one shape (n,), got {users.shape}, {items.shape}, {scores.shape}"
        )
    if users.size and not (users.dtype.kind in "iu" and items.dtype.kind in "iu"):
        raise ValueError(f"users and items must be integers, got {users.dtype} and {items.dtype}")
    users, items, scores = users.astype(np.int64), items.astype(np.int64), scores.astype(np.float64)
    if users.size and not 0 <= users.min() <= users.max() < n_users:
        raise ValueError(f"users must be from 0 to {n_users - 1}, got {users.min()} to {users.max()}")
    if items.size and items.min() < 0:  # -1 would be read as an empty place
        raise ValueError(f"items must be at least 0, got {items.min()}")
    if np.isnan(scores).any():
        raise ValueError("scores holds NaN")
    order = np.lexsort((-scores, users))
    users, scores = users[order], scores[order]
    if np.any((users[1:] == users[:-1]) & (scores[1:] == scores[:-1])):
        order = order[np.lexsort((items[order], -scores, users))]  # dearer, and only needed for ties
    starts = np.searchsorted(users, np.arange(n_users))  # (n_users,)
    position = np.arange(len(users)) - starts[users]
    lists = np.full((n_users, k), -1, np.int64)
    inside = position < k
    lists[users[inside], position[inside]] = items[order][inside]
    return lists


# --- ranking ------------------------------------------------------------------------------------------------------------


def precision_at_k(recommended, relevant, k, *, per_user=False):
    """Precision at k: which part of the k recommended items is relevant?

    Parameters
    ----------
    recommended, relevant, k
        See the top of this module.
    per_user : bool
        Whether to return one value for each user instead of the mean.

    Returns
    -------
    float or ndarray
        0 to 1; the mean over the users with relevant items, or shape (n_users,).

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, k is not at least 1, an item stands twice in a list, or nobody has relevant items.

    Examples
    --------
    >>> relevant = sparse.csr_array([[1, 1, 0, 0], [0, 0, 0, 1]])
    >>> precision_at_k([[0, 2], [3, 1]], relevant, 2)
    0.5
    """
    gains, n_relevant = _gains(recommended, relevant, k)
    return _mean((gains > 0).sum(axis=1) / k, n_relevant, per_user)


def recall_at_k(recommended, relevant, k, *, per_user=False):
    """Recall at k: which part of a user's relevant items is among the k recommended?

    Parameters and returned values as for `precision_at_k`.

    Examples
    --------
    >>> relevant = sparse.csr_array([[1, 1, 0, 0], [0, 0, 0, 1]])
    >>> recall_at_k([[0, 2], [3, 1]], relevant, 2)
    0.75
    """
    gains, n_relevant = _gains(recommended, relevant, k)
    return _mean((gains > 0).sum(axis=1) / np.maximum(n_relevant, 1), n_relevant, per_user)


def average_precision_at_k(recommended, relevant, k, *, per_user=False):
    """Average precision at k; its mean over users is MAP: the precision at each hit, averaged.

    The sum over the hits is divided by ``min(k, number of relevant items)``, so that the best list scores 1. (Some, such as
    ranx, divide by the number of relevant items; then no list reaches 1 if there are more than k.)

    Parameters and returned values as for `precision_at_k`.

    Examples
    --------
    >>> relevant = sparse.csr_array([[1, 1, 0, 0]])
    >>> round(average_precision_at_k([[0, 2, 1]], relevant, 3), 4)  # (1/1 + 2/3) / 2
    0.8333
    """
    gains, n_relevant = _gains(recommended, relevant, k)
    hits = gains > 0
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return _mean((precision * hits).sum(axis=1) / np.clip(n_relevant, 1, k), n_relevant, per_user)


def reciprocal_rank_at_k(recommended, relevant, k, *, per_user=False):
    """Reciprocal rank of the first hit, 0 without one; its mean over users is MRR.

    Parameters and returned values as for `precision_at_k`.

    Examples
    --------
    >>> relevant = sparse.csr_array([[1, 1, 0, 0], [0, 0, 0, 1]])
    >>> reciprocal_rank_at_k([[2, 0, 1], [3, 1, 0]], relevant, 3)
    0.75
    """
    gains, n_relevant = _gains(recommended, relevant, k)
    return _mean(((gains > 0) / np.arange(1, gains.shape[1] + 1)).max(axis=1, initial=0), n_relevant, per_user)


def ndcg_at_k(recommended, relevant, k, *, per_user=False):
    r"""Normalised discounted cumulative gain: hits count less the lower they stand, and as much as their gain.

    .. math:: DCG = \sum_{i=1}^{k} \frac{g_i}{\log_2(i + 1)}, \qquad NDCG = \frac{DCG}{DCG \text{ of the best list}}

    with the gain itself, not :math:`2^g - 1`; for that, put ``2**g - 1`` into the matrix.

    Parameters and returned values as for `precision_at_k`.

    References
    ----------
    K. Järvelin, J. Kekäläinen: Cumulated gain-based evaluation of IR techniques, 2002.

    Examples
    --------
    >>> relevant = sparse.csr_array([[3.0, 1.0, 0.0]])
    >>> round(ndcg_at_k([[1, 0, 2]], relevant, 3), 4)  # (1 + 3/log2(3)) / (3 + 1/log2(3))
    0.7967
    """
    gains, n_relevant = _gains(recommended, relevant, k)
    discount = 1 / np.log2(np.arange(2, gains.shape[1] + 2))
    return _mean(gains @ discount / _best_dcg(relevant, k), n_relevant, per_user)


def hit_rate(recommended, relevant, k, *, per_user=False):
    """Hit rate: which part of the users finds at least one relevant item among the k recommended?

    With `recommendation.datasets.leave_one_out` each user has one held-out item, and this is recall.

    Parameters and returned values as for `precision_at_k`.

    Examples
    --------
    >>> held_out = sparse.csr_array([[0, 4.0, 0], [2.0, 0, 0]])
    >>> hit_rate([[1, 2], [2, 1]], held_out, 2)
    0.5
    """
    gains, n_relevant = _gains(recommended, relevant, k)
    return _mean((gains > 0).any(axis=1).astype(np.float64), n_relevant, per_user)


def cumulative_hit_rate(recommended, held_out, k, *, min_rating=4.0, per_user=False):
    """Hit rate among what the user liked: held-out items rated below `min_rating` are as if they were not there.

    Parameters
    ----------
    recommended, held_out, k, per_user
        As for `precision_at_k`; the entries of `held_out` are ratings.
    min_rating : float
        The lowest rating that counts.

    Returns
    -------
    float or ndarray
        As for `precision_at_k`; users with no such rating have no value.

    Examples
    --------
    >>> held_out = sparse.csr_array([[0, 4.0, 0], [2.0, 0, 0]])
    >>> cumulative_hit_rate([[1, 2], [2, 1]], held_out, 2)
    1.0
    """
    return hit_rate(recommended, at_least(held_out, min_rating), k, per_user=per_user)


def average_reciprocal_hit_rate(recommended, held_out, k, *, per_user=False):
    """Average reciprocal hit rate (ARHR): a hit at position p counts 1/p, and all hits of a user are added.

    With one held-out item for each user it equals `reciprocal_rank_at_k`.

    Parameters and returned values as for `precision_at_k`; with several relevant items it may exceed 1.

    References
    ----------
    M. Deshpande, G. Karypis: Item-based top-N recommendation algorithms, 2004.

    Examples
    --------
    >>> held_out = sparse.csr_array([[0, 4.0, 0], [2.0, 0, 0]])
    >>> average_reciprocal_hit_rate([[2, 1], [0, 1]], held_out, 2)
    0.75
    """
    gains, n_relevant = _gains(recommended, held_out, k)
    return _mean((gains > 0) @ (1 / np.arange(1, gains.shape[1] + 1)), n_relevant, per_user)


def rating_hit_rate(recommended, held_out, k):
    """Hit rate for each rating: are the items that users gave 5 stars found more often than those they gave 1?

    Parameters
    ----------
    recommended, held_out, k
        As for `precision_at_k`; the entries of `held_out` are ratings.

    Returns
    -------
    dict of float to float
        Rating, from low to high -> the part of the held-out items with that rating that is among the k recommended.

    Raises
    ------
    TypeError, ValueError
        As for `precision_at_k`.

    Examples
    --------
    >>> held_out = sparse.csr_array([[0, 4.0, 0], [2.0, 0, 0]])
    >>> rating_hit_rate([[1, 2], [2, 1]], held_out, 2)
    {2.0: 0.0, 4.0: 1.0}
    """
    gains, n_held_out = _gains(recommended, held_out, k)
    if not n_held_out.any():
        raise ValueError("held_out is empty: no user has a relevant item")
    data = _canonical(held_out).data
    ratings, counts = np.unique(data[data > 0], return_counts=True)
    return {float(r): float((gains == r).sum() / n) for r, n in zip(ratings, counts, strict=True)}


def at_least(ratings, min_rating):
    """The entries of a sparse matrix from `min_rating` up; what is below is as if it had not been rated.

    Parameters
    ----------
    ratings : scipy.sparse matrix
        Shape (n_users, n_items); a pair stored twice has the sum of its entries.
    min_rating : float
        Above 0.

    Returns
    -------
    scipy.sparse.csr_array
        Same shape.

    Examples
    --------
    >>> at_least(sparse.csr_array([[0, 4.0, 0], [2.0, 0, 0]]), 4).toarray().tolist()
    [[0.0, 4.0, 0.0], [0.0, 0.0, 0.0]]
    """
    check_number("min_rating", min_rating, 0, above=True)
    kept = sparse.csr_array(ratings, copy=True)
    kept.sum_duplicates()
    kept.data[kept.data < min_rating] = 0
    kept.eliminate_zeros()
    return kept


def _gains(recommended, relevant, k):
    """The entries of `relevant` at the first k of `recommended`, (n_users, <= k), and the number of relevant items."""
    check_int("k", k, 1)
    relevant = _canonical(relevant)
    n_users, n_items = relevant.shape
    lists = _lists(recommended, n_items)
    if len(lists) != n_users:
        raise ValueError(f"recommended and relevant must have one row for each user, got {len(lists)} and {n_users} rows")
    lists = _first(lists, k)
    row_starts = np.arange(n_users)[:, None] * n_items
    keys = np.repeat(row_starts[:, 0], np.diff(relevant.indptr)) + relevant.indices  # sorted
    wanted = np.where(lists >= 0, row_starts + lists, -1)
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    gains = np.zeros(lists.shape)
    if len(keys):
        found = keys[at] == wanted
        gains[found] = relevant.data[at[found]]
    return gains, _n_relevant(relevant)


def _canonical(relevant):
    if not sparse.issparse(relevant):
        raise TypeError(f"relevant must be a sparse matrix, as rating_matrix makes, got {type(relevant).__name__}")
    relevant = sparse.csr_array(relevant)
    if not relevant.has_canonical_format:  # sorted, without duplicates
        relevant = relevant.copy()
        relevant.sum_duplicates()
    if relevant.data.size and not (np.isfinite(relevant.data).all() and relevant.data.min() >= 0):
        raise ValueError("relevant must hold finite gains from 0 up")
    return relevant


def _lists(recommended, n_items):
    lists = np.asarray(recommended)
    if lists.ndim != 2 or lists.dtype.kind not in "iu":
        raise ValueError(f"recommended must be integers of shape (n_users, length), got {lists.dtype} {lists.shape}")
    if lists.size and not -1 <= lists.min() <= lists.max() < n_items:
        raise ValueError(f"recommended must hold items from 0 to {n_items - 1}, or -1, got {lists.min()} to {lists.max()}")
    return lists.astype(np.int64)


def _first(lists, k):
    """The first k columns, once it is sure that no row holds an item twice."""
    lists = lists[:, :k]
    in_order = np.sort(lists, axis=1)
    twice = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)
    if twice.any():
        user, position = np.argwhere(twice)[0]
        raise ValueError(f"recommended holds item {in_order[user, position]} twice in row {user}")
    return lists


def _n_relevant(relevant):
    rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    return np.bincount(rows, relevant.data > 0, minlength=relevant.shape[0])


def _best_dcg(relevant, k):
    """DCG of the best list of each row, cut at k; 1 for rows with nothing relevant."""
    relevant = _canonical(relevant)
    rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    order = np.lexsort((-relevant.data, rows))
    position = np.arange(len(rows)) - relevant.indptr[rows]
    gain = np.where(position < k, relevant.data[order] / np.log2(position + 2), 0)
    best = np.bincount(rows, gain, minlength=relevant.shape[0])
    return np.where(best > 0, best, 1)


def _mean(values, n_relevant, per_user):
    values = np.where(n_relevant > 0, values, np.nan)
    if per_user:
        return values
    if not n_relevant.any():
        raise ValueError("relevant is empty: no user has a relevant item")
    return float(np.nanmean(values))


# --- beyond accuracy ----------------------------------------------------------------------------------------------------


def catalogue_coverage(recommended, n_items, k):
    """The part of the catalogue that is recommended to anybody.

    Parameters
    ----------
    recommended, k
        See the top of this module.
    n_items : int
        Size of the catalogue.

    Returns
    -------
    float
        0 to 1.

    Examples
    --------
    >>> catalogue_coverage([[0, 1], [1, 0]], 4, 2)
    0.5
    """
    return float((_exposure(recommended, n_items, k) > 0).mean())


def gini(recommended, n_items, k):
    """Gini coefficient of how often each item is recommended: 0 if all equally often, near 1 if it is always the same few.

    Parameters and errors as for `catalogue_coverage`.

    Returns
    -------
    float
        0 to 1 - 1 / n_items.

    Examples
    --------
    >>> gini([[0, 1], [2, 3]], 4, 2), gini([[0], [0]], 4, 1)
    (0.0, 0.75)
    """
    counts = np.sort(_exposure(recommended, n_items, k))
    if counts.sum() == 0:
        raise ValueError("recommended is empty: there is nothing to count")
    weights = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float(weights @ counts / (n_items * counts.sum()))


def diversity(recommended, features, k, *, per_user=False):
    """Intra-list diversity: 1 - the mean cosine similarity of the pairs of items in a list.

    Parameters
    ----------
    recommended, k, per_user
        See the top of this module.
    features : array_like
        Shape (n_items, n_features), such as genres; an item whose features are all 0 resembles no other.

    Returns
    -------
    float or ndarray
        0 (all alike) to 1 (nothing in common), up to 2 if similarities are negative; lists with fewer than two items have
        no value.

    References
    ----------
    C.-N. Ziegler and others: Improving recommendation lists through topic diversification, 2005.

    Examples
    --------
    >>> diversity([[0, 1], [0, 2]], [[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], 2, per_user=True).tolist()
    [0.0, 1.0]
    """
    check_int("k", k, 1)
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(f"features must be finite, of shape (n_items, n_features), got shape {features.shape}")
    lists = _first(_lists(recommended, len(features)), k)
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, norm, out=np.zeros_like(features), where=norm > 0)
    chosen = np.where((lists >= 0)[..., None], unit[lists], 0)  # (n_users, k, n_features)
    # The square of a sum holds each pair twice and each item's square once.
    pairs = (np.square(chosen.sum(axis=1)).sum(axis=1) - np.square(chosen).sum(axis=(1, 2))) / 2
    n = (lists >= 0).sum(axis=1)
    return _mean_defined(1 - pairs / np.maximum(n * (n - 1) / 2, 1), n >= 2, per_user)


def novelty(recommended, popularity, k, *, per_user=False):
    """Mean self-information of the recommended items, in bits: ``-log2`` of the part of the users that knows the item.

    One bit more is half as many users. An item that nobody has rated counts as if one user had.

    Parameters
    ----------
    recommended, k, per_user
        See the top of this module.
    popularity : array_like
        Number of users that have rated each item in the *training* part, shape (n_items,).

    Returns
    -------
    float or ndarray
        0 bits if everybody knows all of it; empty lists have no value. The number of users is taken to be the length of
        `recommended`, or the largest popularity if that is more.

    References
    ----------
    S. Vargas, P. Castells: Rank and relevance in novelty and diversity metrics for recommender systems, 2011.

    Examples
    --------
    >>> novelty([[0, 1], [1, 2], [1, 0], [0, 1]], [4, 2, 1], 2, per_user=True).tolist()
    [0.5, 1.5, 0.5, 0.5]
    """
    popularity = _popularity(popularity)
    lists = _k_lists(recommended, len(popularity), k)
    bits = -np.log2(np.maximum(popularity, 1) / max(len(lists), popularity.max()))
    return _mean_of_items(bits, lists, per_user)


def average_popularity(recommended, popularity, k, *, per_user=False):
    """Popularity bias: how many users have rated a recommended item, on average.

    Compare with the same mean over what the users rated themselves: a list far above it serves the majority, not the user.

    Parameters
    ----------
    recommended, popularity, k, per_user
        As for `novelty`.

    Returns
    -------
    float or ndarray
        In users; empty lists have no value.

    References
    ----------
    H. Abdollahpouri and others: The unfairness of popularity bias in recommendation, 2019.

    Examples
    --------
    >>> average_popularity([[0, 1], [1, 2]], [9, 3, 0], 2)
    3.75
    """
    popularity = _popularity(popularity)
    return _mean_of_items(popularity, _k_lists(recommended, len(popularity), k), per_user)


def churn(before, after, k, *, per_user=False):
    """The part of the first k of `after` that was not in the first k of `before`.

    Parameters
    ----------
    before, after : array_like
        Lists for the same users, say of yesterday and of today, see the top of this module.
    k, per_user
        Likewise.

    Returns
    -------
    float or ndarray
        0 if nothing is new (the order may be), 1 if everything is; empty lists in `after` have no value.

    Examples
    --------
    >>> churn([[0, 1, 2]], [[2, 3, 0]], 3)
    0.3333333333333333
    """
    n_items = int(max(np.max(before, initial=0), np.max(after, initial=0))) + 1
    before, after = _k_lists(before, n_items, k), _k_lists(after, n_items, k)
    if len(before) != len(after):
        raise ValueError(f"before and after must have the same users, got {len(before)} and {len(after)} rows")
    rows = np.arange(len(after))[:, None] * n_items
    is_new = (after >= 0) & ~np.isin(rows + after, (rows + before)[before >= 0])
    n = (after >= 0).sum(axis=1)
    return _mean_defined(is_new.sum(axis=1) / np.maximum(n, 1), n > 0, per_user)


def _k_lists(recommended, n_items, k):
    check_int("k", k, 1)
    return _first(_lists(recommended, n_items), k)


def _exposure(recommended, n_items, k):
    check_int("n_items", n_items, 1)
    lists = _k_lists(recommended, n_items, k)
    return np.bincount(lists[lists >= 0], minlength=n_items)


def _popularity(popularity):
    popularity = np.asarray(popularity, np.float64)
    if popularity.ndim != 1 or popularity.size == 0 or not (np.isfinite(popularity).all() and popularity.min() >= 0):
        raise ValueError(f"popularity must be counts from 0 up, of shape (n_items,), got shape {popularity.shape}")
    return popularity


def _mean_of_items(values, lists, per_user):
    n = (lists >= 0).sum(axis=1)
    return _mean_defined(np.where(lists >= 0, values[lists], 0).sum(axis=1) / np.maximum(n, 1), n > 0, per_user)


def _mean_defined(values, defined, per_user):
    if per_user:
        return np.where(defined, values, np.nan)
    if not defined.any():
        raise ValueError("recommended is empty: no list is long enough")
    return float(values[defined].mean())


# --- how sure is a mean? ------------------------------------------------------------------------------------------------


def bootstrap_by_user(values, weights=None, *, n_resamples=2000, seed=0):
    """Means over users drawn with replacement: how much would a metric vary, had other users come?

    All rows of `values` see the same draws, so that the difference of two rows is that of two systems on the same users.

    Parameters
    ----------
    values : array_like
        Shape (n_users,) or (n_systems, n_users), finite. Users that are NaN in any row are left out.
    weights : array_like, optional
        Shape (n_users,), such as the number of test ratings if `values` are mean squared errors; default 1 each. Finite and
        above 0, but for users that are left out.
    n_resamples : int
        Number of draws, at least 1.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray
        Shape (n_resamples,) or (n_systems, n_resamples): the mean of each draw. The ends of a 95% interval are
        ``np.quantile(draws, [0.025, 0.975], axis=-1)`` (the percentile method).

    References
    ----------
    B. Efron, R. J. Tibshirani: An introduction to the bootstrap, 1993.

    Examples
    --------
    >>> draws = bootstrap_by_user(np.arange(100) % 2)
    >>> draws.shape, np.quantile(draws, [0.025, 0.975]).round(1).tolist()
    ((2000,), [0.4, 0.6])
    """
    check_int("n_resamples", n_resamples, 1)
    check_int("seed", seed, 0)
    values = np.asarray(values, np.float64)
    if values.ndim not in (1, 2):
        raise ValueError(f"values must have the shape (n_users,) or (n_systems, n_users), got {values.shape}")
    weights = np.ones(values.shape[-1]) if weights is None else np.asarray(weights, np.float64)
    if weights.shape != values.shape[-1:]:
        raise ValueError(f"values and weights must share their last axis, got shapes {values.shape} and {weights.shape}")
    defined = ~np.isnan(np.atleast_2d(values)).any(axis=0)
    if not defined.any():
        raise ValueError("values is empty: no user has a value in every row")
    values, weights = values[..., defined], weights[defined]
    if not np.isfinite(values).all():
        raise ValueError("values holds infinity")
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError("weights must be finite and above 0 for every user with a value")
    n = len(weights)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples) * weights  # (draws, users)
    return values @ counts.T / counts.sum(axis=1)
