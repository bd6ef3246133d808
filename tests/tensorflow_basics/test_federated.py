"""tensorflow_basics.federated equals centralised gradient descent where it must, and refuses bad input by name."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_basics.federated import Client, clip_update, federated_average, federated_averaging, split_clients

SIZES = [1, 4, 10, 25]


def linear_loss(weights, x, y):
    w, b = weights
    return tf.reduce_mean(tf.square(x @ w + b - y[:, None])) / 2


def data_of(sizes):
    """Clients whose data differ in more than size, so that an average with wrong weights shows."""
    rng = np.random.default_rng(0)
    return [(rng.normal(k, 1, [n, 3]), rng.normal(-k, 1, n)) for k, n in enumerate(sizes)]


def start():
    return [np.array([[0.3], [-0.2], [0.1]]), np.array([0.5])]


def clients_of(data, **arguments):
    return [Client(linear_loss, x, y, **{"learning_rate": 0.01} | arguments) for x, y in data]


def sgd_in_numpy(weights, x, y, orders, batch_size, learning_rate):
    """The reference: the same descent, given the order of each epoch."""
    w, b = (array.astype(np.float64) for array in weights)
    for order in orders:
        for i in range(0, len(order), batch_size):
            index = order[i : i + batch_size]
            error = x[index] @ w + b - y[index, None]
            w = w - learning_rate * x[index].T @ error / len(index)
            b = b - learning_rate * error.mean(axis=0)
    return [w, b]


# --- equal to centralised descent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[7], [5, 5], SIZES, [40, 1]])
def test_one_full_batch_step_a_round_is_centralised_gradient_descent(sizes):
    data = data_of(sizes)
    weights, _ = federated_averaging(clients_of(data), start(), rounds=8)
    x, y = (np.concatenate(parts) for parts in zip(*data, strict=True))
    central = sgd_in_numpy(start(), x, y, [np.arange(len(y))] * 8, len(y), 0.01)
    for ours, reference in zip(weights, central, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-12)
    assert all(np.abs(ours - first).max() > 1e-2 for ours, first in zip(weights, start(), strict=True))  # it has moved


def test_the_mean_that_ignores_sizes_is_not():
    data = data_of(SIZES)
    trained = [client.fit(start(), {})[0] for client in clients_of(data)]
    x, y = (np.concatenate(parts) for parts in zip(*data, strict=True))
    central = sgd_in_numpy(start(), x, y, [np.arange(len(y))], len(y), 0.01)
    weighted, unweighted = federated_average(trained, SIZES), federated_average(trained, [1] * len(SIZES))
    for right, wrong, reference in zip(weighted, unweighted, central, strict=True):
        np.testing.assert_allclose(right, reference, rtol=0, atol=1e-12)
        assert np.abs(wrong - reference).max() > 1e-2


@pytest.mark.parametrize(("epochs", "batch_size"), [(1, None), (3, None), (3, 4), (2, 25), (2, 24), (1, 1), (2, 1000)])
def test_local_training_equals_the_reference_batch_by_batch(epochs, batch_size):
    ((x, y),) = data_of([25])
    client = Client(linear_loss, x, y, epochs=epochs, batch_size=batch_size, learning_rate=0.02, seed=7)
    trained, n_examples, metrics = client.fit(start(), {"round": 3})
    assert (n_examples, metrics) == (25, {})
    rng = np.random.default_rng([7, 3])
    orders = [rng.permutation(25) for _ in range(epochs)]
    for ours, reference in zip(trained, sgd_in_numpy(start(), x, y, orders, batch_size or 25, 0.02), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-12)


def test_several_steps_or_batches_are_not_centralised():
    data = data_of(SIZES)
    exact, *others = (
        federated_averaging(clients_of(data, epochs=epochs, batch_size=batch_size), start(), rounds=rounds)[0]
        for epochs, batch_size, rounds in [(1, None, 6), (3, None, 2), (1, 5, 6)]
    )
    for other in others:
        assert np.abs(other[0] - exact[0]).max() > 1e-4


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_order_of_a_client_s_data_and_of_the_clients_does_not_matter_in_full_batch(rounds):
    data = data_of(SIZES)
    shuffled = [(x[order], y[order]) for x, y in data if len(order := np.random.default_rng(1).permutation(len(y)))]
    (one, _), (other, _) = (federated_averaging(clients_of(d), start(), rounds=rounds) for d in (data, shuffled[::-1]))
    for ours, reference in zip(other, one, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-12)


def test_the_history():
    data = data_of(SIZES)
    clients = clients_of(data)
    weights, history = federated_averaging(clients, start(), rounds=3, score=lambda weights: float(weights[1][0]))
    assert history["clients"] == [[0, 1, 2, 3]] * 3
    assert [len(history[name]) for name in ("loss", "score")] == [3, 3]
    x, y = (np.concatenate(parts) for parts in zip(*data, strict=True))
    assert history["loss"][-1] == pytest.approx(np.mean(np.square(x @ weights[0] + weights[1] - y[:, None])) / 2)
    assert history["loss"][0] > history["loss"][-1]
    assert history["score"][-1] == weights[1][0]
    assert set(federated_averaging(clients, start(), rounds=1)[1]) == {"clients", "loss"}


# --- who trains, and what is drawn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fraction", "n"), [(1.0, 10), (1, 10), (0.3, 3), (0.01, 1), (0.96, 10)])
def test_a_fraction_of_the_clients_trains_each_round(fraction, n):
    clients = clients_of(data_of([2] * 10))
    _, history = federated_averaging(clients, start(), rounds=12, fraction=fraction)
    assert all(len(set(chosen)) == n and chosen == sorted(chosen) for chosen in history["clients"])
    assert set().union(*history["clients"]) == set(range(10)) or n < 3


def test_only_the_chosen_clients_count():
    clients = clients_of(data_of(SIZES))
    weights, history = federated_averaging(clients, start(), rounds=1, fraction=0.5, seed=3)
    chosen = history["clients"][0]
    expected = federated_average([clients[k].fit(start(), {"round": 1})[0] for k in chosen], [SIZES[k] for k in chosen])
    for ours, reference in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(ours, reference)


def test_the_same_seeds_give_the_same_weights_and_others_do_not():
    def run(client_seed, seed):
        clients = clients_of(data_of([20] * 5), epochs=2, batch_size=3, seed=client_seed)
        return federated_averaging(clients, start(), rounds=4, fraction=0.4, seed=seed)[0][0]

    first = run(0, 0)
    np.testing.assert_array_equal(run(0, 0), first)
    assert not np.array_equal(run(1, 0), first) and not np.array_equal(run(0, 1), first)


def test_every_round_and_epoch_has_its_own_order():
    ((x, y),) = data_of([20])
    client = Client(linear_loss, x, y, batch_size=3)
    trained = [client.fit(start(), config)[0][0] for config in ({}, {"round": 0}, {"round": 1}, {"round": 2})]
    np.testing.assert_array_equal(trained[0], trained[1])
    assert not np.array_equal(trained[1], trained[2]) and not np.array_equal(trained[2], trained[3])


# --- one graph for all ----------------------------------------------------------------------------------------------------


def counting_loss():
    """A loss of its own, and the list that grows each time it is traced."""
    traces = []

    def loss(weights, x, y):
        traces.append(x.shape)
        return linear_loss(weights, x, y)

    return loss, traces


def test_a_loss_is_traced_no_more_for_more_clients_of_other_sizes_and_settings():
    loss, traces = counting_loss()
    federated_averaging([Client(loss, *data_of([5])[0])], start(), rounds=2)
    once = len(traces)
    clients = [Client(loss, x, y, epochs=3, batch_size=2, learning_rate=0.001) for x, y in data_of(SIZES)]
    federated_averaging(clients, start(), rounds=2)
    assert len(traces) == once and all(shape[0] is None for shape in traces)


def test_clients_in_threads_share_the_graphs(monkeypatch):
    """Flower runs clients in threads."""
    loss, traces = counting_loss()
    clients = [Client(loss, x, y) for x, y in data_of(range(3, 11))]
    original = tf.function
    monkeypatch.setattr(tf, "function", lambda *args, **kwargs: time.sleep(0.05) or original(*args, **kwargs))
    with ThreadPoolExecutor(len(clients)) as pool:
        in_threads = list(pool.map(lambda client: client.fit(start(), {})[0][0], clients))
    in_all = len(traces)
    np.testing.assert_array_equal(in_threads, [client.fit(start(), {})[0][0] for client in clients])
    alone, traces_alone = counting_loss()
    Client(alone, *data_of([3])[0]).fit(start(), {})
    assert in_all == len(traces) == len(traces_alone)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_models_and_examples_of_several_shapes_train_in_one_process(dtype):
    rng = np.random.default_rng(0)

    def loss(weights, x, y):
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, x @ weights[0] + weights[1]))

    for n_features, n_classes in [(2, 2), (5, 3), (2, 4)]:
        x, y = rng.normal(size=(12, n_features)).astype(dtype), np.arange(12) % n_classes
        first = [np.zeros([n_features, n_classes], dtype), np.zeros(n_classes, dtype)]
        weights, history = federated_averaging([Client(loss, x, y, epochs=20)], first, rounds=2)
        assert [array.dtype for array in weights] == [dtype, dtype]
        assert [array.shape for array in weights] == [array.shape for array in first]
        assert history["loss"][-1] < np.log(n_classes)


def test_a_network_with_an_embedding_trains():
    # The gradient of tf.gather is a tf.IndexedSlices, and a weight may have any shape.
    def loss(weights, x, y):
        table, scale = weights
        return tf.reduce_mean(tf.square(scale * tf.reduce_sum(tf.gather(table, x), axis=[1, 2]) - y))

    weights = [np.full([4, 3], 0.1), np.array(1.0)]
    client = Client(loss, [[0, 1], [2, 2]], [1.0, -1.0], epochs=40, learning_rate=0.02)
    trained, history = federated_averaging([client], weights, rounds=3)
    assert history["loss"][-1] < 0.05
    np.testing.assert_array_equal(trained[0][3], weights[0][3])  # token 3 never occurs


def test_weights_may_be_tensors_or_variables_and_stay_as_they_are():
    ((x, y),) = data_of([6])
    client, expected = Client(linear_loss, x, y), None
    for kind in (np.array, tf.constant, tf.Variable):
        weights = [kind(array) for array in start()]
        trained, _ = federated_averaging([client], weights, rounds=2)
        expected = expected or trained
        for array, before, ours, reference in zip(weights, start(), trained, expected, strict=True):
            np.testing.assert_array_equal(array, before)
            np.testing.assert_array_equal(ours, reference)


def test_anything_with_fit_and_evaluate_is_a_client():
    class Stubborn:
        def fit(self, parameters, config):
            parameters[0] += 1  # its own copy
            return parameters, np.int64(2), {"round": config["round"]}

        def evaluate(self, parameters, config):
            return 1.0, 2, {}

    weights, history = federated_averaging([Stubborn(), Stubborn()], [np.zeros(2)], rounds=3)
    np.testing.assert_array_equal(weights[0], [3, 3])
    assert history["loss"] == [1, 1, 1]


# --- dealing the data -----------------------------------------------------------------------------------------------------

Y = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 40))


@pytest.mark.parametrize(
    ("n_clients", "shards_per_client"),
    [(1, None), (3, None), (400, None), (1, 1), (7, 1), (400, 1), (1, 2), (3, 2), (10, 2), (200, 2), (133, 3)],
)
@pytest.mark.parametrize("seed", range(3))
def test_every_example_goes_to_exactly_one_client(n_clients, shards_per_client, seed):
    parts = split_clients(Y, n_clients, shards_per_client=shards_per_client, seed=seed)
    assert len(parts) == n_clients and all(np.all(np.diff(part) > 0) for part in parts)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(400))
    assert max(map(len, parts)) - min(map(len, parts)) <= (shards_per_client or 1)


def test_shards_limit_the_classes_of_a_client():
    for seed in range(5):
        classes = [
            [len(np.unique(Y[part])) for part in split_clients(Y, 10, shards_per_client=shards, seed=seed)]
            for shards in (1, 2, None)
        ]
        assert set(classes[0]) == {1} and set(classes[1]) <= {1, 2} and 2 in classes[1] and min(classes[2]) > 7


@pytest.mark.parametrize("shards_per_client", [None, 2])
def test_sizes_are_relative(shards_per_client):
    parts = split_clients(Y, 4, sizes=[1, 1, 3, 5], shards_per_client=shards_per_client)
    np.testing.assert_allclose([len(part) for part in parts], [40, 40, 120, 200], atol=1)


def test_the_seed_decides_who_gets_what():
    for shards_per_client in (None, 2):
        one, same, other = (split_clients(Y, 5, shards_per_client=shards_per_client, seed=seed) for seed in (1, 1, 2))
        assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_random_parts_are_random():
    """Not the first tenth to the first client: the data may be sorted."""
    part = split_clients(np.sort(Y), 10, seed=0)[0]
    assert part.max() - part.min() > 200


# --- clipping and noise ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_clipping_keeps_the_direction_and_bounds_one_norm_over_all_arrays(max_norm):
    update = [np.array([[3.0, 0.0]]), np.array(4.0)]
    clipped = clip_update(update, max_norm)
    np.testing.assert_allclose(
        np.concatenate([np.ravel(array) for array in clipped]), np.array([3, 0, 4]) * min(1, max_norm / 5)
    )
    assert update[0].tolist() == [[3.0, 0.0]] and [array.shape for array in clipped] == [(1, 2), ()]


def test_a_zero_update_stays_zero_and_small_ones_stay_as_they_are():
    assert clip_update([np.zeros(3)], 1.0)[0].tolist() == [0, 0, 0]
    small = np.array([1e-200, 2e-200])
    np.testing.assert_array_equal(clip_update([small], 1.0)[0], small)


def test_noise_has_the_stated_size_and_seed():
    update = [np.zeros([100, 100], np.float32), np.full(5, 1e-3)]
    noisy, same, other = (clip_update(update, 2.0, noise=1.5, seed=seed) for seed in ([1, 2], [1, 2], [2, 1]))
    assert noisy[0].std() == pytest.approx(3.0, rel=0.05) and abs(noisy[0].mean()) < 0.15
    assert [array.dtype for array in noisy] == [np.float32, np.float64]
    assert all(np.array_equal(a, b) for a, b in zip(noisy, same, strict=True))
    assert not np.array_equal(noisy[0], other[0])


def test_noise_comes_after_the_clipping_and_every_entry_has_its_own():
    """An update of norm 20,000, shortened to 2: noise that were shortened with it would be gone."""
    update = [np.full([100, 100], 200.0), np.full([100, 100], 200.0)]
    clipped, noisy = clip_update(update, 2.0), clip_update(update, 2.0, noise=1.5, seed=0)
    first, second = (b - a for a, b in zip(clipped, noisy, strict=True))
    assert first.std() == pytest.approx(3.0, rel=0.05) == second.std()
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


# --- averages -------------------------------------------------------------------------------------------------------------


def test_the_average_equals_numpy_s_and_leaves_its_inputs():
    rng = np.random.default_rng(0)
    shapes = [(), (3,), (2, 4)]
    client_weights = [[rng.normal(size=shape) for shape in shapes] for _ in SIZES]
    copies = [[array.copy() for array in weights] for weights in client_weights]
    average = federated_average(client_weights, np.array(SIZES))
    for i, shape in enumerate(shapes):
        layer = [weights[i] for weights in client_weights]
        assert isinstance(average[i], np.ndarray) and average[i].shape == shape
        np.testing.assert_allclose(average[i], np.average(layer, axis=0, weights=SIZES), rtol=0, atol=1e-15)
    for weights, before in zip(client_weights, copies, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(weights, before, strict=True))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_average_keeps_the_dtype(dtype):
    average = federated_average([[np.ones(2, dtype)], [np.zeros(2, dtype)]], [1, 3])
    assert average[0].dtype == dtype and average[0].tolist() == [0.25, 0.25]


def test_a_single_client_s_average_is_its_own_copy():
    weights = [np.arange(3.0)]
    average = federated_average([weights], [7])
    average[0][:] = -1
    assert weights[0].tolist() == [0, 1, 2]


# --- bad input ------------------------------------------------------------------------------------------------------------

A, B = [np.zeros(2), np.zeros([2, 3])], [np.ones(2), np.ones([2, 3])]


@pytest.mark.parametrize(
    ("client_weights", "sizes", "error", "message"),
    [
        ([], [], ValueError, "client_weights is empty"),
        ([[], []], [1, 1], ValueError, r"client_weights\[0\] is empty"),
        ([A, B], [1], ValueError, "sizes must hold one number for each of 2 clients, got 1"),
        ([A, B], [1, 0], ValueError, r"sizes\[1\] must be at least 1, got 0"),
        ([A, B], [-3, 1], ValueError, r"sizes\[0\] must be at least 1, got -3"),
        ([A, B], [1, 2.5], TypeError, r"sizes\[1\] must be an int"),
        ([A, B], [1, True], TypeError, r"sizes\[1\] must be an int"),
        ([A, B, B[:1]], [1, 1, 1], ValueError, r"client_weights\[2\] must hold 2 arrays, got 1"),
        ([A, B[::-1]], [1, 1], ValueError, r"client_weights\[1\]\[0\] must have shape \(2,\), got \(2, 3\)"),
        ([A, [B[0], B[1].T]], [1, 1], ValueError, r"client_weights\[1\]\[1\] must have shape \(2, 3\), got \(3, 2\)"),
        ([A, [B[0] * np.nan, B[1]]], [1, 1], ValueError, r"client_weights\[1\]\[0\] must be finite"),
        ([A, A, [B[0], np.full([2, 3], np.inf)]], [1, 1, 1], ValueError, r"client_weights\[2\]\[1\] must be finite"),
        ([A, [B[0].astype(int), B[1]]], [1, 1], TypeError, r"client_weights\[1\]\[0\] must be floating point, got int64"),
        ([A, B[0]], [1, 1], TypeError, r"client_weights\[1\] must be a list of arrays, got ndarray"),
    ],
)
def test_federated_average_refuses(client_weights, sizes, error, message):
    with pytest.raises(error, match=message):
        federated_average(client_weights, sizes)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"loss": "mse"}, TypeError, "loss must be a function"),
        (
            {"x": np.zeros([0, 3]), "y": np.zeros(0)},
            ValueError,
            "x and y must hold the same number of examples, at least 1",
        ),
        ({"y": np.zeros(5)}, ValueError, "at least 1, got 6 and 5"),
        ({"x": np.full([6, 3], np.nan)}, ValueError, "x must be finite"),
        ({"y": np.full(6, np.inf)}, ValueError, "y must be finite"),
        ({"y": np.array(["a"] * 6)}, TypeError, "y must be an array of numbers"),
        ({"x": 3.0}, TypeError, r"x must be an array of numbers, got float64 of shape \(\)"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"epochs": 1.0}, TypeError, "epochs must be an int"),
        ({"epochs": True}, TypeError, "epochs must be an int"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": "all"}, TypeError, "batch_size must be an int"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be above 0"),
        ({"learning_rate": float("inf")}, ValueError, "learning_rate must be above 0"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
def test_client_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        Client(**{"loss": linear_loss, "x": np.zeros([6, 3]), "y": np.zeros(6)} | arguments)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([], ValueError, "parameters is empty"),
        (np.zeros(3), TypeError, "parameters must be a list of arrays"),
        ([np.zeros([3, 1]), np.array([np.nan])], ValueError, r"parameters\[1\] must be finite"),
        ([np.zeros([3, 1], int), np.zeros(1)], TypeError, r"parameters\[0\] must be floating point"),
    ],
)
def test_a_client_refuses_bad_weights(weights, error, message):
    ((x, y),) = data_of([6])
    for method in (Client(linear_loss, x, y).fit, Client(linear_loss, x, y).evaluate):
        with pytest.raises(error, match=message):
            method(weights, {})


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda weights, x, y: tf.square(x @ weights[0] + weights[1]), r"loss must return a scalar.*got shape \(None, 1\)"),
        (lambda weights, x, y: tf.reduce_mean(tf.square(x @ weights[0])), r"loss does not depend on weights\[1\]"),
    ],
)
def test_a_loss_that_cannot_train_is_refused(loss, message):
    ((x, y),) = data_of([6])
    with pytest.raises(ValueError, match=message):
        Client(loss, x, y).fit(start(), {})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"clients": []}, ValueError, "clients is empty"),
        ({"clients": ["phone"]}, TypeError, r"clients\[0\] must have the methods fit and evaluate, got str"),
        ({"weights": []}, ValueError, "weights is empty"),
        ({"weights": [np.array([np.inf])]}, ValueError, r"weights\[0\] must be finite"),
        ({"rounds": 0}, ValueError, "rounds must be at least 1"),
        ({"rounds": 1.5}, TypeError, "rounds must be an int"),
        ({"fraction": 0}, ValueError, "fraction must be above 0 and at most 1, got 0"),
        ({"fraction": 1.1}, ValueError, "fraction must be above 0 and at most 1, got 1.1"),
        ({"fraction": -0.5}, ValueError, "fraction must be above 0"),
        ({"fraction": float("nan")}, ValueError, "fraction must be above 0"),
        ({"fraction": True}, TypeError, "fraction must be a number"),
        ({"fraction": None}, TypeError, "fraction must be a number"),
        ({"score": 0.5}, TypeError, "score must be a function"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": 1.0}, TypeError, "seed must be an int"),
    ],
)
def test_federated_averaging_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        federated_averaging(**{"clients": clients_of(data_of([3])), "weights": start()} | arguments)


class Returns:
    """A client that returns what it is told to."""

    def __init__(self, *result, evaluation=(0.0, 1, {})):
        self.result, self.evaluation = result, evaluation

    def fit(self, parameters, config):
        return self.result

    def evaluate(self, parameters, config):
        return self.evaluation if config["round"] > 1 else (0.0, 1, {})


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (([np.full(2, np.nan)], 1, {}), ValueError, r"its weights\[0\] must be finite"),
        (([np.full(2, -np.inf)], 1, {}), ValueError, r"its weights\[0\] must be finite"),
        (([np.zeros(3)], 1, {}), ValueError, r"its weights\[0\] must have shape \(2,\), got \(3,\)"),
        (([np.zeros(2)] * 2, 1, {}), ValueError, "its weights must hold 1 arrays, got 2"),
        (([np.zeros(2)], 0, {}), ValueError, "its number of examples must be at least 1, got 0"),
        (([np.zeros(2)], 1.5, {}), TypeError, "its number of examples must be an int"),
        (([np.zeros(2)], 1), ValueError, "unpack"),
    ],
)
def test_the_client_that_returns_something_wrong_is_named(result, error, message):
    good = Returns([np.ones(2)], 4, {})
    with pytest.raises(error, match=r"clients\[2\] in round 1: .*" + message):
        federated_averaging([good, good, Returns(*result), good], [np.zeros(2)])


@pytest.mark.parametrize(
    ("evaluation", "error", "message"),
    [
        *[((loss, 1, {}), ValueError, "its loss must be .*finite, got") for loss in (np.nan, np.inf, -np.inf)],
        ((None, 1, {}), TypeError, "its loss must be a number, got None"),
        ((0.5, 0, {}), ValueError, "its number of examples must be at least 1, got 0"),
        ((0.5, 2.0, {}), TypeError, "its number of examples must be an int"),
        ((0.5, 1), ValueError, "unpack"),
    ],
)
def test_the_client_that_reports_a_wrong_loss_is_named(evaluation, error, message):
    good, bad = Returns([np.ones(2)], 4, {}), Returns([np.ones(2)], 4, {}, evaluation=evaluation)
    with pytest.raises(error, match=r"clients\[1\] in round 2: .*" + message):
        federated_averaging([good, bad, good], [np.zeros(2)])


def test_the_client_that_diverges_is_named_with_its_round():
    data = data_of([4, 4, 4])
    clients = clients_of(data)
    clients[1] = Client(linear_loss, *data[1], epochs=50, learning_rate=1e6)
    with pytest.raises(ValueError, match=r"clients\[1\] in round 1: training gave weights that are NaN or infinite"):
        federated_averaging(clients, start())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": Y.astype(float)}, TypeError, "y must hold integer labels"),
        ({"y": Y.reshape(20, 20)}, TypeError, "y must hold integer labels in one dimension"),
        ({"n_clients": 0}, ValueError, "n_clients must be at least 1"),
        ({"n_clients": 2.0}, TypeError, "n_clients must be an int"),
        ({"n_clients": 401}, ValueError, "n_clients must be at most 400, the number of examples"),
        ({"y": Y[:0]}, ValueError, "n_clients must be at most 0"),
        ({"shards_per_client": 0}, ValueError, "shards_per_client must be at least 1"),
        (
            {"shards_per_client": 101},
            ValueError,
            "shards_per_client must be at most 100, so that no shard is empty, got 101",
        ),
        ({"shards_per_client": 1.0}, TypeError, "shards_per_client must be an int"),
        ({"sizes": [1, 2]}, ValueError, r"sizes must have shape \(4,\), one for each client, got \(2,\)"),
        ({"sizes": [1, 2, 0, 1]}, ValueError, "sizes must be finite and above 0"),
        ({"sizes": [1, 2, -1, 1]}, ValueError, "sizes must be finite and above 0"),
        ({"sizes": [1, 2, np.nan, 1]}, ValueError, "sizes must be finite and above 0"),
        ({"sizes": [1, 1e6, 1e6, 1e6]}, ValueError, "sizes leaves client 0 without examples"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
def test_split_clients_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        split_clients(**{"y": Y, "n_clients": 4} | arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"update": np.zeros(2)}, TypeError, "update must be a list of arrays"),
        ({"update": [np.array([np.nan])]}, ValueError, r"update\[0\] must be finite"),
        ({"max_norm": 0.0}, ValueError, "max_norm must be above 0"),
        ({"max_norm": float("nan")}, ValueError, "max_norm must be above 0"),
        ({"max_norm": None}, TypeError, "max_norm must be a number"),
        ({"noise": -0.1}, ValueError, "noise must be at least 0 and finite"),
        ({"noise": float("inf")}, ValueError, "noise must be at least 0 and finite"),
        ({"noise": "some"}, TypeError, "noise must be a number"),
    ],
)
def test_clip_update_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        clip_update(**{"update": [np.ones(2)], "max_norm": 1.0} | arguments)
