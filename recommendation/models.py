"""Recommenders with one interface: ``fit(ratings)``, ``predict(users, items)``, ``scores(users)``, ``recommend(users, k)``.

``ratings`` is the sparse matrix of shape (n_users, n_items) that `recommendation.datasets.rating_matrix` makes. A user or
an item of that shape without a single rating is *cold*: every model has a stated answer for it. A number outside the shape
is *unknown*: a ValueError.

Models that predict ratings (all but `Popularity` and `ImplicitALS`) rank by the unclipped prediction and clip only what
`predict` returns: clipped first, all that lies above five stars would be one tie. Of equal scores the lower item number
comes first.
"""

import copy

import numpy as np
from scipy import sparse

from recommendation.metrics import top_k
from tensorflow_basics.checks import check_int, check_number

BLOCK = 512  # users, or rows of a similarity matrix, that are dense at one time


class Recommender:
    """What all models share. A subclass implements ``_fit(ratings)`` and ``scores(users)``.

    Attributes
    ----------
    ratings_ : scipy.sparse.csr_array
        What it was fitted on.
    """

    predicts_ratings = True  # in stars; otherwise scores that mean nothing but an order

    def fit(self, ratings):
        """Learn from ratings.

        Parameters
        ----------
        ratings : scipy.sparse matrix
            Shape (n_users, n_items), float; stored entries were rated, the others are unknown.

        Returns
        -------
        Recommender
            Itself.

        Raises
        ------
        TypeError, ValueError
            If `ratings` is not sparse, is empty, or holds NaN or infinity.
        """
        ratings = _checked(ratings)
        trained = copy.copy(self)
        trained._fit(ratings)
        vars(self).update(vars(trained), ratings_=ratings)  # not before: a fit that fails leaves the model as it was
        return self

    def predict(self, users, items):
        """The score of each pair of a user and an item.

        Parameters
        ----------
        users, items : array_like
            Integers, shape (n,).

        Returns
        -------
        ndarray
            Shape (n,), float64; ratings are clipped to the lowest and the highest seen in `fit`.

        Raises
        ------
        ValueError
            If a user or an item is unknown, the lengths differ, or the model is not fitted.
        """
        users, items = self._known("users", users, 0), self._known("items", items, 1)
        if users.shape != items.shape:
            raise ValueError(f"users and items must be equally long, got {users.shape} and {items.shape}")
        scores = self._pair_scores(users, items)
        if self.predicts_ratings:
            scores = np.clip(scores, self.ratings_.data.min(), self.ratings_.data.max())
        return scores

    def recommend(self, users, k=10, *, exclude_rated=True):
        """The k best items for each user.

        Parameters
        ----------
        users : array_like
            Integers, shape (n,).
        k : int
            Length of each list, at least 1.
        exclude_rated : bool
            Whether to leave out what the user rated in `fit`.

        Returns
        -------
        ndarray
            Shape (n, min(k, n_items)), int64, best first; -1 where nothing is left to recommend.

        Raises
        ------
        TypeError, ValueError
            As `predict`, or if k is not an integer of at least 1.
        """
        users = self._known("users", users, 0)
        check_int("k", k, 1)
        lists = [np.empty((0, min(k, self.ratings_.shape[1])), np.int64)]
        for start in range(0, len(users), BLOCK):
            block = users[start : start + BLOCK]
            lists.append(top_k(self.scores(block), k, exclude=self.ratings_[block] if exclude_rated else None))
        return np.concatenate(lists)

    def scores(self, users):
        """Scores of all items, unclipped: shape (len(users), n_items)."""
        raise NotImplementedError

    def _fit(self, ratings):
        raise NotImplementedError

    def _pair_scores(self, users, items):
        scores = np.empty(len(users))
        rows, place = np.unique(users, return_inverse=True)
        for start in range(0, len(rows), BLOCK):
            inside = (place >= start) & (place < start + BLOCK)
            scores[inside] = self.scores(rows[start : start + BLOCK])[place[inside] - start, items[inside]]
        return scores

    def _known(self, name, index, axis):
        if not hasattr(self, "ratings_"):
            raise ValueError(f"this {type(self).__name__} is not fitted: call fit first")
        index = np.atleast_1d(np.asarray(index))
        if index.ndim != 1 or (index.dtype.kind not in "iu" and index.size):
            raise ValueError(f"{name} must be integers of shape (n,), got {index.dtype} of shape {index.shape}")
        size = self.ratings_.shape[axis]
        if index.size and not 0 <= index.min() <= index.max() < size:
            bad = index[(index < 0) | (index >= size)][0]
            raise ValueError(f"{name}: {bad} is unknown, this model was fitted with the numbers 0 to {size - 1}")
        return index.astype(np.int64)


def _checked(ratings):
    if not sparse.issparse(ratings):
        raise TypeError(f"ratings must be a sparse matrix, as rating_matrix makes, got {type(ratings).__name__}")
    ratings = sparse.csr_array(ratings, dtype=np.float64, copy=True)
    ratings.sum_duplicates()
    if ratings.nnz == 0:
        raise ValueError("ratings is empty")
    if not np.isfinite(ratings.data).all():
        raise ValueError("ratings holds NaN or infinity")
    return ratings


def _like(ratings, data):
    """A matrix with the same entries stored, and `data` in them."""
    return sparse.csr_array((data, ratings.indices, ratings.indptr), shape=ratings.shape)


def _rows(ratings):
    """The row of each stored entry, in the order of ``ratings.data``."""
    return np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))


# --- without personal taste ---------------------------------------------------------------------------------------------


class Popularity(Recommender):
    """Everybody gets what most users have rated. The score is that number; a cold user gets the same list as anybody.

    Examples
    --------
    >>> ratings = sparse.csr_array([[5.0, 0, 1.0], [0, 0, 2.0]])
    >>> Popularity().fit(ratings).recommend([0, 1], 2).tolist()
    [[1, -1], [0, 1]]
    """

    predicts_ratings = False

    def _fit(self, ratings):
        self.counts_ = np.bincount(ratings.indices, minlength=ratings.shape[1]).astype(np.float64)

    def scores(self, users):
        """Number of ratings of each item, the same row for each user."""
        return np.tile(self.counts_, (len(self._known("users", users, 0)), 1))


class Baseline(Recommender):
    r"""Mean, user bias and item bias: :math:`b_{ui} = \mu + b_u + b_i`.

    The biases minimise the squared error plus ``reg_user * b_u**2`` and ``reg_item * b_i**2``, by turns: first the items',
    then the users', `n_epochs` times. A cold user has bias 0, and so has a cold item.

    Parameters
    ----------
    reg_user, reg_item : float
        At least 0; it is as if each had so many more ratings without any deviation.
    n_epochs : int
        At least 1.

    Attributes
    ----------
    mean_, user_bias_, item_bias_ : float, ndarray (n_users,), ndarray (n_items,)

    References
    ----------
    Y. Koren: Factor in the neighbors: scalable and accurate collaborative filtering, 2010. The defaults are Surprise's.
    """

    def __init__(self, reg_user=15.0, reg_item=10.0, n_epochs=10):
        for name, value in (("reg_user", reg_user), ("reg_item", reg_item)):
            check_number(name, value, 0)
        check_int("n_epochs", n_epochs, 1)
        self.reg_user, self.reg_item, self.n_epochs = reg_user, reg_item, n_epochs

    def _fit(self, ratings):
        users, items = _rows(ratings), ratings.indices
        n_users, n_items = ratings.shape
        n_of_user = np.maximum(np.bincount(users, minlength=n_users) + self.reg_user, 1e-12)
        n_of_item = np.maximum(np.bincount(items, minlength=n_items) + self.reg_item, 1e-12)
        self.mean_ = ratings.data.mean()
        deviation, self.user_bias_ = ratings.data - self.mean_, np.zeros(n_users)
        for _ in range(self.n_epochs):
            self.item_bias_ = np.bincount(items, deviation - self.user_bias_[users], n_items) / n_of_item
            self.user_bias_ = np.bincount(users, deviation - self.item_bias_[items], n_users) / n_of_user

    def scores(self, users):
        """Predicted ratings of all items, shape (len(users), n_items)."""
        users = self._known("users", users, 0)
        return self.mean_ + self.user_bias_[users, None] + self.item_bias_

    def _pair_scores(self, users, items):
        return self.mean_ + self.user_bias_[users] + self.item_bias_[items]

    def residuals(self):
        """What the baseline leaves unexplained of the ratings it was fitted on: csr_array (n_users, n_items)."""
        ratings = self.ratings_
        return _like(ratings, ratings.data - self._pair_scores(_rows(ratings), ratings.indices))


# --- neighbours ---------------------------------------------------------------------------------------------------------


def similarity(ratings, kind="cosine", *, shrinkage=0.0, n_neighbors=None):
    r"""Similarities of the rows of a matrix of ratings, each from the columns that both rows have.

    With x and y the ratings of two rows in the n columns that both have:

    - cosine: :math:`\sum x y / \sqrt{\sum x^2 \sum y^2}`;
    - pearson: the same after each row's mean *over those columns* is subtracted; 0 if one of the two does not vary.

    Parameters
    ----------
    ratings : scipy.sparse matrix
        Shape (n, m), above 0; for items, the transposed matrix.
    kind : {"cosine", "pearson"}
    shrinkage : float
        The similarity is multiplied by ``n / (n + shrinkage)``: agreement on two films proves little.
    n_neighbors : int, optional
        Keep only that many in each row, the largest; of equal ones the lower number.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n); only what is above 0 is stored, and never the diagonal.

    Examples
    --------
    >>> ratings = sparse.csr_array([[5.0, 1.0, 4.0], [4.0, 2.0, 0.0], [1.0, 5.0, 0.0]])
    >>> similarity(ratings, "pearson").toarray().round(2).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if kind not in ("cosine", "pearson"):
        raise ValueError(f"kind must be 'cosine' or 'pearson', got {kind!r}")
    check_number("shrinkage", shrinkage, 0)
    if n_neighbors is not None:
        check_int("n_neighbors", n_neighbors, 1)
    x = _checked(ratings)
    if x.data.min() <= 0:
        raise ValueError(f"ratings must be above 0 to be compared, got {x.data.min()}")
    one, square = _like(x, np.ones(x.nnz)), _like(x, x.data**2)
    x_t, one_t, square_t = x.T.tocsr(), one.T.tocsr(), square.T.tocsr()
    blocks = []
    for start in range(0, x.shape[0], BLOCK):
        block = slice(start, start + BLOCK)
        common = one[block] @ one_t  # (block, n): number of columns that both rows have
        n = common.data
        # Sums of positive numbers over the same pairs: each product stores the same entries in the same order.
        xy, xx, yy = (x[block] @ x_t).data, (square[block] @ one_t).data, (one[block] @ square_t).data
        if kind == "pearson":
            sum_x, sum_y = (x[block] @ one_t).data, (one[block] @ x_t).data
            n_xx, n_yy = n * xx, n * yy
            xy, xx, yy = n * xy - sum_x * sum_y, n_xx - sum_x**2, n_yy - sum_y**2
            xy[(xx < 1e-9 * n_xx) | (yy < 1e-9 * n_yy)] = 0  # what does not vary comes out as a rounding error
        scale = np.sqrt(np.maximum(xx, 1e-300)) * np.sqrt(np.maximum(yy, 1e-300))
        s = xy / scale * n / (n + shrinkage)
        s[common.indices == start + _rows(common)] = 0  # a row is no neighbour of itself
        blocks.append(_largest(_like(common, s), n_neighbors))
    return sparse.vstack(blocks, format="csr")


def _largest(s, n_neighbors):
    """The positive entries of `s`, no more than `n_neighbors` in each row."""
    kept = s.data > 0
    rows, columns, values = _rows(s)[kept], s.indices[kept], s.data[kept]
    if n_neighbors is not None:
        dense = np.full(s.shape, -np.inf)
        dense[rows, columns] = values
        lists = top_k(dense, n_neighbors)
        rows, places = np.nonzero(lists >= 0)
        columns = lists[rows, places]
        values = dense[rows, columns]
    return sparse.csr_array((values, (rows, columns)), shape=s.shape)


class _KNN(Recommender):
    def __init__(self, n_neighbors=100, similarity="pearson", shrinkage=10.0, reg=2.0):
        check_int("n_neighbors", n_neighbors, 1)
        if similarity not in ("cosine", "pearson"):
            raise ValueError(f"similarity must be 'cosine' or 'pearson', got {similarity!r}")
        check_number("shrinkage", shrinkage, 0)
        check_number("reg", reg, 0)
        self.n_neighbors, self.similarity, self.shrinkage, self.reg = n_neighbors, similarity, shrinkage, reg

    def _fit(self, ratings):
        self.baseline_ = Baseline().fit(ratings)
        self.residuals_ = self.baseline_.residuals()
        rows = ratings if self.by_user else ratings.T
        options = {"shrinkage": self.shrinkage, "n_neighbors": self.n_neighbors}
        self.similarity_ = similarity(rows, self.similarity, **options)
        self._transposed = self.similarity_.T.tocsr()

    def scores(self, users):
        """Predicted ratings of all items, shape (len(users), n_items)."""
        users = self._known("users", users, 0)
        rated = _like(self.residuals_, np.ones(self.residuals_.nnz))
        if self.by_user:
            weights = self.similarity_[users]
            above, below = weights @ self.residuals_, weights @ rated
        else:
            above, below = self.residuals_[users] @ self._transposed, rated[users] @ self._transposed
        above, below = above.toarray(), below.toarray() + self.reg  # (len(users), n_items)
        return self.baseline_.scores(users) + np.divide(above, below, out=np.zeros_like(above), where=below > 0)


class UserKNN(_KNN):
    r"""Users who agreed with you so far: the baseline plus the mean deviation of your neighbours from theirs.

    .. math:: \hat r_{ui} = b_{ui} + \frac{\sum_v s_{uv} (r_{vi} - b_{vi})}{\lambda + \sum_v s_{uv}}

    over those of the `n_neighbors` users most similar to u that have rated i. Without any, and so for a cold user or a cold
    item, it is the baseline; :math:`\lambda` draws a mean of few neighbours towards it as well.

    Parameters
    ----------
    n_neighbors : int
        At least 1.
    similarity : {"pearson", "cosine"}
        See `similarity`.
    shrinkage : float
        Likewise.
    reg : float
        :math:`\lambda`, at least 0, as if one more neighbour of that similarity had no deviation.

    Attributes
    ----------
    similarity_ : scipy.sparse.csr_array
        Shape (n_users, n_users).

    References
    ----------
    J. L. Herlocker and others: An algorithmic framework for performing collaborative filtering, 1999.
    """

    by_user = True


class ItemKNN(_KNN):
    r"""Items rated alike: the baseline plus your mean deviation on the items most similar to this one.

    .. math:: \hat r_{ui} = b_{ui} + \frac{\sum_j s_{ij} (r_{uj} - b_{uj})}{\lambda + \sum_j s_{ij}}

    over those of the `n_neighbors` items most similar to i that u has rated; without any, the baseline.

    Parameters
    ----------
    n_neighbors, similarity, shrinkage, reg
        As for `UserKNN`.

    Attributes
    ----------
    similarity_ : scipy.sparse.csr_array
        Shape (n_items, n_items).

    References
    ----------
    B. Sarwar, G. Karypis, J. Konstan, J. Riedl: Item-based collaborative filtering recommendation algorithms, 2001.
    """

    by_user = False


# --- factors ------------------------------------------------------------------------------------------------------------


def ridge_rows(targets, features, reg):
    r"""A ridge regression for each row of a sparse matrix: the half of a sweep of alternating least squares.

    Row u is solved for x in :math:`\min_x \sum_i (t_{ui} - v_i \cdot x)^2 + \sum_f \lambda_f x_f^2`, the sum over its
    stored entries. Rows with more entries than features solve :math:`(V^T V + \lambda) x = V^T t`, all at once: the sums of
    the outer products are one product of a sparse with a dense matrix. Rows with n entries, fewer, solve an n x n system
    with the same solution, here for :math:`\lambda = 1`: :math:`x = V^T (V V^T + 1)^{-1} t`. For an item rated once that is
    a division.

    Parameters
    ----------
    targets : scipy.sparse.csr_array
        Shape (n_rows, n_columns).
    features : ndarray
        Shape (n_columns, n_features), float32 or float64.
    reg : array_like
        Shape (n_features,), finite and above 0.

    Returns
    -------
    ndarray
        Shape (n_rows, n_features), dtype of `features`; 0 for a row without entries.

    Raises
    ------
    TypeError, ValueError
        If `features` has another dtype, or `reg` is not one penalty for each feature.

    References
    ----------
    Y. Zhou and others: Large-scale parallel collaborative filtering for the Netflix prize, 2008.
    """
    n_features, dtype, reg = features.shape[1], features.dtype, np.asarray(reg, np.float64)
    if dtype not in ("float32", "float64"):
        raise TypeError(f"features must be float32 or float64, got {dtype}")
    if reg.shape != (n_features,) or not (np.isfinite(reg) & (reg > 0)).all():
        raise ValueError(f"reg must hold {n_features} penalties, finite and above 0, got {reg}")
    scale = (1 / np.sqrt(reg)).astype(dtype)
    v = features * scale  # in these units every penalty is 1
    targets = _like(targets, targets.data.astype(dtype))
    length = np.diff(targets.indptr)
    x = np.zeros((targets.shape[0], n_features), dtype)

    long = np.flatnonzero(length > n_features)
    if len(long):
        part = targets[long]
        outer = np.concatenate([v[:, f, None] * v[:, f:] for f in range(n_features)], axis=1)  # v_f v_g for f <= g
        upper, lower = np.triu_indices(n_features)
        normal = np.empty((len(long), n_features, n_features), dtype)
        normal[:, upper, lower] = normal[:, lower, upper] = _like(part, np.ones_like(part.data)) @ outer
        normal += np.eye(n_features, dtype=dtype)
        x[long] = np.linalg.solve(normal, (part @ v)[:, :, None])[:, :, 0]
    for n in range(1, n_features + 1):
        short = np.flatnonzero(length == n)
        if len(short):
            at = targets.indptr[short, None] + np.arange(n)  # (rows, n)
            v_n, t_n = v[targets.indices[at]], targets.data[at]  # (rows, n, n_features), (rows, n)
            dual = np.linalg.solve(v_n @ v_n.transpose(0, 2, 1) + np.eye(n, dtype=dtype), t_n[:, :, None])
            x[short] = (v_n.transpose(0, 2, 1) @ dual)[:, :, 0]
    return x * scale


class _Factors(Recommender):
    """Prediction from ``mean_``, ``user_bias_``, ``item_bias_``, ``user_factors_``, ``item_factors_``."""

    def scores(self, users):
        """Predicted ratings of all items, shape (len(users), n_items)."""
        users = self._known("users", users, 0)
        product = self.user_factors_[users] @ self.item_factors_.T
        return self.mean_ + self.user_bias_[users, None] + self.item_bias_ + product

    def _pair_scores(self, users, items):
        product = np.einsum("nf,nf->n", self.user_factors_[users], self.item_factors_[items])
        return self.mean_ + self.user_bias_[users] + self.item_bias_[items] + product


class MatrixFactorizationALS(_Factors):
    r"""Biased matrix factorisation by alternating least squares: :math:`\hat r_{ui} = \mu + b_u + b_i + p_u \cdot q_i`.

    With the items fixed, each user's :math:`(p_u, b_u)` is a ridge regression, and the other way round; a sweep solves all
    of both exactly. There is no learning rate. It starts at the biases of `Baseline` and, for the item factors, at the
    leading right singular vectors of what these leave unexplained, found by random projection and two power iterations;
    from there three sweeps do what takes eight from random numbers. A cold user has zeros for factors and bias, so its
    prediction is :math:`\mu + b_i`; a cold item likewise.

    Parameters
    ----------
    n_factors : int
        At least 1.
    reg, reg_bias : float
        Penalty of the squared factors and of the squared biases, above 0.
    n_epochs : int
        Sweeps, at least 1.
    seed : int
        Of the random projection.
    dtype : {"float32", "float64"}
        Of the computation.

    Attributes
    ----------
    mean_, user_bias_, item_bias_, user_factors_, item_factors_
        A float and arrays of shape (n_users,), (n_items,), (n_users, n_factors), (n_items, n_factors).

    References
    ----------
    Y. Koren, R. Bell, C. Volinsky: Matrix factorization techniques for recommender systems, 2009. The start: N. Halko,
    P. G. Martinsson, J. A. Tropp: Finding structure with randomness, 2011.
    """

    def __init__(self, n_factors=20, *, reg=12.0, reg_bias=5.0, n_epochs=3, seed=0, dtype="float32"):
        check_int("n_factors", n_factors, 1)
        check_int("n_epochs", n_epochs, 1)
        check_int("seed", seed, 0)
        for name, value in (("reg", reg), ("reg_bias", reg_bias)):
            check_number(name, value, 0, above=True)
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        self.n_factors, self.reg, self.reg_bias = n_factors, reg, reg_bias
        self.n_epochs, self.seed, self.dtype = n_epochs, seed, dtype

    def _fit(self, ratings):
        n_items, k = ratings.shape[1], self.n_factors
        start = Baseline(self.reg_bias, self.reg_bias, n_epochs=3).fit(ratings)
        self.mean_ = start.mean_
        by_user = _like(ratings, ratings.data - self.mean_)
        by_item = by_user.T.tocsr()
        reg = np.append(np.full(k, self.reg), self.reg_bias)
        q = np.zeros((n_items, k + 1), self.dtype)  # factors, then the bias
        directions = self._leading_directions(start.residuals().astype(self.dtype))
        q[:, : directions.shape[1]] = directions
        q[:, k] = start.item_bias_
        for _ in range(self.n_epochs):
            p = self._half(by_user, q, reg)
            q = self._half(by_item, p, reg)
        self.user_factors_, self.user_bias_ = p[:, :k], p[:, k]
        self.item_factors_, self.item_bias_ = q[:, :k], q[:, k]

    def _leading_directions(self, residuals):
        """About the residuals' right singular vectors times the roots of the singular values: (n_items, n_factors)."""
        transposed, rng = residuals.T.tocsr(), np.random.default_rng(self.seed)
        v = transposed @ rng.normal(size=(residuals.shape[0], self.n_factors)).astype(self.dtype)
        for _ in range(2):
            v = transposed @ (residuals @ (v / np.maximum(np.linalg.norm(v, axis=0), 1e-9)))
        v, _ = np.linalg.qr(v)  # fewer columns if there are fewer items than factors
        return v * np.sqrt(np.linalg.norm(residuals @ v, axis=0))

    def _half(self, deviations, other, reg):
        """The rows' factors and biases, given those of the columns."""
        k = self.n_factors
        targets = _like(deviations, deviations.data - other[deviations.indices, k])
        features = np.column_stack([other[:, :k], np.ones(len(other), other.dtype)])
        return ridge_rows(targets, features, reg)

    def objective(self):
        """What is minimised, on the ratings of `fit`: squared error plus penalties. No sweep can raise it."""
        error = self.ratings_.data - self._pair_scores(_rows(self.ratings_), self.ratings_.indices)
        factors = np.sum(self.user_factors_**2) + np.sum(self.item_factors_**2)
        biases = np.sum(self.user_bias_**2) + np.sum(self.item_bias_**2)
        return float(error @ error + self.reg * factors + self.reg_bias * biases)


class MatrixFactorizationSGD(_Factors):
    r"""The same model by stochastic gradient descent in PyTorch, on any device; libraries call it "SVD", which it is not.

    For a rating with the error :math:`e = r_{ui} - \hat r_{ui}`, and a penalty for each rating:

    .. math:: b_u \mathrel{+}= \eta (e - \lambda b_u), \quad p_u \mathrel{+}= \eta (e\, q_i - \lambda p_u), \quad
        \text{likewise } b_i, q_i.

    With ``batch_size=1`` it is S. Funk's rule as in Surprise's SVD; a batch adds up the steps of its ratings.

    Parameters
    ----------
    n_factors, n_epochs : int
        At least 1.
    batch_size : int
        At least 1. A user with many ratings in a batch takes the sum of their steps, so few users (or few items) need
        small batches; with a batch too large or steps too long the factors grow without end, and `fit` raises ValueError.
    learning_rate, reg : float
        Step size, above 0, and penalty, at least 0.
    seed : int
        Of the start (normal, scale 0.1) and of the order of the ratings.
    device : str or torch.device
        Where to compute, such as "cpu" or "cuda".

    Attributes
    ----------
    mean_, user_bias_, item_bias_, user_factors_, item_factors_
        As for `MatrixFactorizationALS`, float32 NumPy arrays.

    References
    ----------
    Y. Koren, R. Bell, C. Volinsky: Matrix factorization techniques for recommender systems, 2009.
    """

    def __init__(self, n_factors=20, *, learning_rate=0.01, reg=0.1, n_epochs=40, batch_size=512, seed=0, device="cpu"):
        for name, value in (("n_factors", n_factors), ("n_epochs", n_epochs), ("batch_size", batch_size)):
            check_int(name, value, 1)
        check_int("seed", seed, 0)
        check_number("learning_rate", learning_rate, 0, above=True)
        check_number("reg", reg, 0)
        self.n_factors, self.learning_rate, self.reg, self.n_epochs = n_factors, learning_rate, reg, n_epochs
        self.batch_size, self.seed, self.device = batch_size, seed, device

    def _fit(self, ratings):
        import torch

        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a batch is too small to share: on busy cores two threads took 40 times as long as one
        try:
            self._descend(ratings)
        finally:
            torch.set_num_threads(n_threads)

    def _descend(self, ratings):
        import torch

        k, rate = self.n_factors, self.learning_rate
        rng = np.random.default_rng(self.seed)  # the same draws on every device
        mean = ratings.data.mean()
        # Factors, then the bias, then a constant 1 that meets the other side's bias: one product predicts a rating.
        p, q = (rng.normal(scale=0.1, size=(n, k + 2)).astype(np.float32) for n in ratings.shape)
        p[:, k:], q[:, k:] = [0, 1], [1, 0]
        p, q = torch.tensor(p, device=self.device), torch.tensor(q, device=self.device)
        learned = {"p": torch.ones(k + 2, device=self.device), "q": torch.ones(k + 2, device=self.device)}
        learned["p"][k + 1] = learned["q"][k] = 0
        users = torch.tensor(_rows(ratings), device=self.device)
        items = torch.tensor(ratings.indices.astype(np.int64), device=self.device)
        deviation = torch.tensor((ratings.data - mean).astype(np.float32), device=self.device)
        for _ in range(self.n_epochs):
            order = torch.tensor(rng.permutation(len(deviation)), device=self.device)
            for batch in order.split(self.batch_size):
                u, i = users[batch], items[batch]
                p_u, q_i = p[u], q[i]  # (batch, k + 2)
                error = (deviation[batch] - (p_u * q_i).sum(dim=1))[:, None]
                p.index_add_(0, u, (error * q_i - self.reg * p_u) * learned["p"], alpha=rate)
                q.index_add_(0, i, (error * p_u - self.reg * q_i) * learned["q"], alpha=rate)
        p, q = p.cpu().numpy(), q.cpu().numpy()
        if not (np.isfinite(p).all() and np.isfinite(q).all()):
            raise ValueError(
                "training gave factors that are NaN or infinite; a smaller batch_size or learning_rate may help"
            )
        self.mean_ = mean
        self.user_factors_, self.user_bias_ = p[:, :k], p[:, k]
        self.item_factors_, self.item_bias_ = q[:, :k], q[:, k + 1]


class ImplicitALS(Recommender):
    r"""Matrix factorisation of what was watched at all, whatever the rating: for rankings, not for stars.

    Every pair is in the loss. Preference is 1 for a stored pair and 0 for any other; confidence is 1 for the others and
    :math:`c_{ui} = 1 + \alpha\, r_{ui}` for a stored one:

    .. math:: \min \sum_{u,i} c_{ui} (1[r_{ui} \text{ stored}] - p_u \cdot q_i)^2 + \lambda (\|P\|^2 + \|Q\|^2)

    The sum over all pairs costs no more than the stored ones, because :math:`Q^T C_u Q = Q^T Q + Q^T (C_u - 1) Q`.

    A cold user has only zeros, and gets the most popular items instead. A cold item has the score 0.

    Parameters
    ----------
    n_factors, n_epochs : int
        At least 1.
    alpha, reg : float
        Above 0.
    seed : int
        Of the item factors' start.

    Attributes
    ----------
    user_factors_, item_factors_ : ndarray
        Shape (n_users, n_factors) and (n_items, n_factors), float32.

    References
    ----------
    Y. Hu, Y. Koren, C. Volinsky: Collaborative filtering for implicit feedback datasets, 2008.
    """

    predicts_ratings = False

    def __init__(self, n_factors=20, *, alpha=1.0, reg=10.0, n_epochs=5, seed=0):
        check_int("n_factors", n_factors, 1)
        check_int("n_epochs", n_epochs, 1)
        check_int("seed", seed, 0)
        for name, value in (("alpha", alpha), ("reg", reg)):
            check_number(name, value, 0, above=True)
        self.n_factors, self.alpha, self.reg, self.n_epochs, self.seed = n_factors, alpha, reg, n_epochs, seed

    def _fit(self, ratings):
        if ratings.data.min() < 0:
            raise ValueError("ratings must not be negative: they are confidences here")
        extra = _like(ratings, (self.alpha * ratings.data).astype(np.float32))
        extra_t = extra.T.tocsr()
        size = ratings.shape[1], self.n_factors
        q = np.random.default_rng(self.seed).normal(scale=0.1, size=size).astype(np.float32)
        for _ in range(self.n_epochs):
            p = self._half(extra, q)
            q = self._half(extra_t, p)
        self.user_factors_, self.item_factors_ = p, q
        self.counts_ = np.bincount(ratings.indices, minlength=ratings.shape[1])
        self.is_cold_ = np.diff(ratings.indptr) == 0

    def _half(self, extra, v):
        k = v.shape[1]
        outer = (v[:, :, None] * v[:, None, :]).reshape(len(v), -1)
        normal = (extra @ outer).reshape(-1, k, k) + (v.T @ v + self.reg * np.eye(k, dtype=v.dtype))
        right = _like(extra, 1 + extra.data) @ v
        return np.linalg.solve(normal, right[:, :, None])[:, :, 0]

    def scores(self, users):
        """Scores of all items, about 0 to 1, shape (len(users), n_items); for cold users the popularity."""
        users = self._known("users", users, 0)
        scores = (self.user_factors_[users] @ self.item_factors_.T).astype(np.float64)
        scores[self.is_cold_[users]] = self.counts_ / self.counts_.max()
        return scores


# --- content, and all together ------------------------------------------------------------------------------------------


class ContentBased(Recommender):
    r"""Your own ratings and the films' features, nobody else's taste: :math:`\hat r_{ui} = b_{ui} + w_u \cdot x_i`.

    :math:`w_u` is the ridge regression of the user's residuals of the baseline on the features. A cold user has
    :math:`w_u = 0`; a cold item still has its features, which is the point of this model.

    Parameters
    ----------
    features : array_like
        Shape (n_items, n_features), finite, such as `recommendation.datasets.genre_matrix` makes. Each row is scaled to
        length 1; a row of zeros stays.
    reg : float
        Penalty of the squared weights, above 0.

    Attributes
    ----------
    weights_ : ndarray
        Shape (n_users, n_features): by how many stars a user likes each feature more than the baseline says.

    References
    ----------
    P. Lops, M. de Gemmis, G. Semeraro: Content-based recommender systems: state of the art and trends, 2011.
    """

    def __init__(self, features, *, reg=5.0):
        features = np.asarray(features, np.float64)
        if features.ndim != 2 or not np.isfinite(features).all():
            raise ValueError(f"features must be finite, of shape (n_items, n_features), got shape {features.shape}")
        check_number("reg", reg, 0, above=True)
        norm = np.linalg.norm(features, axis=1, keepdims=True)
        self.features = np.divide(features, norm, out=np.zeros_like(features), where=norm > 0)
        self.reg = reg

    def _fit(self, ratings):
        if len(self.features) != ratings.shape[1]:
            raise ValueError(f"features has {len(self.features)} rows, ratings has {ratings.shape[1]} items")
        self.baseline_ = Baseline().fit(ratings)
        reg = np.full(self.features.shape[1], self.reg)
        self.weights_ = ridge_rows(self.baseline_.residuals(), self.features, reg)

    def scores(self, users):
        """Predicted ratings of all items, shape (len(users), n_items)."""
        users = self._known("users", users, 0)
        return self.baseline_.scores(users) + self.weights_[users] @ self.features.T


class Blend(Recommender):
    """A weighted sum of other models, with the weights that fit ratings best that none of them has seen.

    A part of the ratings is set aside at random, the models are fitted on the rest, and the weights and a constant are a
    least squares fit to the part set aside. Then the models are fitted again on everything.

    Parameters
    ----------
    models : list of Recommender
        Two or more that predict ratings; they are fitted here.
    validation_size : float
        The part set aside, above 0 and below 1.
    seed : int
        Of that draw.

    Attributes
    ----------
    weights_ : ndarray
        Shape (n_models,).
    constant_ : float

    References
    ----------
    R. M. Bell, Y. Koren: Lessons from the Netflix prize challenge, 2007.
    """

    def __init__(self, models, *, validation_size=0.1, seed=0):
        if not isinstance(models, (list, tuple)) or len(models) < 2:
            raise ValueError(f"models must be a list of two or more, got {models!r}")
        for model in models:
            if not getattr(model, "predicts_ratings", False):
                raise ValueError(f"models must predict ratings, {type(model).__name__} does not")
        check_number("validation_size", validation_size, 0, 1, above=True, below=True)
        check_int("seed", seed, 0)
        self.models, self.validation_size, self.seed = list(models), validation_size, seed

    def _fit(self, ratings):
        n_aside = round(self.validation_size * ratings.nnz)
        if not 0 < n_aside < ratings.nnz:
            raise ValueError(f"ratings has {ratings.nnz} entries, too few to set {self.validation_size} of them aside")
        is_aside = np.zeros(ratings.nnz, bool)
        is_aside[np.random.default_rng(self.seed).permutation(ratings.nnz)[:n_aside]] = True
        users, items, values = _rows(ratings), ratings.indices, ratings.data
        rest = sparse.csr_array((values[~is_aside], (users[~is_aside], items[~is_aside])), shape=ratings.shape)
        pairs = users[is_aside], items[is_aside].astype(np.int64)
        columns = [model.fit(rest)._pair_scores(*pairs) for model in self.models] + [np.ones(n_aside)]
        solution = np.linalg.lstsq(np.column_stack(columns), values[is_aside])[0]
        self.weights_, self.constant_ = solution[:-1], float(solution[-1])
        for model in self.models:
            model.fit(ratings)

    def scores(self, users):
        """Predicted ratings of all items, shape (len(users), n_items)."""
        users = self._known("users", users, 0)
        return self.constant_ + sum(w * model.scores(users) for w, model in zip(self.weights_, self.models, strict=True))

    def _pair_scores(self, users, items):
        parts = (w * model._pair_scores(users, items) for w, model in zip(self.weights_, self.models, strict=True))
        return self.constant_ + sum(parts)
