"""Federated averaging: clients train on data that stay with them, a server averages their weights. No engine needed.

Day 3 derives it. All that the server calls are a client's `fit` and `evaluate`, which take and return lists of NumPy arrays
as those of Flower's ``NumPyClient`` do, so that the same clients also run there.

Reference: H. B. McMahan et al.: Communication-Efficient Learning of Deep Networks from Decentralized Data, AISTATS 2017.
"""

import contextlib
import functools
import math
import threading

import numpy as np
import tensorflow as tf

from tensorflow_basics.checks import check_int, check_number


def split_clients(y, n_clients, *, shards_per_client=None, sizes=None, seed=0):
    """Deal examples to clients: at random, or sorted by label and in few pieces, so that each client sees few classes.

    Every example goes to exactly one client.

    Parameters
    ----------
    y : array_like
        Integer labels, shape (n,).
    n_clients : int
        From 1 to n.
    shards_per_client : int, optional
        Left out, every client gets a random part: the data are independent and identically distributed, IID. Otherwise the
        examples are sorted by label and cut into ``n_clients * shards_per_client`` shards, of which each client is dealt so
        many at random, as in section 3 of the paper: with 2 shards most clients hold 2 classes, some a single one.
    sizes : array_like of float, optional
        Relative sizes of the clients, above 0, shape (n_clients,); equal if left out.
    seed : int
        0 or more.

    Returns
    -------
    list of np.ndarray
        Indices into `y`, ascending, int64, one array of shape (n_k,) for each client; no client is empty.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or leaves a client without examples.

    Examples
    --------
    >>> [index.tolist() for index in split_clients([1, 0, 1, 0, 0, 1], 2, shards_per_client=1)]
    [[0, 2, 5], [1, 3, 4]]
    >>> [len(index) for index in split_clients(np.zeros(100, int), 3, sizes=[1, 1, 8])]
    [10, 10, 80]
    """
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise TypeError(f"y must hold integer labels in one dimension, got {y.dtype} of shape {y.shape}")
    check_int("n_clients", n_clients, 1)
    if n_clients > len(y):
        raise ValueError(f"n_clients must be at most {len(y)}, the number of examples, got {n_clients}")
    if shards_per_client is not None:
        check_int("shards_per_client", shards_per_client, 1)
        if n_clients * shards_per_client > len(y):
            most = len(y) // n_clients
            raise ValueError(
                f"shards_per_client must be at most {most}, so that no shard is empty, got {shards_per_client}"
            )
    check_int("seed", seed, 0)
    sizes = np.ones(n_clients) if sizes is None else np.asarray(sizes, np.float64)
    if sizes.shape != (n_clients,):
        raise ValueError(f"sizes must have shape ({n_clients},), one for each client, got {sizes.shape}")
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(f"sizes must be finite and above 0, got {sizes.tolist()}")

    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    if shards_per_client is not None:
        order = order[np.argsort(y[order], kind="stable")]
    owner = rng.permutation(np.repeat(np.arange(n_clients), shards_per_client or 1))  # of each shard
    ends = np.rint(np.cumsum(sizes[owner]) / sizes[owner].sum() * len(y)).astype(int)
    shards = np.split(order, ends[:-1])
    clients = [np.sort(np.concatenate([shards[s] for s in np.flatnonzero(owner == k)])) for k in range(n_clients)]
    for k, index in enumerate(clients):
        if len(index) == 0:
            raise ValueError(f"sizes leaves client {k} without examples: {len(y)} examples in shares {sizes.tolist()}")
    return clients


def federated_average(client_weights, sizes):
    """Mean of the clients' weights, each counted as often as it has examples: ``sum(n_k / n * weights_k)``.

    Parameters
    ----------
    client_weights : list of list of array_like
        One list for each client: its weights (or gradients, or updates), floating point and finite, as many and of the same
        shapes for all clients.
    sizes : sequence of int
        Number of examples of each client, at least 1.

    Returns
    -------
    list of np.ndarray
        Shapes as a client's, dtypes as the first client's. The inputs are left as they are.

    Raises
    ------
    TypeError, ValueError
        If there is no client, if the numbers of clients, of arrays or the shapes differ, if a value is NaN or infinite, or
        if a size is not an integer of at least 1. The message names the client.

    Examples
    --------
    >>> federated_average([[np.array([1.0, 2.0])], [np.array([5.0, 6.0])]], sizes=[3, 1])
    [array([2., 3.])]
    """
    if len(client_weights) == 0:
        raise ValueError("client_weights is empty: at least one client is needed")
    if len(sizes) != len(client_weights):
        raise ValueError(f"sizes must hold one number for each of {len(client_weights)} clients, got {len(sizes)}")
    for k, size in enumerate(sizes):
        check_int(f"sizes[{k}]", size, 1)
    first = _float_arrays("client_weights[0]", client_weights[0])
    clients = [_float_arrays(f"client_weights[{k}]", weights, like=first) for k, weights in enumerate(client_weights)]
    n = sum(int(size) for size in sizes)
    return [
        np.asarray(sum(int(size) / n * array for size, array in zip(sizes, arrays, strict=True)), arrays[0].dtype)
        for arrays in zip(*clients, strict=True)
    ]


class Client:
    """One holder of data. Its methods take and return weights; the data never leave it.

    Training is stochastic gradient descent in one graph, traced once for all clients that share `loss` and the shapes of an
    example and of the weights, whatever their sizes.

    Parameters
    ----------
    loss : callable
        ``loss(weights, x, y)``, in TensorFlow operations: a list of tensors and a batch to the mean loss over the batch, a
        scalar. Like any function inside ``tf.function`` it runs in Python only when traced.
    x, y : array_like
        Examples of shape (n, ...) and their targets of shape (n, ...), numeric and finite, n at least 1. Their dtypes stay
        as they are.
    epochs : int
        Passes over the data in one call of `fit`, at least 1.
    batch_size : int, optional
        Examples a step, at least 1; all of them if left out. The last batch of an epoch may be smaller.
    learning_rate : float
        Step size, above 0.
    seed : int
        Of the order of the examples, 0 or more.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.

    Examples
    --------
    One step on the loss (w - y)**2 / 2, from w = 0 with targets of mean 2:

    >>> client = Client(lambda w, x, y: tf.reduce_mean((w[0] - y) ** 2) / 2, x=[[0.0]] * 2, y=[1.0, 3.0])
    >>> client.fit([np.float64(0)], config={})
    ([array(0.2)], 2, {})
    """

    def __init__(self, loss, x, y, *, epochs=1, batch_size=None, learning_rate=0.1, seed=0):
        if not callable(loss):
            raise TypeError(f"loss must be a function of (weights, x, y), got {loss!r}")
        x, y = (_numeric(name, values) for name, values in [("x", x), ("y", y)])
        if len(x) == 0 or len(x) != len(y):
            raise ValueError(f"x and y must hold the same number of examples, at least 1, got {len(x)} and {len(y)}")
        check_int("epochs", epochs, 1)
        if batch_size is not None:
            check_int("batch_size", batch_size, 1)
        check_number("learning_rate", learning_rate, 0, above=True)
        check_int("seed", seed, 0)
        self._loss, self._x, self._y = loss, tf.constant(x), tf.constant(y)
        self._epochs, self._batch_size = int(epochs), int(min(batch_size or len(x), len(x)))
        self._learning_rate, self._seed = float(learning_rate), int(seed)

    def fit(self, parameters, config):
        """Train on the client's own data, starting from the server's weights.

        Parameters
        ----------
        parameters : list of array_like
            The server's weights, floating point and finite.
        config : dict
            ``config["round"]``, an integer of at least 0 (0 if it is missing): each has its own order of the examples.

        Returns
        -------
        parameters : list of np.ndarray
            The weights after training, shapes and dtypes as given.
        n_examples : int
            How many examples the client holds.
        metrics : dict
            Empty.

        Raises
        ------
        TypeError, ValueError
            If a weight is not floating point or not finite, before or after training; if the loss is not a scalar or does
            not depend on one of the weights.
        """
        weights = _float_arrays("parameters", parameters)
        n = len(self._x)
        rng = np.random.default_rng([self._seed, config.get("round", 0)])
        # A full batch needs no order: as they are, nothing is even rounded differently.
        orders = [rng.permutation(n) if self._batch_size < n else np.arange(n) for _ in range(self._epochs)]
        train, _ = self._graphs(weights)
        trained = train(
            [tf.constant(array) for array in weights],
            self._x,
            self._y,
            tf.constant(np.stack(orders), tf.int32),
            tf.constant(self._batch_size),
            tf.constant(self._learning_rate, tf.float64),
        )
        trained = [np.asarray(tensor) for tensor in trained]
        if not all(np.isfinite(array).all() for array in trained):
            raise ValueError("training gave weights that are NaN or infinite; a smaller learning_rate may help")
        return trained, n, {}

    def evaluate(self, parameters, config):
        """Loss of the server's weights on the client's own data.

        Parameters
        ----------
        parameters : list of array_like
            The server's weights, floating point and finite.
        config : dict
            Not used.

        Returns
        -------
        loss : float
            Mean over the client's examples.
        n_examples : int
            How many examples the client holds.
        metrics : dict
            Empty.
        """
        weights = _float_arrays("parameters", parameters)
        _, evaluate = self._graphs(weights)
        return float(evaluate([tf.constant(array) for array in weights], self._x, self._y)), len(self._x), {}

    def _graphs(self, weights):
        any_number = [tf.TensorSpec([None, *data.shape[1:]], data.dtype) for data in (self._x, self._y)]
        with _one_at_a_time:  # an engine may run clients in threads; each would trace graphs of its own
            return _graphs(self._loss, tuple(tf.TensorSpec(array.shape, array.dtype) for array in weights), *any_number)


def federated_averaging(clients, weights, *, rounds=10, fraction=1.0, score=None, seed=0):
    """Each round some clients train, all from the same weights, and the mean of what they return is the next start.

    Parameters
    ----------
    clients : sequence of Client
        Or of anything with the methods ``fit`` and ``evaluate`` of `Client`.
    weights : list of array_like
        The first weights, floating point and finite.
    rounds : int
        At least 1. Clients are told the number of the round, from 1, as ``{"round": number}``.
    fraction : float
        Part of the clients that train in a round, above 0 and at most 1. Their number is rounded and at least 1; each round
        draws them anew, without replacement.
    score : callable, optional
        ``score(weights)``, called with the server's weights after each round, such as their accuracy on held-out data.
    seed : int
        Of the draws, 0 or more.

    Returns
    -------
    weights : list of np.ndarray
        After the last round, shapes and dtypes as given.
    history : dict of list
        One value a round: ``clients``, the list of those that trained; ``loss``, the mean over all examples of all clients
        after the round, from what the clients report; with `score`, also ``score``.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range, or a client returns weights that are NaN, infinite or of another shape,
        a loss that is NaN or infinite, or a number of examples below 1. The message names the client and the round.

    Examples
    --------
    Two clients with one and three targets: the mean of all four is 2.5, that of the clients' means 2.0.

    >>> def loss(weights, x, y):
    ...     return tf.reduce_mean((weights[0] - y) ** 2) / 2
    >>> clients = [Client(loss, np.zeros([len(y), 1]), y, learning_rate=1.0) for y in ([1.0], [3.0, 3.0, 3.0])]
    >>> weights, history = federated_averaging(clients, [np.float64(0)], rounds=2)
    >>> weights, history["clients"], history["loss"]
    ([array(2.5)], [[0, 1], [0, 1]], [0.375, 0.375])
    """
    if len(clients) == 0:
        raise ValueError("clients is empty: at least one is needed")
    for k, client in enumerate(clients):
        if not (callable(getattr(client, "fit", None)) and callable(getattr(client, "evaluate", None))):
            raise TypeError(f"clients[{k}] must have the methods fit and evaluate, got {type(client).__name__}")
    weights = _float_arrays("weights", weights)
    check_int("rounds", rounds, 1)
    check_number("fraction", fraction, 0, 1, above=True)
    if score is not None and not callable(score):
        raise TypeError(f"score must be a function of the weights, got {score!r}")
    check_int("seed", seed, 0)

    rng = np.random.default_rng(seed)
    n_chosen = max(1, round(fraction * len(clients)))
    history = {"clients": [], "loss": []} | ({} if score is None else {"score": []})
    for number in range(1, rounds + 1):
        chosen = sorted(rng.choice(len(clients), n_chosen, replace=False).tolist())
        client_weights, sizes = [], []
        for k in chosen:
            with _naming(k, number):
                trained, size, _ = clients[k].fit([array.copy() for array in weights], {"round": number})
                client_weights.append(_float_arrays("its weights", trained, like=weights))
                check_int("its number of examples", size, 1)
                sizes.append(size)
        weights = federated_average(client_weights, sizes)
        losses = []
        for k, client in enumerate(clients):
            with _naming(k, number):
                loss, size, _ = client.evaluate([array.copy() for array in weights], {"round": number})
                check_number("its loss", loss, -math.inf, above=True)
                check_int("its number of examples", size, 1)
                losses.append((loss, size))
        history["clients"].append(chosen)
        history["loss"].append(sum(loss * n for loss, n in losses) / sum(n for _, n in losses))
        if score is not None:
            history["score"].append(score(weights))
    return weights, history


@contextlib.contextmanager
def _naming(k, number):
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"clients[{k}] in round {number}: {error}") from error


def clip_update(update, max_norm, *, noise=0.0, seed=0):
    """Shorten an update to a norm of at most `max_norm`, then add Gaussian noise: how much one client can give away, or do.

    The norm is one over all arrays. Clipping bounds what a single client can change; the noise hides what it did change.
    This is the mechanism of differentially private training and no more: how private the result is, its epsilon and delta,
    depends on the number of rounds, on who is drawn and on who sees which sum. An accountant has to compute it, and this
    function is none. Noise from a seed that somebody else can guess hides nothing.

    Parameters
    ----------
    update : list of array_like
        Floating point and finite: new weights minus old ones, or gradients.
    max_norm : float
        Above 0.
    noise : float
        Standard deviation of the noise on every entry, in units of `max_norm`; 0 or more.
    seed : int or sequence of int
        For ``np.random.default_rng``; another one for every client and round.

    Returns
    -------
    list of np.ndarray
        Shapes and dtypes as given. The input is left as it is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range.

    References
    ----------
    M. Abadi et al.: Deep Learning with Differential Privacy, CCS 2016. H. B. McMahan et al.: Learning Differentially
    Private Recurrent Language Models, ICLR 2018.

    Examples
    --------
    >>> clip_update([np.array([3.0]), np.array([0.0, 4.0])], max_norm=1.0)
    [array([0.6]), array([0. , 0.8])]
    """
    arrays = _float_arrays("update", update)
    check_number("max_norm", max_norm, 0, above=True)
    check_number("noise", noise, 0)
    norm = np.sqrt(sum(np.sum(np.square(array, dtype=np.float64)) for array in arrays))
    scale = min(1.0, max_norm / norm) if norm > 0 else 1.0
    rng = np.random.default_rng(seed)
    return [
        np.asarray(scale * array + noise * max_norm * rng.standard_normal(array.shape), array.dtype) for array in arrays
    ]


_one_at_a_time = threading.Lock()


@functools.lru_cache(maxsize=32)
def _graphs(loss, weight_specs, x_spec, y_spec):
    """`_train` and `loss` as graphs, each traced once; kept for the losses and shapes used last."""
    data = [list(weight_specs), x_spec, y_spec]
    steps = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float64)]
    return (
        tf.function(functools.partial(_train, loss), input_signature=[*data, *steps]),
        tf.function(functools.partial(_mean_loss, loss), input_signature=data),
    )


def _mean_loss(loss, weights, x, y):
    value = tf.convert_to_tensor(loss(weights, x, y))
    if value.shape.rank != 0:
        raise ValueError(f"loss must return a scalar, the mean over its batch, got shape {value.shape}")
    return value


def _train(loss, weights, x, y, orders, batch_size, learning_rate):
    """Gradient descent over the batches of each row of `orders`, shape (epochs, n)."""
    for order in orders:
        for start in tf.range(0, tf.size(order), batch_size):
            index = order[start : start + batch_size]
            with tf.GradientTape() as tape:
                tape.watch(weights)
                value = _mean_loss(loss, weights, tf.gather(x, index), tf.gather(y, index))
            gradients = tape.gradient(value, weights)
            weights = _descend(weights, gradients, learning_rate)
    return weights


def _descend(weights, gradients, learning_rate):
    for i, gradient in enumerate(gradients):
        if gradient is None:
            raise ValueError(f"loss does not depend on weights[{i}]")
    return [
        weight - tf.cast(learning_rate, weight.dtype) * tf.convert_to_tensor(gradient)
        for weight, gradient in zip(weights, gradients, strict=True)
    ]


def _float_arrays(name, values, like=None):
    """`values` as a list of NumPy arrays, floating point and finite, with the shapes of `like`."""
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{name} must be a list of arrays, got {type(values).__name__}")
    if len(values) == 0:
        raise ValueError(f"{name} is empty: at least one array is needed")
    arrays = [np.asarray(value) for value in values]
    if like is not None and len(arrays) != len(like):
        raise ValueError(f"{name} must hold {len(like)} arrays, got {len(arrays)}")
    for i, array in enumerate(arrays):
        if array.dtype.kind != "f":
            raise TypeError(f"{name}[{i}] must be floating point, got {array.dtype}")
        if like is not None and array.shape != like[i].shape:
            raise ValueError(f"{name}[{i}] must have shape {like[i].shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}[{i}] must be finite, got NaN or infinity")
    return arrays


def _numeric(name, values):
    values = np.asarray(values)
    if values.dtype.kind not in "fiub" or values.ndim == 0:
        raise TypeError(f"{name} must be an array of numbers, got {values.dtype} of shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return values
