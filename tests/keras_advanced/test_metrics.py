import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score, matthews_corrcoef

from keras_advanced.metrics import F1, MatthewsCorrelation

METRICS = {"f1": (F1, f1_score), "mcc": (MatthewsCorrelation, matthews_corrcoef)}


def data(n=500, n_outputs=1, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, (n, n_outputs))
    return y_true, np.clip(0.3 * y_true + rng.random((n, n_outputs)) * 0.8, 0, 1)


def in_batches(metric, sizes, y_true, y_pred, weights=None):
    for part in np.split(np.arange(len(y_true)), np.cumsum(sizes)[:-1]):
        metric.update_state(y_true[part], y_pred[part], None if weights is None else weights[part])
    return np.asarray(metric.result())


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("sizes", [[500], [1, 499], [100] * 5, [17] * 29 + [7]])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.77])
def test_it_is_scikit_learns_in_one_pass_and_in_batches(name, sizes, weighted, threshold):
    kind, reference = METRICS[name]
    seed = len(sizes)
    y_true, y_pred = data(seed=seed)
    weights = np.random.default_rng(seed).random(500) if weighted else None
    got = in_batches(kind(threshold), sizes, y_true, y_pred, weights)
    expected = reference(y_true[:, 0], y_pred[:, 0] > threshold, sample_weight=weights)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("average", ["macro", "micro", None])
def test_several_outputs_are_scikit_learns(average):
    y_true, y_pred = data(200, 3)
    weights = np.random.default_rng(1).random(200)
    got = in_batches(F1(0.4, num_outputs=3, average=average), [50] * 4, y_true, y_pred, weights)
    expected = f1_score(y_true, y_pred > 0.4, average=average, sample_weight=weights)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert got.shape == (() if average else (3,))


@pytest.mark.parametrize("shape", [(), (6,), (6, 1), (1, 3), (6, 3)])
def test_weights_of_every_shape_that_broadcasts(shape):
    y_true, y_pred = data(6, 3)
    weights = np.random.default_rng(2).random(shape)
    full = np.broadcast_to(weights[:, None] if len(shape) == 1 else weights, (6, 3))
    metric = F1(num_outputs=3, average=None)
    metric.update_state(y_true, y_pred, weights)
    expected = [f1_score(y_true[:, k], y_pred[:, k] > 0.5, sample_weight=full[:, k]) for k in range(3)]
    np.testing.assert_allclose(metric.result(), expected, atol=1e-6)


def test_one_weight_for_each_sample_also_where_there_are_as_many_outputs():
    y_true, y_pred, weights = np.eye(3), np.full((3, 3), 0.9), np.array([1.0, 2.0, 4.0])
    metric = F1(num_outputs=3, average=None)
    metric.update_state(y_true, y_pred, weights)
    np.testing.assert_allclose(metric.result(), 2 * weights / (2 * weights + 7 - weights), atol=1e-6)


@pytest.mark.parametrize("kind", [F1, MatthewsCorrelation])
def test_nothing_and_weights_of_zero_give_0(kind):
    metric = kind()
    assert float(metric.result()) == 0.0
    metric.update_state(np.zeros((0, 1)), np.zeros((0, 1)))
    assert float(metric.result()) == 0.0
    metric.update_state([1, 0], [0.9, 0.1], [0.0, 0.0])
    assert float(metric.result()) == 0.0
    metric.update_state([0, 0], [0.1, 0.2])  # no positive anywhere
    assert float(metric.result()) == 0.0
    metric.update_state([1, 0], [0.9, 0.1])
    assert float(metric.result()) == 1.0
    metric.reset_state()
    assert float(metric.result()) == 0.0 and all(not np.any(count) for count in metric.counts)


def test_large_counts_do_not_lose_digits():
    metric = MatthewsCorrelation()
    metric.update_state([1, 1, 0, 0], [0.9, 0.1, 0.9, 0.1], np.array([9.0, 1.0, 2.0, 8.0]) * 1e6)
    expected = matthews_corrcoef([1, 1, 0, 0], [1, 0, 1, 0], sample_weight=[9, 1, 2, 8])
    np.testing.assert_allclose(metric.result(), expected, atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_an_example_still_counts_after_many(compiled):
    metric = F1(num_outputs=2, dtype="float32")
    update = tf.function(metric.update_state) if compiled else metric.update_state
    ones = [np.ones((4, 2), "float32")] * 2
    update(*ones, tf.constant([2.0**24, 1, 1, 1]))  # in float32 the ones would be lost, in one batch
    update(*ones)  # and in the next
    assert [count.numpy().tolist() for count in metric.counts] == [[2**24 + 7] * 2, *[[0, 0]] * 3]
    assert metric.result().dtype == "float32"


def test_in_fit_it_is_exact_for_every_epoch_and_starts_anew():
    y_true, y_pred = data(100)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    model.compile(loss="mse", metrics=[F1(0.4)], weighted_metrics=[MatthewsCorrelation(0.4)])
    weights = np.random.default_rng(0).random(100)
    for _ in range(2):
        result = model.evaluate(y_pred, y_true, sample_weight=weights, batch_size=7, verbose=0, return_dict=True)
        np.testing.assert_allclose(result["f1"], f1_score(y_true, y_pred > 0.4), atol=1e-6)
        expected = matthews_corrcoef(y_true[:, 0], y_pred[:, 0] > 0.4, sample_weight=weights)
        np.testing.assert_allclose(result["matthews_correlation"], expected, atol=1e-6)


def test_the_configuration_holds_everything():
    metric = F1(0.25, num_outputs=4, average="micro", name="mine", dtype="float64")
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert type(twin) is F1 and twin.get_config() == metric.get_config()
    assert (twin.threshold, twin.num_outputs, twin.average, twin.name) == (0.25, 4, "micro", "mine")


def test_a_prediction_at_the_threshold_is_not_positive():
    metric = F1(0.5)
    metric.update_state([1, 1, 0], [0.5, 0.75, 0.5])
    assert [float(count[0]) for count in metric.counts] == [1, 0, 1, 1]  # tp, fp, fn, tn


# --- bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"threshold": "0.5"}, TypeError, "threshold must be a number"),
        ({"threshold": True}, TypeError, "threshold must be a number"),
        ({"threshold": float("nan")}, ValueError, "threshold must be finite, got nan"),
        ({"num_outputs": 0}, ValueError, "num_outputs must be at least 1"),
        ({"num_outputs": 1.0}, TypeError, "num_outputs must be an int"),
        ({"average": "weighted"}, ValueError, "average must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        F1(**arguments)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "weights", "message"),
    [
        ([[1], [0]], [0.1, 0.2], None, r"same shape, got \(2, 1\) and \(2,\)"),
        ([1, 0], [0.1, 0.2, 0.3], None, "same shape"),
        ([[1, 0]], [[0.1, 0.2]], None, r"y_pred must have shape \(batch, 1\), got \(1, 2\)"),
        ([2, 0], [0.1, 0.2], None, "y_true must hold labels from 0 to 1"),
        ([float("nan"), 0], [0.1, 0.2], None, "y_true must hold labels from 0 to 1"),
        ([1, 0], [0.1, 0.2], [1.0, -1.0], "sample_weight must hold weights of at least 0"),
        ([1, 0], [0.1, 0.2], [1.0, 1.0, 1.0], r"sample_weight must .* broadcasts to \(2, 1\), got \(3,\)"),
        ([1, 0], [0.1, 0.2], [[1.0, 2.0]], r"sample_weight must .* got \(1, 2\)"),
        ([1, 0], [0.1, 0.2], np.ones((2, 1, 1)), r"sample_weight must .* got \(2, 1, 1\)"),
    ],
)
def test_bad_batches_are_refused_and_leave_the_counts(y_true, y_pred, weights, message):
    metric = F1()
    metric.update_state([1], [0.9])
    with pytest.raises(ValueError, match=message):
        metric.update_state(y_true, y_pred, weights)
    assert float(metric.result()) == 1.0


# --- several devices ----------------------------------------------------------------------------------------------------


def test_replicas_are_summed(tmp_path):
    """Two logical devices need a fresh process: they are made before TensorFlow starts."""
    import subprocess
    import sys

    program = """
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_advanced.metrics import F1
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
y_true, y_pred = np.array([1, 1, 1, 0, 0, 1], "float32"), np.array([.9, .1, .8, .7, .2, .3], "float32")
with strategy.scope():
    metric = F1()
@tf.function
def update(y_true, y_pred):
    strategy.run(metric.update_state, args=(y_true, y_pred))
def halves(array):
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(array, 2)[context.replica_id_in_sync_group]))
update(halves(y_true), halves(y_pred))
print(strategy.num_replicas_in_sync, float(metric.result()), [float(c.numpy()[0]) for c in metric.counts])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    n, score, counts = ran.stdout.strip().splitlines()[-1].split(" ", 2)
    expected = f1_score([1, 1, 1, 0, 0, 1], [1, 0, 1, 1, 0, 0])
    assert n == "2" and abs(float(score) - expected) < 1e-6 and counts == "[2.0, 1.0, 2.0, 1.0]"


def test_a_graph_does_not_read_values_but_checks_shapes():
    metric = F1()
    update = tf.function(lambda a, b: metric.update_state(a, b))
    update(tf.constant([1.0, 0.0]), tf.constant([0.9, 0.1]))
    assert float(metric.result()) == 1.0
    with pytest.raises(ValueError, match="same shape"):
        update(tf.constant([1.0, 0.0]), tf.constant([[0.9], [0.1]]))
