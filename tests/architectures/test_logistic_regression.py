"""architectures.logistic_regression equals TensorFlow's operations, Keras and a plain NumPy loop, and refuses bad input."""

import numpy as np
import pytest
import tensorflow as tf

from architectures import datasets
from architectures.logistic_regression import (
    LogisticRegression,
    SoftmaxRegression,
    binary_cross_entropy,
    binary_cross_entropy_gradient,
    cross_entropy,
    cross_entropy_gradient,
    softmax,
)

SHAPES = [(1, 2), (5, 3), (17, 10), (64, 101)]


def random_case(shape, scale=3.0, seed=0):
    rng = np.random.default_rng([seed, *shape])
    return tf.constant(scale * rng.normal(size=shape)), tf.constant(rng.integers(0, shape[1], size=shape[0]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_functions_and_gradients_equal_tensorflow(shape, scale):
    logits, y_true = random_case(shape, scale)
    library = tf.nn.sparse_softmax_cross_entropy_with_logits
    np.testing.assert_allclose(softmax(logits), tf.nn.softmax(logits), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(cross_entropy(y_true, logits), library(y_true, logits), rtol=1e-12, atol=1e-12)
    for loss in (cross_entropy, library):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = tf.reduce_sum(loss(y_true, logits))
        np.testing.assert_allclose(
            cross_entropy_gradient(y_true, logits), tape.gradient(value, logits), rtol=1e-12, atol=1e-14
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_agrees_with_finite_differences(shape):
    logits, y_true = random_case(shape)
    gradient, h = cross_entropy_gradient(y_true, logits).numpy(), 1e-6
    for k in range(min(shape[1], 5)):
        nudge = h * np.eye(shape[1])[k]
        slope = (cross_entropy(y_true, logits + nudge) - cross_entropy(y_true, logits - nudge)) / (2 * h)
        np.testing.assert_allclose(slope, gradient[:, k], atol=1e-8)


def test_extreme_logits_give_finite_losses_and_full_gradients():
    logits = tf.constant([[1e5, 0.0], [-1e5, 0.0], [88.0, -88.0], [3e38, 3e38]], tf.float32)
    y_true = tf.constant([1, 0, 1, 0])
    np.testing.assert_allclose(cross_entropy(y_true, logits), [1e5, 1e5, 176.0, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(cross_entropy_gradient(y_true, logits), [[1, -1], [-1, 1], [1, -1], [-0.5, 0.5]])


def sgd_in_numpy(x, y, n_classes, orders, learning_rate):
    """The reference: the same algorithm, given the order of each epoch."""
    w, b = np.zeros((x.shape[1], n_classes)), np.zeros(n_classes)
    n_steps, step, losses = sum(len(batches) for batches in orders), 0, []
    for batches in orders:
        total = 0.0
        for index in batches:
            z = x[index] @ w + b
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            total -= np.log(p[np.arange(len(index)), y[index]]).sum()
            delta = (p - np.eye(n_classes)[y[index]]) / len(index) * learning_rate * (1 - step / n_steps)
            w, b, step = w - x[index].T @ delta, b - delta.sum(0), step + 1
        losses.append(total / len(x))
    return w, b, losses


@pytest.mark.parametrize(("n", "batch_size", "epochs"), [(20, 20, 6), (20, 50, 3), (10, 4, 3), (7, 1, 2)])
def test_fit_equals_the_reference_batch_by_batch(n, batch_size, epochs):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 4)), rng.integers(0, 3, size=n)
    model = SoftmaxRegression(4, 3, dtype=tf.float64)
    history = model.fit(x, y, epochs=epochs, batch_size=batch_size, learning_rate=0.5, seed=9)
    orders = []
    for epoch in range(epochs):
        order = tf.random.experimental.stateless_shuffle(tf.range(n), seed=[9, epoch]).numpy()
        orders.append([order[i : i + batch_size] for i in range(0, n, batch_size)])
    w, b, losses = sgd_in_numpy(x, y, 3, orders, 0.5)
    np.testing.assert_allclose(model.w, w, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.b, b, rtol=0, atol=1e-12)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    assert set(history) == {"loss"}


def test_models_of_several_sizes_train_in_one_process():
    # The graph of fit is traced once for many sizes: nothing in it may be fixed to the size of the first.
    rng = np.random.default_rng(0)
    for n_features, n_classes in [(2, 2), (3, 2), (2, 5), (6, 3), (784, 10)]:
        x, y = rng.normal(size=(30, n_features)), np.arange(30) % n_classes
        model = SoftmaxRegression(n_features, n_classes, dtype=tf.float64)
        model.fit(x, y, epochs=2, batch_size=30, learning_rate=0.5)
        w, b, _ = sgd_in_numpy(x, y, n_classes, [[np.arange(30)]] * 2, 0.5)
        np.testing.assert_allclose(model.w, w, rtol=0, atol=1e-12)
        np.testing.assert_allclose(model.b, b, rtol=0, atol=1e-12)


def test_history_of_the_validation_data():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)), rng.integers(0, 3, size=40)
    x_val, y_val = rng.normal(size=(9, 4)), rng.integers(0, 3, size=9)
    model = SoftmaxRegression(4, 3, dtype=tf.float64)
    history = model.fit(x, y, epochs=4, validation_data=(x_val, y_val))
    assert [len(values) for values in history.values()] == [4, 4, 4]
    assert history["val_accuracy"][-1] == pytest.approx(model.score(x_val, y_val))
    assert history["val_loss"][-1] == pytest.approx(float(tf.reduce_mean(cross_entropy(y_val, model(x_val)))))
    without = SoftmaxRegression(4, 3, dtype=tf.float64)
    without.fit(x, y, epochs=4)
    np.testing.assert_array_equal(without.w, model.w, "the validation data must not be trained on")


def test_the_weights_in_keras_give_the_same_logits_and_probabilities():
    import keras

    (x_train, y_train), (x_test, _) = datasets.mnist(dtype="float32")
    x_train, x_test = x_train.reshape(-1, 784), x_test.reshape(-1, 784)
    model = SoftmaxRegression(784, 10)
    model.fit(x_train, y_train, epochs=1)
    twin = keras.Sequential([keras.layers.Input([784]), keras.layers.Dense(10, activation="softmax")])
    twin.set_weights([model.w.numpy(), model.b.numpy()])
    np.testing.assert_allclose(model.predict_proba(x_test), twin(x_test), rtol=1e-4, atol=1e-6)
    assert np.array_equal(model.predict(x_test), np.argmax(twin(x_test), axis=1))


def test_accuracy_on_five_splits_of_mnist():
    scores = []
    for seed in range(5):
        (x_train, y_train), (x_test, y_test) = datasets.mnist(seed=seed, dtype="float32")
        model = SoftmaxRegression(784, 10)
        model.fit(x_train.reshape(-1, 784), y_train, seed=seed)
        scores.append(model.score(x_test.reshape(-1, 784), y_test))
    assert np.mean(scores) >= 0.90 and min(scores) >= 0.89, scores


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    x, y = np.random.default_rng(0).normal(size=(50, 4)), np.arange(50) % 3
    weights = []
    for seed in (1, 1, 2):
        model = SoftmaxRegression(4, 3)
        model.fit(x, y, seed=seed)
        weights.append(model.w.numpy())
    assert np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])


def test_it_is_a_module_that_can_be_saved(tmp_path):
    model = SoftmaxRegression(4, 3)
    model.fit(np.eye(4), [0, 1, 2, 0])
    assert {variable.name for variable in model.trainable_variables} == {"w:0", "b:0"}
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "model"))
    restored = SoftmaxRegression(4, 3)
    tf.train.Checkpoint(model=restored).read(path).assert_consumed()
    np.testing.assert_array_equal(restored(np.eye(4)), model(np.eye(4)))


X, Y = np.zeros((6, 4)), np.arange(6) % 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": X[:, :3]}, ValueError, r"x must have shape \(n, 4\), got \(6, 3\)"),
        ({"x": X.reshape(6, 2, 2)}, ValueError, r"x must have shape \(n, 4\)"),
        ({"x": X.astype(str)}, TypeError, "x must hold numbers"),
        ({"x": X.astype(complex)}, TypeError, "x must hold numbers"),
        ({"x": tf.constant(X > 0)}, TypeError, "x must hold numbers"),
        ({"x": np.array([[None] * 4] * 6)}, TypeError, "x must hold numbers"),
        ({"x": np.full((6, 4), np.nan)}, ValueError, "x must be finite"),
        ({"x": np.full((6, 4), np.inf)}, ValueError, "x must be finite"),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "x and y are empty"),
        ({"y": Y[:5]}, ValueError, r"y must have shape \(6,\)"),
        ({"y": np.eye(3)[Y]}, TypeError, "y must hold integer labels"),
        ({"y": Y.astype(float)}, TypeError, "y must hold integer labels"),
        ({"y": Y[:, None]}, ValueError, r"y must have shape \(6,\)"),
        ({"y": Y + 1}, ValueError, r"y must lie in 0\.\.2, got labels from 1 to 3"),
        ({"y": Y - 1}, ValueError, r"y must lie in 0\.\.2, got labels from -1 to 1"),
        ({"epochs": 0}, ValueError, "epochs must be from 1 to"),
        ({"epochs": 2.0}, TypeError, "epochs must be an int"),
        ({"epochs": True}, TypeError, "epochs must be an int"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": "32"}, TypeError, "batch_size must be an int"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be above"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be above"),
        ({"learning_rate": float("inf")}, ValueError, "learning_rate must be above"),
        ({"learning_rate": 1e39}, ValueError, "learning_rate must be above"),
        ({"learning_rate": 1e-60}, ValueError, "learning_rate must be above"),
        ({"x": [[1.0, 2.0], [3.0]]}, TypeError, "x must be an array"),
        ({"y": [[1], [2, 3]]}, TypeError, "y must be an array"),
        ({"epochs": 2**31}, ValueError, "epochs must be from 1 to"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"seed": 2**31}, ValueError, "seed must be from 0"),
        ({"validation_data": (X[:, :2], Y)}, ValueError, r"validation_data\[0\] must have shape"),
        ({"validation_data": (X, Y + 5)}, ValueError, r"validation_data\[1\] must lie in"),
        ({"validation_data": X}, ValueError, r"validation_data must be a pair"),
    ],
)
def test_fit_refuses_bad_input_and_trains_nothing(arguments, error, message):
    model = SoftmaxRegression(4, 3)
    with pytest.raises(error, match=message):
        model.fit(**{"x": X + 1, "y": Y} | arguments)
    assert not model.w.numpy().any()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 3), ValueError, "n_features must be at least 1"),
        ((4.0, 3), TypeError, "n_features must be an int"),
        ((4, 1), ValueError, "n_classes must be at least 2"),
        ((4, 3, tf.int32), ValueError, "dtype must be tf.float32 or tf.float64"),
    ],
)
def test_the_constructor_refuses_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        SoftmaxRegression(*arguments)


def test_nine_of_ten_is_an_accuracy_of_exactly_0_9():
    model = SoftmaxRegression(2, 2)
    assert model.score(np.zeros((10, 2)), [0] * 9 + [1]) == 0.9


def test_numpy_integers_and_huge_batches_do_what_they_say():
    x, y = np.random.default_rng(0).normal(size=(6, 4)), Y
    weights = []
    for epochs, batch_size in [(2, 6), (np.int64(2), np.uint8(6)), (2, 2**31 - 1), (2, 2**40)]:
        model = SoftmaxRegression(4, 3)
        model.fit(x, y, epochs=epochs, batch_size=batch_size, seed=np.int32(3), learning_rate=np.float32(0.5))
        weights.append(model.w.numpy())
    assert weights[0].any() and all(np.array_equal(w, weights[0]) for w in weights)


@pytest.mark.parametrize("function", [cross_entropy, cross_entropy_gradient])
@pytest.mark.parametrize(
    ("y_true", "logits", "error", "message"),
    [
        ([3], [[1.0, 2.0, 3.0]], ValueError, r"y_true must lie in 0\.\.2, got labels from 3 to 3"),
        ([-1], [[1.0, 2.0, 3.0]], ValueError, r"y_true must lie in 0\.\.2"),
        ([[1], [0]], [[1.0, 2.0], [3.0, 4.0]], ValueError, "y_true must have the shape of logits"),
        ([1], [[1.0, 2.0], [3.0, 4.0]], ValueError, "y_true must have the shape of logits"),
        ([1.0], [[1.0, 2.0]], TypeError, "y_true must hold integer labels"),
        ([1], [[1, 2]], TypeError, "logits must be floating point"),
    ],
)
def test_functions_refuse_bad_input(function, y_true, logits, error, message):
    with pytest.raises(error, match=message):
        function(y_true, logits)


def test_softmax_refuses_integers():
    with pytest.raises(TypeError, match="logits must be floating point, got int32"):
        softmax([[1, 2]])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_labels_may_be_of_any_integer_type(dtype):
    logits, y_true = random_case((5, 3))
    labels = y_true.numpy().astype(dtype)
    for function in (cross_entropy, cross_entropy_gradient):
        np.testing.assert_array_equal(function(labels, logits), function(y_true, logits))


def test_predict_and_score_refuse_wrong_shapes():
    model = SoftmaxRegression(4, 3)
    for method in (model, model.predict, model.predict_proba):
        with pytest.raises(ValueError, match=r"x must have shape \(n, 4\)"):
            method(np.zeros(4))
    for method in (model.predict, model.predict_proba):
        with pytest.raises(ValueError, match="x must be finite, got NaN or infinity"):
            method(np.full((2, 4), np.nan))
        assert tf.function(method)(X).shape[0] == 6  # in a graph nothing is known of the values
    with pytest.raises(ValueError, match="empty"):
        model.score(X[:0], Y[:0])


# --- binary and multilabel ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1,), (7,), (5, 3), (2, 3, 4)])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_binary_functions_and_gradients_equal_tensorflow(shape, scale):
    rng = np.random.default_rng(len(shape))
    logits, y_true = tf.constant(scale * rng.normal(size=shape)), rng.integers(0, 2, size=shape)
    as_floats = tf.constant(y_true, tf.float64)
    theirs = tf.nn.sigmoid_cross_entropy_with_logits(labels=as_floats, logits=logits)
    for labels in (tf.constant(y_true), as_floats, tf.constant(y_true == 1), y_true):
        np.testing.assert_allclose(binary_cross_entropy(labels, logits), theirs, rtol=1e-12, atol=1e-12)
        gradient = binary_cross_entropy_gradient(labels, logits)
        np.testing.assert_allclose(gradient, tf.sigmoid(logits) - as_floats, rtol=0, atol=1e-15)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(binary_cross_entropy(as_floats, logits))
    np.testing.assert_allclose(tape.gradient(value, logits), gradient, rtol=1e-12, atol=1e-15)


def test_binary_functions_at_extreme_logits_and_at_zero():
    logits = tf.constant([1e5, -1e5, -20.0, 20.0, 30.0, -30.0, 0.0, 0.0], tf.float32)
    y_true = tf.constant([0, 1, 1, 0, 1, 0, 0, 1])
    small = np.exp(-30.0)  # not rounded to 0, as 1 - p would be
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = binary_cross_entropy(y_true, logits)
    expected = [1e5, 1e5, 20, 20, small, small, np.log(2), np.log(2)]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    slopes = [1, -1, -1, 1, -small, small, 0.5, -0.5]
    np.testing.assert_allclose(tape.gradient(loss, logits), slopes, rtol=1e-6)
    np.testing.assert_allclose(binary_cross_entropy_gradient(y_true, logits), slopes, rtol=1e-6)


def binary_case(n=40, n_features=3, n_labels=1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_features))
    y = (x @ rng.normal(size=(n_features, n_labels)) + rng.logistic(size=(n, n_labels)) > 0.7).astype(int)
    return x, y[:, 0] if n_labels == 1 else y


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.5, 1: 3.0}])
def test_the_optimum_is_scikit_learns(class_weight):
    from sklearn.linear_model import LogisticRegression as Theirs

    x, y = binary_case(200)
    assert 0.2 < y.mean() < 0.45, "not balanced, so that the weights matter"
    theirs = Theirs(C=np.inf, tol=1e-10, max_iter=1000, class_weight=class_weight).fit(x, y)
    ours = LogisticRegression(3, class_weight=class_weight, dtype=tf.float64)
    ours.fit(x, y, epochs=3000, batch_size=200, learning_rate=1.0)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-5)
    np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), atol=1e-4)
    assert np.array_equal(ours.predict(x), theirs.predict(x))
    assert ours.score(x, y) == pytest.approx(theirs.score(x, y), abs=1e-12)


@pytest.mark.parametrize("n_labels", [1, 3])
@pytest.mark.parametrize(("n", "batch_size", "epochs"), [(20, 20, 4), (20, 50, 3), (10, 4, 3)])
def test_binary_fit_equals_the_reference_batch_by_batch(n_labels, n, batch_size, epochs):
    x, y = binary_case(n, 4, n_labels)
    weights = np.arange(2.0, 2 + n_labels)
    model = LogisticRegression(4, n_labels, pos_weight=weights, dtype=tf.float64)
    history = model.fit(x, y, epochs=epochs, batch_size=batch_size, learning_rate=0.5, seed=9)
    y = y.reshape(n, n_labels)
    w, b, losses = np.zeros((4, n_labels)), np.zeros(n_labels), []
    batch_size = min(batch_size, n)
    n_steps, step = epochs * -(-n // batch_size), 0
    for epoch in range(epochs):
        order = tf.random.experimental.stateless_shuffle(tf.range(n), seed=[9, epoch]).numpy()
        total = 0.0
        for start in range(0, n, batch_size):
            index = order[start : start + batch_size]
            p = 1 / (1 + np.exp(-(x[index] @ w + b)))
            counts = np.where(y[index] == 1, weights, 1.0)
            total += np.mean(counts * -np.log(np.where(y[index] == 1, p, 1 - p)), axis=1).sum()
            delta = counts * (p - y[index]) / len(index) * 0.5 * (1 - step / n_steps)
            w, b, step = w - x[index].T @ delta, b - delta.sum(0), step + 1
        losses.append(total / n)
    np.testing.assert_allclose(model.w, w, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.b, b, rtol=0, atol=1e-12)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)


def test_each_of_several_labels_is_learned_as_if_alone():
    x, y = binary_case(50, 4, 3)
    for together, alone in (
        (LogisticRegression(4, 3, dtype=tf.float64), LogisticRegression(4, dtype=tf.float64)),
        *((LogisticRegression(4, n, class_weight="balanced", dtype=tf.float64) for n in (3, 1)),),
    ):
        together.fit(x, y, epochs=3, seed=1)
        alone.fit(x, y[:, 2], epochs=3, seed=1)
        np.testing.assert_allclose(together.w[:, 2], alone.w[:, 0], rtol=0, atol=1e-13)
        np.testing.assert_allclose(together.predict_proba(x)[:, 2], alone.predict_proba(x)[:, 1], atol=1e-13)


def test_softmax_with_two_classes_at_half_the_rate_is_the_same_model():
    x, y = binary_case(50, 4)
    one, two = LogisticRegression(4, dtype=tf.float64), SoftmaxRegression(4, 2, dtype=tf.float64)
    history = one.fit(x, y, learning_rate=0.8, seed=3)
    assert two.fit(x, y, learning_rate=0.4, seed=3)["loss"] == pytest.approx(history["loss"], rel=1e-12)
    np.testing.assert_allclose(two.w[:, 1] - two.w[:, 0], one.w[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(two.predict_proba(x), one.predict_proba(x), rtol=0, atol=1e-12)


def test_balanced_weights_come_from_the_training_labels():
    x, y = binary_case(40)
    n, n_yes = len(y), y.sum()
    balanced = LogisticRegression(3, class_weight="balanced")
    by_dict = LogisticRegression(3, class_weight={0: n / (2 * (n - n_yes)), 1: n / (2 * n_yes)})
    by_ratio = LogisticRegression(3, pos_weight=(n - n_yes) / n_yes)
    for model, rate in ((balanced, 0.5), (by_dict, 0.5), (by_ratio, 0.5 * n / (2 * (n - n_yes)))):
        model.fit(x, y, epochs=4, learning_rate=rate)
        np.testing.assert_allclose(model.w, balanced.w, rtol=1e-4, atol=1e-6)


def test_binary_validation_history_is_not_weighted():
    x, y = binary_case(60)
    model = LogisticRegression(3, class_weight={0: 1, 1: 7}, dtype=tf.float64)
    history = model.fit(x, y, epochs=3, validation_data=(x[:20], y[:20]))
    z = model.decision_function(x[:20])
    assert history["val_loss"][-1] == pytest.approx(float(tf.reduce_mean(binary_cross_entropy(y[:20], z))))
    assert history["val_accuracy"][-1] == pytest.approx(model.score(x[:20], y[:20]))
    assert history["loss"][-1] > 1.5 * history["val_loss"][-1]


def test_thresholds():
    model = LogisticRegression(1)
    model.w.assign([[1.0]])
    x = np.array([[-2.0], [0.0], [2.0]])
    p = model.predict_proba(x)[:, 1].numpy()
    np.testing.assert_allclose(p, [0.1192, 0.5, 0.8808], atol=5e-5)
    for threshold, expected in [(0, [1, 1, 1]), (0.1, [1, 1, 1]), (0.5, [0, 1, 1]), (0.51, [0, 0, 1]), (1, [0, 0, 0])]:
        assert model.predict(x, threshold).numpy().tolist() == expected
    assert model.predict(x, p[2]).numpy().tolist() == [0, 0, 1], "at least the threshold"
    assert model.predict(x).numpy().tolist() == [0, 1, 1] and model.predict(x).dtype == tf.int64
    assert model.score(x, [0, 1, 1]) == 1.0 and model.score(x, [True, True, True]) == pytest.approx(2 / 3)
    several = LogisticRegression(1, 2)
    several.w.assign([[1.0, 1.0]])
    assert several.predict(x, [0.1, 0.9]).numpy().tolist() == [[1, 0], [1, 0], [1, 0]]
    assert several.score(x, [[0, 0], [1, 0], [1, 1]]) == pytest.approx(2 / 3), "all labels of an example have to be right"
    assert several.decision_function(x).shape == several.predict_proba(x).shape == (3, 2)
    assert model.decision_function(x).shape == (3,) and model.predict(x[:0]).shape == (0,)


def test_0_against_1_on_five_splits_of_mnist():
    scores = []
    for seed in range(5):
        parts = []
        for x, y in datasets.mnist(seed=seed, dtype="float32"):
            parts.append((x[y < 2].reshape(-1, 784), y[y < 2]))
        model = LogisticRegression(784)
        model.fit(*parts[0], learning_rate=0.3, seed=seed)
        scores.append(model.score(*parts[1]))
    assert min(scores) >= 0.985, scores


def test_a_binary_model_can_be_saved(tmp_path):
    x, y = binary_case()
    model = LogisticRegression(3, class_weight="balanced")
    model.fit(x, y)
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "model"))
    restored = LogisticRegression(3)
    tf.train.Checkpoint(model=restored).read(path).assert_consumed()
    np.testing.assert_array_equal(restored.predict_proba(x), model.predict_proba(x))


YES = np.arange(6) % 2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": YES + 1}, ValueError, "y must hold the labels 0 and 1, got labels from 1 to 2"),
        ({"y": 2 * YES - 1}, ValueError, "y must hold the labels 0 and 1, got labels from -1 to 1"),
        ({"y": YES * 2}, ValueError, "y must hold the labels 0 and 1"),
        ({"y": YES / 1000}, TypeError, "y must hold integer labels"),
        ({"y": YES.astype(str)}, TypeError, "y must hold integer labels"),
        ({"y": YES[:, None]}, ValueError, r"y must have shape \(6,\), one label for each row of x, got \(6, 1\)"),
        ({"y": YES[:5]}, ValueError, r"y must have shape \(6,\)"),
        ({"x": X[:, :3]}, ValueError, r"x must have shape \(n, 4\)"),
        ({"x": np.full((6, 4), np.nan)}, ValueError, "x must be finite"),
        ({"x": X[:0], "y": YES[:0]}, ValueError, "x and y are empty"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be above"),
        ({"validation_data": (X, YES + 4)}, ValueError, r"validation_data\[1\] must hold the labels 0 and 1"),
    ],
)
def test_binary_fit_refuses_bad_input_and_trains_nothing(arguments, error, message):
    model = LogisticRegression(4)
    with pytest.raises(error, match=message):
        model.fit(**{"x": X + 1, "y": YES} | arguments)
    assert not model.w.numpy().any()


def test_several_labels_refuse_labels_of_another_shape():
    model = LogisticRegression(4, 3)
    for y in (YES, np.eye(3, dtype=int)[:, :2].repeat(2, axis=0), np.zeros((6, 3, 1), int)):
        with pytest.raises(ValueError, match=r"y must have shape \(6, 3\), a row of labels for each row of x"):
            model.fit(X, y)
    with pytest.raises(ValueError, match="y must hold the labels 0 and 1, got labels from 0 to 2"):
        model.fit(X, np.full((6, 3), 2) * YES[:, None])
    with pytest.raises(ValueError, match="'balanced' needs examples of both classes in y, for every label"):
        LogisticRegression(4, 3, class_weight="balanced").fit(X, np.tile(YES[:, None], 3) * [1, 1, 0])
    with pytest.raises(ValueError, match="'balanced' needs examples of both classes"):
        LogisticRegression(4, class_weight="balanced").fit(X, np.ones(6, int))


@pytest.mark.parametrize(
    ("threshold", "error", "message"),
    [
        (-0.1, ValueError, r"threshold must lie in \[0, 1\], got -0.1"),
        (1.1, ValueError, r"threshold must lie in \[0, 1\]"),
        (50, ValueError, r"threshold must lie in \[0, 1\]"),
        (float("nan"), ValueError, r"threshold must lie in \[0, 1\], got nan"),
        ("half", TypeError, "threshold must be a number"),
        (None, TypeError, "threshold must be a number"),
        (True, TypeError, "threshold must be a number"),
        ([0.5, 0.5], ValueError, r"threshold must be one number or have shape \(3,\), got \(2,\)"),
        ([0.5, 2.0, 0.5], ValueError, r"threshold must lie in \[0, 1\]"),
    ],
)
def test_predict_refuses_bad_thresholds(threshold, error, message):
    with pytest.raises(error, match=message):
        LogisticRegression(4, 3).predict(X, threshold)


def test_predictions_refuse_bad_examples():
    model = LogisticRegression(4)
    for method in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(ValueError, match=r"x must have shape \(n, 4\)"):
            method(np.zeros(4))
        with pytest.raises(ValueError, match="x must be finite, got NaN or infinity"):
            method(np.full((2, 4), np.nan))
    with pytest.raises(ValueError, match="empty"):
        model.score(X[:0], YES[:0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_features": 0}, ValueError, "n_features must be at least 1"),
        ({"n_labels": 0}, ValueError, "n_labels must be at least 1"),
        ({"n_labels": 2.0}, TypeError, "n_labels must be an int"),
        ({"dtype": tf.float16}, ValueError, "dtype must be tf.float32 or tf.float64"),
        ({"class_weight": "even"}, ValueError, "class_weight must be 'balanced' or a dict"),
        ({"class_weight": {1: 2.0}}, ValueError, "class_weight must be 'balanced' or a dict with the keys 0 and 1"),
        ({"class_weight": {0: 1.0, 1: -1.0}}, ValueError, r"class_weight\[1\] must be above"),
        ({"class_weight": {0: 0, 1: 1}}, ValueError, r"class_weight\[0\] must be above"),
        ({"class_weight": {0: "a", 1: 1}}, TypeError, r"class_weight\[0\] must be a number"),
        ({"pos_weight": 0}, ValueError, "pos_weight must be above"),
        ({"pos_weight": float("nan")}, ValueError, "pos_weight must be above"),
        ({"pos_weight": float("inf")}, ValueError, "pos_weight must be above 1e-6 and below"),
        ({"pos_weight": [1.0, 2.0]}, ValueError, r"pos_weight must be one number or have shape \(3,\), got \(2,\)"),
        ({"pos_weight": 2.0, "class_weight": "balanced"}, ValueError, "give one of them"),
    ],
)
def test_the_binary_constructor_refuses_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        LogisticRegression(**{"n_features": 4, "n_labels": 3} | arguments)


@pytest.mark.parametrize("function", [binary_cross_entropy, binary_cross_entropy_gradient])
@pytest.mark.parametrize(
    ("y_true", "logits", "error", "message"),
    [
        ([2], [1.0], ValueError, "y_true must hold the labels 0 and 1"),
        ([-1], [1.0], ValueError, "y_true must hold the labels 0 and 1"),
        ([0.5], [1.0], ValueError, "y_true must hold the labels 0 and 1"),
        ([float("nan")], [1.0], ValueError, "y_true must hold the labels 0 and 1"),
        (["yes"], [1.0], TypeError, "y_true must hold the labels 0 and 1, got string"),
        ([1, 0], [[1.0], [2.0]], ValueError, "y_true must have the shape of logits"),
        ([1], [1], TypeError, "logits must be floating point"),
    ],
)
def test_binary_functions_refuse_bad_input(function, y_true, logits, error, message):
    with pytest.raises(error, match=message):
        function(y_true, logits)
