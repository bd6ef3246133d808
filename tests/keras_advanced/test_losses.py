import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import mean_pinball_loss

from keras_advanced import losses

SHAPES = [(1, 1), (7, 1), (5, 3), (4, 2, 3)]


def random_pair(shape, labels=False, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, shape).astype(float) if labels else rng.normal(size=shape)
    return y_true, 2 * rng.normal(size=shape)


def value_and_gradient(loss, y_true, y_pred):
    y_pred = tf.constant(y_pred, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(tf.constant(y_true, tf.float64), y_pred)
    return value.numpy(), tape.gradient(value, y_pred).numpy()


# --- equal to the library -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("delta", [0.3, 1.0, 5.0])
def test_huber_equals_keras_in_values_and_gradients(shape, delta):
    y_true, y_pred = random_pair(shape)
    ours = value_and_gradient(lambda a, b: losses.huber(a, b, delta), y_true, y_pred)
    theirs = value_and_gradient(lambda a, b: keras.losses.huber(a, b, delta), y_true, y_pred)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("from_logits", [True, False])
def test_focal_equals_keras_in_values_and_gradients(shape, gamma, from_logits):
    y_true, y_pred = random_pair(shape, labels=True)
    if not from_logits:
        y_pred = 1 / (1 + np.exp(-y_pred))
    ours = value_and_gradient(lambda a, b: losses.binary_focal(a, b, gamma, from_logits), y_true, y_pred)
    theirs = value_and_gradient(
        lambda a, b: keras.losses.binary_focal_crossentropy(a, b, gamma=gamma, from_logits=from_logits), y_true, y_pred
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)  # Keras clips, and adds an epsilon


def test_focal_clips_probabilities_at_both_ends():
    y_true, y_pred = tf.constant([[0.0], [1.0]], tf.float64), tf.constant([[1.0], [0.0]], tf.float64)
    value, gradient = value_and_gradient(lambda a, b: losses.binary_focal(a, b, 2.0), y_true, y_pred)
    np.testing.assert_allclose(value, -np.log(1e-7), rtol=1e-6)
    assert not np.any(gradient)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("from_logits", [True, False])
def test_focal_in_half_precision_is_that_of_float32_rounded(dtype, from_logits):
    y_pred = tf.constant([[0.0], [0.25], [1.0], [-60.0 if from_logits else 0.0]], dtype)  # exact in both
    for label in (0.0, 1.0):
        y_true = tf.fill(y_pred.shape, tf.constant(label, dtype))
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = losses.binary_focal(y_true, y_pred, 2.0, from_logits)
        slope = tape.gradient(value, y_pred)
        assert value.dtype == slope.dtype == dtype and np.isfinite(tf.cast(slope, tf.float32)).all()
        exact = losses.binary_focal(tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32), 2.0, from_logits)
        np.testing.assert_array_equal(value, tf.cast(exact, dtype))


def test_focal_with_gamma_0_is_the_cross_entropy():
    y_true, y_pred = random_pair((20, 1), labels=True)
    theirs = tf.nn.sigmoid_cross_entropy_with_logits(y_true, y_pred)[:, 0]
    np.testing.assert_allclose(losses.binary_focal(y_true, y_pred, 0.0, from_logits=True), theirs, rtol=1e-12)


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_pinball_equals_scikit_learn(quantile):
    y_true, y_pred = random_pair((50, 3))
    ours = np.mean(losses.pinball(y_true, y_pred, quantile))
    np.testing.assert_allclose(ours, mean_pinball_loss(y_true, y_pred, alpha=quantile), rtol=1e-12)
    weights = np.random.default_rng(1).random(50)
    weighted = losses.Pinball(quantile, reduction="mean_with_sample_weight", dtype="float64")(y_true, y_pred, weights)
    np.testing.assert_allclose(
        weighted, mean_pinball_loss(y_true, y_pred, alpha=quantile, sample_weight=weights), rtol=1e-12
    )


def test_contrastive_by_hand():
    y_true, distance = [[1.0], [1.0], [0.0], [0.0], [0.0]], [[0.0], [3.0], [0.0], [1.5], [2.5]]
    np.testing.assert_allclose(losses.contrastive(y_true, distance, margin=2.0), [0, 9, 4, 0.25, 0])


# --- gradients ----------------------------------------------------------------------------------------------------------

FUNCTIONS = {
    "pinball": (lambda a, b: losses.pinball(a, b, 0.8), False),
    "huber": (lambda a, b: losses.huber(a, b, 0.7), False),
    "focal": (lambda a, b: losses.binary_focal(a, b, 2.0, from_logits=True), True),
    "contrastive": (lambda a, b: losses.contrastive(a, tf.abs(b), 1.5), True),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_agree_with_finite_differences(name, seed):
    loss, labels = FUNCTIONS[name]
    y_true, y_pred = random_pair((5, 2), labels, seed)
    _, gradient = value_and_gradient(loss, y_true, y_pred)
    h = 1e-6
    for index in np.ndindex(y_pred.shape):
        step = np.zeros_like(y_pred)
        step[index] = h
        above, below = (np.sum(loss(y_true, y_pred + sign * step)) for sign in (1, -1))
        np.testing.assert_allclose((above - below) / (2 * h), gradient[index], atol=1e-6)


def test_gradients_at_the_kinks():
    at = [value_and_gradient(lambda a, b: losses.pinball(a, b, 0.8), [[0.0]], [[e]])[1].item() for e in (-1e-9, 0, 1e-9)]
    np.testing.assert_allclose(at, [-0.8, 0, 0.2])
    for sign in (-1, 1):  # the two pieces of Huber meet with one slope
        _, slopes = value_and_gradient(losses.huber, np.zeros((3, 1)), sign * np.array([[1 - 1e-9], [1.0], [1 + 1e-9]]))
        np.testing.assert_allclose(slopes, sign * np.ones((3, 1)), atol=1e-8)
    _, slopes = value_and_gradient(losses.contrastive, np.zeros((2, 1)), np.array([[1.0], [1 + 1e-9]]))
    np.testing.assert_allclose(slopes, 0, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_focal_from_logits_is_finite_far_out_and_keeps_its_gradient(dtype):
    z = tf.constant([[-1000.0], [-100.0], [-20.0], [0.0], [100.0]], dtype)
    for y in (0.0, 1.0):
        for gamma in (0.0, 0.5, 2.0):
            with tf.GradientTape() as tape:
                tape.watch(z)
                value = losses.binary_focal(tf.fill(z.shape, tf.cast(y, dtype)), z, gamma, from_logits=True)
            slope = tape.gradient(value, z)
            assert np.isfinite(value).all() and np.isfinite(slope).all()
            if y == 1:
                np.testing.assert_allclose(slope[:3], -np.ones((3, 1)), atol=1e-5)


# --- as a loss of Keras -------------------------------------------------------------------------------------------------

CLASSES = {
    "Pinball": (losses.Pinball, {"quantile": 0.9}, losses.pinball),
    "Huber": (losses.Huber, {"delta": 0.4}, losses.huber),
    "BinaryFocal": (losses.BinaryFocal, {"gamma": 3.0, "from_logits": True}, losses.binary_focal),
    "Contrastive": (losses.Contrastive, {"margin": 2.5}, losses.contrastive),
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", None])
def test_classes_weight_and_reduce_the_values_of_the_samples(name, reduction):
    kind, parameters, function = CLASSES[name]
    y_true, y_pred = random_pair((6, 2), labels=True)
    y_pred = np.abs(y_pred)  # also a distance
    values = function(y_true, y_pred, **parameters).numpy()
    assert values.shape == (6,)
    weights = np.array([0.0, 1.0, 2.0, 0.5, 3.0, 1.0])
    got = kind(**parameters, reduction=reduction, dtype="float64")(y_true, y_pred, weights)
    weighted = values * weights
    expected = {
        "sum_over_batch_size": weighted.mean(),
        "sum": weighted.sum(),
        "mean_with_sample_weight": weighted.sum() / weights.sum(),
        None: weighted,
    }[reduction]
    np.testing.assert_allclose(got, expected, rtol=1e-10)


@pytest.mark.parametrize("name", CLASSES)
def test_the_configuration_holds_everything(name):
    kind, parameters, _ = CLASSES[name]
    loss = kind(**parameters, reduction="sum", name="mine")
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(twin) is kind and twin.get_config() == loss.get_config()
    assert twin.fn_kwargs == parameters and (twin.name, twin.reduction) == ("mine", "sum")
    y_true, y_pred = random_pair((6, 2), labels=True)
    y_pred = np.abs(y_pred)  # also a distance
    np.testing.assert_array_equal(twin(y_true, y_pred), loss(y_true, y_pred))


@keras.saving.register_keras_serializable(package="test_losses")
def cubed(y_true, y_pred, scale=1.0):
    return scale * keras.ops.mean(keras.ops.abs(y_pred - y_true) ** 3, axis=-1)


def test_any_registered_function_can_be_wrapped_and_saved(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", losses.LossWrapper(cubed, scale=2.0))
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3)).astype("float32")
    before = model.evaluate(x, y[:, :2], verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.fn is cubed and loaded.loss.fn_kwargs == {"scale": 2.0} and loaded.loss.name == "cubed"
    np.testing.assert_allclose(loaded.evaluate(x, y[:, :2], verbose=0), before, rtol=1e-6)


# --- edges --------------------------------------------------------------------------------------------------------------


def test_weights_of_zero_give_0_and_an_empty_batch_an_empty_loss():
    y_true, y_pred = random_pair((4, 1))
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
        assert float(losses.Huber(reduction=reduction)(y_true, y_pred, np.zeros(4))) == 0.0
    assert losses.huber(np.zeros((0, 1)), np.zeros((0, 1))).shape == (0,)
    assert losses.Huber()(np.zeros((0, 1)), np.zeros((0, 1))).shape == (0,)


@pytest.mark.parametrize("function", [losses.pinball, losses.huber, losses.binary_focal, losses.contrastive])
@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((4, 1), (4,)), ((4, 1), (4, 2)), ((3, 1), (4, 1))])
def test_other_shapes_are_refused_also_in_a_graph(function, shapes):
    y_true, y_pred = (np.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match="the same shape"):
        function(y_true, y_pred)
    with pytest.raises(ValueError, match="the same shape"):
        tf.function(function)(tf.constant(y_true), tf.constant(y_pred))


@pytest.mark.parametrize("function", [losses.pinball, losses.huber, losses.binary_focal, losses.contrastive])
@pytest.mark.parametrize("shape", [(), (4,)])
def test_one_axis_is_refused_since_its_mean_would_be_one_value_for_the_batch(function, shape):
    message = rf"y_pred must have shape \(batch, \.\.\., outputs\), at least two axes, got {re.escape(str(shape))}"
    with pytest.raises(ValueError, match=message):
        function(np.zeros(shape), np.zeros(shape))
    with pytest.raises(ValueError, match=message):
        tf.function(function)(tf.zeros(shape), tf.zeros(shape))
    with pytest.raises(ValueError, match=message):
        losses.LossWrapper(function)(np.zeros(shape), np.zeros(shape), sample_weight=0.5)


@pytest.mark.parametrize(
    ("function", "y_pred", "message"),
    [
        (losses.binary_focal, 3.0, "y_pred must hold probabilities from 0 to 1, got values from 0.5 to 3.0"),
        (losses.binary_focal, -0.01, "y_pred must hold probabilities from 0 to 1"),
        (losses.binary_focal, np.nan, "y_pred must hold probabilities from 0 to 1"),
        (losses.contrastive, -0.01, "y_pred must hold distances of at least 0"),
        (losses.contrastive, np.nan, "y_pred must hold distances of at least 0"),
    ],
)
def test_predictions_that_are_no_probabilities_or_distances_are_refused(function, y_pred, message):
    with pytest.raises(ValueError, match=message):
        function([[1.0], [1.0]], [[y_pred], [0.5]])
    assert losses.binary_focal([[1.0]], [[3.0]], from_logits=True).shape == (1,)


def test_rounding_errors_are_no_wrong_predictions():
    np.testing.assert_allclose(losses.binary_focal([[1.0], [0.0]], [[1.0 + 1e-6], [-1e-6]]), 0, atol=1e-6)
    np.testing.assert_allclose(losses.contrastive([[1.0]], [[-2.4e-7]]), 0, atol=1e-6)


@pytest.mark.parametrize("kind", [losses.Huber, losses.Pinball, losses.BinaryFocal, losses.Contrastive])
def test_a_parameter_may_be_a_number_of_numpy(kind):
    values = [float(kind(number(0.5))([[1.0], [0.0]], [[0.2], [0.9]])) for number in (float, np.float32, np.float64)]
    np.testing.assert_allclose(values, values[0], rtol=1e-6)


@pytest.mark.parametrize("function", [losses.binary_focal, losses.contrastive])
@pytest.mark.parametrize("label", [-1.0, 2.0, float("nan")])
def test_labels_out_of_range_are_refused(function, label):
    with pytest.raises(ValueError, match="y_true must hold labels from 0 to 1"):
        function([[label], [1.0]], [[0.5], [0.5]])


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [float("nan"), 1.0]])
def test_negative_weights_are_refused(weights):
    with pytest.raises(ValueError, match="sample_weight must hold weights of at least 0"):
        losses.Huber()([[0.0], [1.0]], [[1.0], [1.0]], weights)


@pytest.mark.parametrize(
    ("kind", "function", "values", "message"),
    [
        (losses.Pinball, losses.pinball, [0.0, 1.0, 2.0, np.nan], "quantile must be above 0 and below 1, got "),
        (losses.Huber, losses.huber, [0.0, -1.0, np.inf, np.nan], "delta must be above 0 and finite, got "),
        (losses.BinaryFocal, losses.binary_focal, [-1.0, np.inf, np.nan], "gamma must be at least 0 and finite, got "),
        (losses.Contrastive, losses.contrastive, [0.0, -1.0, np.inf, np.nan], "margin must be above 0 and finite, got "),
    ],
)
def test_parameters_out_of_range_or_of_another_type_are_refused(kind, function, values, message):
    for make in (kind, lambda value: function([[1.0]], [[1.0]], value)):
        for value in values:
            with pytest.raises(ValueError, match=message + str(value)):
                make(value)
        for value in ("0.5", True, None):
            with pytest.raises(TypeError, match=f"must be a number, got {value!r}"):
                make(value)


def test_a_wrapper_needs_a_function():
    with pytest.raises(TypeError, match="fn must be a function"):
        losses.LossWrapper("huber")
