"""The checks of the exercises of days 4 and 5.

A check takes the learner's answer, tries it on cases that the plausible mistakes get wrong, and raises an AssertionError
whose message is a hint.
"""

import numpy as np

from tensorflow_basics.exercises import exercise

# --- day 4 --------------------------------------------------------------------------------------------------------------


@exercise
def check_transposed_size_torch(transposed_size_torch):
    """Day 4, exercise 1: the length that ``torch.nn.ConvTranspose1d`` gives."""
    for n, kernel_size, stride, padding, output_padding in [
        (3, 3, 2, 0, 0), (1, 4, 2, 0, 0), (5, 4, 2, 1, 0), (5, 3, 2, 1, 1), (7, 5, 3, 2, 2), (4, 1, 3, 0, 1)
    ]:  # fmt: skip
        case = f"n={n}, kernel_size={kernel_size}, stride={stride}, padding={padding}, output_padding={output_padding}"
        got = transposed_size_torch(n, kernel_size, stride, padding, output_padding)
        painted = (n - 1) * stride + kernel_size
        assert got != painted or padding == output_padding == 0, f"{case}: got {got}, which is all that was painted."
        assert got != painted - padding + output_padding or padding == 0, (
            f"{case}: got {got}. The padding is cut off on both sides."
        )
        assert got == painted - 2 * padding + output_padding, (
            f"{case}: got {got}. The first pixel paints kernel_size places, each further one adds stride of them."
        )


@exercise
def check_gain(make_gain):
    """Day 4, exercise 2: ``make_gain()`` returns a layer with a trainable factor for each feature."""
    import keras

    layer = make_gain()(3.0, name="loud")
    assert layer.name == "loud", "Pass **kwargs on to super().__init__, so that a name, a dtype, ... can be given."
    assert not layer.weights, "Before the first call the number of features is unknown: make the weight in build."
    x = np.array([[1.0, -2.0], [0.5, 4.0]], "float32")
    for _ in range(2):  # a weight made in call would be made again
        y = keras.ops.convert_to_numpy(layer(x))
        assert len(layer.trainable_weights) == 1, (
            f"Keras knows of {len(layer.trainable_weights)} trainable weights, one is needed: add_weight, once, in build."
        )
    shape = tuple(layer.trainable_weights[0].shape)
    assert shape == (2,), f"gain needs one number for each feature, shape (2,), got {shape}."
    np.testing.assert_allclose(y, 3 * x, rtol=1e-6, err_msg="At the start, every feature is multiplied by start.")
    layer.gain.assign([2.0, -1.0])
    y = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(y, x * [2.0, -1.0], rtol=1e-6, err_msg="Multiply each feature by its own gain.")
    try:
        twin = type(layer).from_config(layer.get_config())
    except TypeError as error:
        raise AssertionError(f"from_config(get_config()) failed: {error}. get_config must hold start.") from error
    assert twin.name == "loud", "The name is lost on the way through get_config: start from super().get_config()."
    twin_y = keras.ops.convert_to_numpy(twin(x))
    np.testing.assert_allclose(twin_y, 3 * x, rtol=1e-6, err_msg="get_config must hold the start that was given.")
    deep = type(layer)(3.0)
    deep(np.ones([2, 5, 4], "float32"))
    shape = tuple(deep.gain.shape)
    assert shape == (4,), f"Features are the last axis: for inputs (2, 5, 4) gain needs shape (4,), got {shape}."


@exercise
def check_difference_model(difference_model):
    """Day 4, exercise 3: ``difference_model(encoder, shape)``, two inputs through one encoder, then the difference."""
    import keras

    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh")])
    model = difference_model(encoder, (3,))
    assert isinstance(model, keras.Model) and len(model.inputs) == 2, "Return a keras.Model with two inputs."
    assert model.count_params() == encoder.count_params(), (
        f"The model has {model.count_params()} parameters, the encoder {encoder.count_params()}: call the same one twice."
    )
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 5, 3)).astype("float32")
    for _ in range(2):
        difference = keras.ops.convert_to_numpy(model([first, second]))
        expected = keras.ops.convert_to_numpy(encoder(first)) - keras.ops.convert_to_numpy(encoder(second))
        assert difference.shape == expected.shape, f"The output has shape {difference.shape}, a code {expected.shape}."
        assert not np.allclose(difference, -expected, atol=1e-6), "First minus second, not second minus first."
        np.testing.assert_allclose(
            difference, expected, atol=1e-6, err_msg="The output is encoder(first) - encoder(second), nothing else."
        )
        encoder.set_weights([2 * weight for weight in encoder.get_weights()])  # the model must follow


@exercise
def check_features_of(features_of):
    """Day 4, exercise 4: ``features_of(model)`` returns the input of the last layer, and the model's output."""
    import keras

    stack = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(5, "relu"), keras.layers.Dense(4), keras.layers.Dense(2)]
    )
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(6, "tanh")(inputs)
    graph = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()([hidden, inputs])))
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    for model, width in ((stack, 4), (graph, 9)):
        answer = features_of(model)
        outputs = answer([x] if isinstance(answer.input, list) else x)
        assert isinstance(outputs, (list, tuple)) and len(outputs) == 2, "Return a model with two outputs."
        features, logits = map(keras.ops.convert_to_numpy, outputs)
        expected = keras.ops.convert_to_numpy(model(x))
        assert not np.array_equal(features, expected), "First the features, then the model's output."
        assert features.shape == (4, width), (
            f"The input of the last layer has shape (4, {width}), yours {features.shape}: which layer is the last?"
        )
        np.testing.assert_allclose(logits, expected, atol=1e-6, err_msg="The second output is the model's own.")
        own = {id(weight) for weight in model.weights}
        assert all(id(weight) in own for weight in answer.weights), "These are copies: use the model's own tensors."
        last = model.layers[-1]
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(last(features)), expected, atol=1e-6,
            err_msg="The last layer, applied to your features, must give the model's output. No copies, no new layers.",
        )  # fmt: skip


# --- day 5 --------------------------------------------------------------------------------------------------------------


@exercise
def check_expectile(expectile):
    """Day 5, exercise 1: squared errors, those of too low predictions with weight tau, the others with 1 - tau."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    y_true, y_pred = rng.normal(size=(2, 5, 3)).astype("float32")
    for tau in (0.5, 0.9, 0.2):
        square = (y_true - y_pred) ** 2
        cell = np.where(y_true > y_pred, tau, 1 - tau) * square
        graph = tf.function(expectile, autograph=False)  # as in fit: NumPy would stop here
        got = np.asarray(graph(tf.constant(y_true), tf.constant(y_pred), tau))
        assert got.shape != (), "One number came back for the batch. Return one for each sample: mean over the last axis."
        assert got.shape == (5,), f"Five samples need five numbers, yours have shape {got.shape}: axis=-1, and only that."
        mistakes = {
            "a prediction that is too low (y_true > y_pred) counts tau. Are y_true and y_pred swapped?": (
                np.where(y_true < y_pred, tau, 1 - tau) * square
            ),
            "take the mean over the last axis, not the sum.": 3 * cell,
            "the errors are squared.": np.where(y_true > y_pred, tau, 1 - tau) * np.abs(y_true - y_pred),
        }
        for hint, wrong in mistakes.items():
            alike = np.allclose(got, wrong.mean(axis=-1), rtol=1e-4) and not np.allclose(wrong, cell)
            assert not alike, f"tau = {tau}: {hint}"
        np.testing.assert_allclose(
            got, cell.mean(axis=-1), rtol=1e-5, err_msg=f"tau = {tau}: weight tau where y_true > y_pred, else 1 - tau."
        )


@exercise
def check_weighted_mean(weighted_mean):
    """Day 5, exercise 2: the mean of values with None, one weight for all, or one for each."""
    values = np.array([1.0, 2.0, 6.0])
    for weights in (None, 2.0, np.array([0.0, 3.0, 1.0]), np.array([1.0, 0.0, 0.0]), np.zeros(3), 0.0):
        try:
            got = float(weighted_mean(values, weights))
        except Exception as error:
            assert "truth value" not in str(error), (
                "A vector is neither true nor false. Ask `if sample_weight is not None`, not `if sample_weight`."
            )
            raise
        full = np.broadcast_to(1.0 if weights is None else weights, values.shape)
        expected = 0.0 if full.sum() == 0 else (full * values).sum() / full.sum()
        case = f"weights {weights}"
        assert got == got, f"{case}: nan. Where the weights sum to 0 the mean is to be 0."
        if np.ndim(weights) == 0 and weights == 0.0:
            assert got == 0, f"{case}: got {got}, expected 0. The number 0 is a weight too: ask `is not None`."
        assert not np.isclose(got, (full * values).mean()) or np.isclose(got, expected), (
            f"{case}: got {got}. Divide by the sum of the weights, not by the number of values."
        )
        assert not np.isclose(got, values.mean()) or np.isclose(got, expected), f"{case}: they had no effect."
        np.testing.assert_allclose(
            got, expected, rtol=1e-6, err_msg=f"{case}: sum of weight times value, by sum of weights."
        )


@exercise
def check_specificity(make_specificity):
    """Day 5, exercise 3: ``make_specificity()`` returns a metric class, exact over any batches."""
    import keras
    import tensorflow as tf

    kind = make_specificity()
    rng = np.random.default_rng(0)
    y_true = (rng.random(60) < 0.4).astype("float32")
    y_pred, weights = rng.random((2, 60)).astype("float32")

    def expected(threshold, w):
        negative = y_true == 0
        return (w * (negative & (y_pred <= threshold))).sum() / (w * negative).sum()

    ones = np.ones(60)
    metric = kind(0.5)
    assert isinstance(metric, keras.metrics.Metric), "Return a subclass of keras.metrics.Metric."
    metric.update_state(y_true, y_pred)
    got = float(metric.result())
    recall = ((y_true == 1) & (y_pred > 0.5)).sum() / (y_true == 1).sum()
    assert not np.isclose(got, recall), "That is the recall. Specificity asks about the true negatives: tn / (tn + fp)."
    np.testing.assert_allclose(got, expected(0.5, ones), atol=1e-6, err_msg="tn / (tn + fp), threshold 0.5, one batch.")
    metric.reset_state()
    after_reset = float(metric.result())
    assert after_reset == after_reset, "No data, and the result is nan. Let 0 / 0 be 0."
    assert after_reset == 0.0, "reset_state left something: keep the counts in variables made with add_variable."
    for part in np.split(np.arange(60), [3, 10, 35]):
        metric.update_state(y_true[part], y_pred[part])
    np.testing.assert_allclose(
        float(metric.result()), expected(0.5, ones), atol=1e-6,
        err_msg="In four batches it differs from one pass. Add up counts and divide in result: no mean of batch means.",
    )  # fmt: skip
    metric.reset_state()
    metric.update_state(y_true, y_pred, sample_weight=weights)
    np.testing.assert_allclose(
        float(metric.result()), expected(0.5, weights), atol=1e-6, err_msg="A sample counts as its sample_weight says."
    )
    metric.reset_state()
    metric.update_state(y_true[:, None], y_pred[:, None], sample_weight=weights)
    np.testing.assert_allclose(
        float(metric.result()), expected(0.5, weights), atol=1e-6,
        err_msg="Labels (batch, 1) times weights (batch,) is (batch, batch): flatten first.",
    )  # fmt: skip
    try:
        twin = kind.from_config(kind(0.8, name="mine").get_config())
    except TypeError as error:
        raise AssertionError(f"from_config(get_config()) failed: {error}. Let __init__ also take **kwargs.") from error
    assert twin.name == "mine", (
        "The name is lost: pass **kwargs on to super().__init__, and start get_config from super().get_config()."
    )
    graph = tf.function(twin.update_state, autograph=False)  # as in fit: NumPy would stop here
    graph(tf.constant(y_true), tf.constant(y_pred))
    np.testing.assert_allclose(
        float(twin.result()), expected(0.8, ones), atol=1e-6, err_msg="get_config must hold the threshold that was given."
    )


@exercise
def check_expectile_loss(make_expectile_loss):
    """Day 5, exercise 4: ``make_expectile_loss()`` returns a loss class that keeps its parameter."""
    import keras
    import tensorflow as tf

    kind = make_expectile_loss()
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.normal(size=(2, 6, 2)).astype("float32")
    weights = rng.random(6).astype("float32")
    values = (np.where(y_true > y_pred, 0.9, 0.1) * (y_true - y_pred) ** 2).mean(axis=-1)
    loss = kind(0.9)
    assert isinstance(loss, keras.losses.Loss), "Return a subclass of keras.losses.Loss."
    swapped = (np.where(y_true < y_pred, 0.9, 0.1) * (y_true - y_pred) ** 2).mean()
    graph = tf.function(loss, autograph=False)  # as in fit: NumPy would stop here
    plain = float(graph(tf.constant(y_true), tf.constant(y_pred)))
    assert not np.isclose(plain, swapped), "Are y_true and y_pred swapped? call(self, y_true, y_pred), in this order."
    np.testing.assert_allclose(plain, values.mean(), rtol=1e-5, err_msg="The mean of the samples' expectile losses.")
    np.testing.assert_allclose(
        float(loss(y_true, y_pred, weights)), (weights * values).mean(), rtol=1e-5,
        err_msg="With weights it is wrong: let call return one value for each sample, the base class weights and averages.",
    )  # fmt: skip
    config = loss.get_config()
    assert 0.9 in config.values(), f"get_config returned {config}: tau is missing, the loaded loss would have another one."
    try:
        summed = kind(0.9, reduction="sum", name="mine")
        twin = kind.from_config(summed.get_config())
    except TypeError as error:
        raise AssertionError(f"{error}: pass **kwargs (reduction, name, dtype) on to super().__init__.") from error
    assert (twin.reduction, twin.name) == ("sum", "mine"), (
        "reduction or name is lost on the way through get_config: start from super().get_config()."
    )
    np.testing.assert_allclose(
        float(twin(y_true, y_pred)), values.sum(), rtol=1e-5, err_msg="A loss made from its configuration differs."
    )
