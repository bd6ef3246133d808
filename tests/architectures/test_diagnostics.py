"""architectures.diagnostics gives the right verdict on planted cases, equals the tape, and leaves the model as it was."""

import itertools

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from architectures import diagnostics
from architectures.diagnostics import diagnose, plot
from tensorflow_basics.modules import MLP, Dense

N_FEATURES, N_CLASSES = 20, 5
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def squares(y, output):
    return (output - y) ** 2


def batch(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, N_FEATURES)).astype("float32"), rng.integers(0, N_CLASSES, size=n)


def std_for(name, n_in, n_out):
    return {"he": (2 / n_in) ** 0.5, "xavier": (2 / (n_in + n_out)) ** 0.5, "normal": 1.0}[name]


def kernels(start, n_hidden, width=32, seed=0):
    rng = np.random.default_rng(seed)
    sizes = [N_FEATURES] + [width] * n_hidden + [N_CLASSES]
    return [std_for(start, a, b) * rng.normal(size=(a, b)) for a, b in itertools.pairwise(sizes)]


def keras_network(activation, start, n_hidden, bias=0.0):
    layers = [keras.layers.Dense(32, activation, name=f"dense_{i}") for i in range(n_hidden)]
    layers.append(keras.layers.Dense(N_CLASSES, name=f"dense_{n_hidden}"))
    model = keras.Sequential([keras.Input([N_FEATURES]), *layers])
    for i, (layer, kernel) in enumerate(zip(layers, kernels(start, n_hidden), strict=True)):
        layer.kernel.assign(kernel)
        layer.bias.assign(tf.fill(layer.bias.shape, bias if i < n_hidden else 0.0))
    return model


def module_network(activation, start, n_hidden, bias=0.0):
    model = MLP([32] * n_hidden + [N_CLASSES], activation=activation)
    model.build(N_FEATURES)
    for i, (layer, kernel) in enumerate(zip(model.layers, kernels(start, n_hidden), strict=True)):
        layer.kernel.assign(kernel)
        layer.bias.assign(tf.fill(layer.bias.shape, bias if i < n_hidden else 0.0))
    return model


NETWORKS = pytest.mark.parametrize("network", [keras_network, module_network])
nothing, vanishing, exploding, saturated = (), ("vanishing",), ("exploding",), ("saturated",)


@NETWORKS
@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (("relu", "he", 8), [nothing] * 9),
        (("tanh", "xavier", 8), [nothing] * 9),
        (("gelu", "he", 4), [nothing] * 5),
        (("relu", "he", 0), [nothing]),
        (("relu", "normal", 8), [exploding] * 9),
        (("tanh", "normal", 2), [saturated] * 2 + [nothing]),
        (("relu", "he", 2, -100.0), [("vanishing", "dead")] * 2 + [nothing]),
        (("sigmoid", "xavier", 2, -100.0), [("vanishing", "saturated")] * 2 + [nothing]),
        (("sigmoid", "xavier", 2, 20.0), [("vanishing", "saturated")] * 2 + [nothing]),
    ],
)
def test_planted_cases(network, options, flags):
    assert diagnose(network(*options), *batch(), cross_entropy)["flags"].tolist() == flags


@NETWORKS
def test_vanishing_grows_from_the_top_down(network):
    report = diagnose(network("sigmoid", "xavier", 10), *batch(), cross_entropy)
    flags = report["flags"].tolist()
    assert flags[:4] == [vanishing] * 4 and flags[-3:] == [nothing] * 3
    assert flags == sorted(flags, reverse=True)  # vanishing first, then none
    np.testing.assert_array_equal(
        report["gradient"] < diagnostics.VANISHING * report["gradient"].max(), [f == vanishing for f in flags]
    )


@NETWORKS
def test_not_finite_weights_are_found_where_they_are(network):
    model = network("relu", "he", 2)
    model.layers[1].bias.assign_add([np.inf] + 31 * [0.0])
    report = diagnose(model, *batch(), cross_entropy)
    assert "not finite" in report["flags"].iloc[1] and report["not_finite"].iloc[0] == 0
    assert report["not_finite"].iloc[1] == pytest.approx(1 / 32)
    assert np.isfinite(report["mean"].iloc[1])  # of those that are finite


@NETWORKS
def test_statistics_equal_the_tape_and_numpy(network):
    model, (x, y) = network("relu", "he", 3), batch()
    report = diagnose(model, x, y, cross_entropy)
    with tf.GradientTape(persistent=True) as tape:
        outputs = [tf.constant(x)]
        for layer in model.layers:
            outputs.append(layer(outputs[-1]))
        loss = cross_entropy(y, outputs[-1])
    for i, layer in enumerate(model.layers):
        row, a = report.iloc[i], outputs[i + 1].numpy().astype("float64")
        gradients = [np.asarray(tape.gradient(loss, v)) for v in (layer.kernel, layer.bias)]
        weights = [np.asarray(v) for v in (layer.kernel, layer.bias)]
        assert row["gradient"] == pytest.approx(np.sqrt(sum(np.sum(g**2) for g in gradients)), rel=1e-5)
        assert row["weights"] == pytest.approx(np.sqrt(sum(np.sum(w**2) for w in weights)), rel=1e-5)
        assert row["mean"] == pytest.approx(a.mean(), rel=1e-6, abs=1e-9)
        assert row["std"] == pytest.approx(a.std(), rel=1e-6)
        assert row["not_finite"] == 0 and np.isnan(row["saturated"])
        if i < 3:
            assert row["activation"] == "relu" and row["dead"] == np.mean(np.all(a == 0, axis=0))
        else:
            assert row["activation"] == "linear" and np.isnan(row["dead"])
    assert list(report.columns) == diagnostics.COLUMNS and report.index.name == "layer"
    assert list(report.index) == ["dense_0", "dense_1", "dense_2", "dense_3"]


@pytest.mark.parametrize(("activation", "edge"), [("sigmoid", np.log(77.987)), ("tanh", np.arctanh(0.95**0.5))])
def test_saturated_is_where_the_slope_is_below_a_twentieth(activation, edge):
    # Ten units, three of them beyond the edge on either side; sigmoid: 4 s (1 - s) = 0.05, tanh: 1 - a^2 = 0.05.
    z = np.float32(np.array([0, 0.5, -0.5, 0.98, -0.98, 0.99, -0.99, 1.01, -1.01, 1.5]) * edge)
    layer = Dense(10, activation, name="first")
    layer.build(N_FEATURES)
    layer.kernel.assign(tf.zeros([N_FEATURES, 10]))
    layer.bias.assign(z)
    x, _ = batch()
    last = Dense(1, name="last")
    report = diagnose(Chain([layer, last]), x, x[:, :1], squares)
    assert report["saturated"].iloc[0] == pytest.approx(0.3)
    assert report["flags"].iloc[0] == ()
    layer.bias.assign(tf.where(abs(z) > 0.95 * edge, 2 * z, z))  # now seven
    report = diagnose(Chain([layer, last]), x, x[:, :1], squares)
    assert report["saturated"].iloc[0] == pytest.approx(0.7) and report["flags"].iloc[0] == saturated


class Chain(tf.Module):
    """Modules or Keras layers, one after the other."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


# --- the thresholds are where they are said to be -----------------------------------------------------------------------


def slopes_of(*factors):
    """A chain of scalars, multiplied with weights w_i: the gradient by w_i is the product of the others."""
    layers = [Dense(1, use_bias=False, name=f"times_{i}") for i in range(len(factors))]
    for layer, factor in zip(layers, factors, strict=True):
        layer.build(1)
        layer.kernel.assign([[factor]])
    return Chain(layers)


def flags_of_scalars(*factors, x=1.0):
    x = np.full((3, 1), x, "float32")
    return diagnose(slopes_of(*factors), x, x, lambda y, output: output)["flags"].tolist()


def test_vanishing_is_below_a_thousandth_of_the_largest():
    # w = (1, w2): gradients w2 by the first and 1 by the second
    assert flags_of_scalars(1.0, 1.1e-3) == [nothing, nothing]
    assert flags_of_scalars(1.0, 0.9e-3) == [vanishing, nothing]
    assert flags_of_scalars(1.0, 0.0) == [vanishing, nothing]


def test_exploding_is_above_a_hundred_times_the_weights_or_one():
    assert flags_of_scalars(0.1, 1.0, x=90.0) == [nothing, nothing]  # 90, and 9, against weights of 0.1 and 1
    assert flags_of_scalars(0.1, 1.0, x=110.0) == [exploding, nothing]
    assert flags_of_scalars(2.0, 1.0, x=190.0) == [nothing, exploding]  # 190 against 2, 380 against 1
    assert flags_of_scalars(2.0, 1.0, x=210.0) == [exploding, exploding]


def test_a_layer_does_not_vanish_beside_one_that_explodes():
    flags = flags_of_scalars(1.0, 1.0, 1e5)  # gradients 1e5, 1e5, 1
    assert flags == [exploding, exploding, nothing]


@pytest.mark.parametrize(("n_dead", "flagged"), [(7, False), (8, False), (9, True), (10, True)])
def test_dead_is_more_than_four_fifths_of_the_units(n_dead, flagged):
    layer = Dense(10, "relu", name="first")
    layer.build(N_FEATURES)
    layer.bias.assign(tf.where(np.arange(10) < n_dead, -1000.0, 1000.0))
    x, _ = batch()
    report = diagnose(Chain([layer, Dense(1)]), x, x[:, :1], squares)
    assert report["dead"].iloc[0] == pytest.approx(n_dead / 10)
    assert ("dead" in report["flags"].iloc[0]) == flagged


def test_a_unit_that_is_on_for_one_example_is_not_dead():
    layer = Dense(10, "relu", name="first")
    layer.build(N_FEATURES)
    layer.kernel.assign(tf.eye(N_FEATURES)[:, :10])
    x = np.full((50, N_FEATURES), -1.0, "float32")
    assert diagnose(Chain([layer, Dense(1)]), x, x[:, :1], squares)["dead"].iloc[0] == 1
    x[17, 3] = 1e-3
    assert diagnose(Chain([layer, Dense(1)]), x, x[:, :1], squares)["dead"].iloc[0] == pytest.approx(0.9)


# --- frozen, unconnected ------------------------------------------------------------------------------------------------


def test_frozen_layers_are_named():
    model = keras_network("relu", "he", 2)
    model.layers[1].trainable = False
    report = diagnose(model, *batch(), cross_entropy)
    assert report["flags"].tolist() == [(), ("frozen",), ()]
    assert np.isnan(report["gradient"].iloc[1]) and report["gradient"].iloc[0] > 0
    model.trainable = False
    assert diagnose(model, *batch(), cross_entropy)["flags"].tolist() == 3 * [("frozen",)]


class Detour(tf.Module):
    """A layer on the way, one beside it, one behind stop_gradient, one that is never called."""

    def __init__(self):
        super().__init__()
        self.used, self.beside, self.stopped, self.never = (
            Dense(3, name=n) for n in ("used", "beside", "stopped", "never")
        )
        self.never.build(4)

    def __call__(self, x):
        self.beside(x)
        return self.used(x) + tf.stop_gradient(self.stopped(x))


def test_unconnected_layers_are_named():
    x, _ = batch()
    report = diagnose(Detour(), x, x[:, :3], squares)
    assert dict(report["flags"]) == {
        "beside": ("unconnected",),
        "used": (),
        "stopped": ("unconnected",),
        "never/bias:0": ("unconnected",),
        "never/kernel:0": ("unconnected",),
    }
    assert report["gradient"].notna().sum() == 1 and (report["weights"] > 0).sum() == 4  # a bias of 0


def test_a_model_without_any_gradient():
    model, (x, y) = keras_network("relu", "he", 1), batch()
    report = diagnose(model, x, y, lambda y, output: tf.stop_gradient(output))
    assert report["flags"].tolist() == [("unconnected",), ("unconnected",)]
    flatten = keras.Sequential([keras.Input([N_FEATURES]), keras.layers.Rescaling(2.0)])
    report = diagnose(flatten, x, x, squares)
    assert report["flags"].tolist() == [()] and report[["weights", "gradient"]].isna().all(axis=None)


# --- kinds of models ----------------------------------------------------------------------------------------------------


def test_functional_model_with_two_inputs_and_a_shared_layer():
    shared = keras.layers.Dense(8, "relu", name="shared")
    a, b = keras.Input([N_FEATURES], name="a"), keras.Input([N_FEATURES], name="b")
    joined = keras.layers.Concatenate(name="joined")([shared(a), shared(b)])
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1, name="out")(joined))
    (xa, _), (xb, _) = batch(seed=1), batch(seed=2)
    report = diagnose(model, {"a": xa, "b": xb}, xa[:, :1], squares)
    assert list(report.index) == ["shared", "joined", "out"] and not any(report["flags"])
    both = np.concatenate([np.asarray(shared(xa)), np.asarray(shared(xb))])
    assert report.loc["shared", "mean"] == pytest.approx(both.mean(), rel=1e-5)
    assert report.loc["shared", "dead"] == np.mean(np.all(both == 0, axis=0))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model({"a": xa, "b": xb}) - xa[:, :1]) ** 2)
    norm = tf.linalg.global_norm(tape.gradient(loss, [v.value for v in shared.trainable_variables]))
    assert report.loc["shared", "gradient"] == pytest.approx(float(norm), rel=1e-5)


class Residual(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = (keras.layers.Dense(8, name=n) for n in ("first", "second", "last"))
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x):
        h = tf.nn.relu(self.first(x))
        return self.last(h + self.scale * tf.nn.sigmoid(self.second(h)))


def test_subclassed_model_with_a_weight_of_its_own():
    x, _ = batch()
    model = Residual()  # not built
    report = diagnose(model, x, x[:, :8], squares)
    assert list(report.index) == ["first", "second", "last", model.name]
    assert report.loc[model.name, "weights"] == 1 and report.loc[model.name, "gradient"] > 0
    assert (report["activation"] == ["linear", "linear", "linear", ""]).all()


def test_activations_can_be_told():
    x, _ = batch()
    model = Residual()
    model(x)
    model.first.bias.assign(tf.fill([8], -50.0))
    assert diagnose(model, x, x[:, :8], squares)["dead"].isna().all()
    # `first` is linear itself; what is said about it is believed, and its negative outputs are not 0.
    report = diagnose(model, x, x[:, :8], squares, activations={"first": "relu", "second": "tanh"})
    assert report.loc["first", "dead"] == 0 and report.loc["second", "saturated"] >= 0
    assert report.loc["first", "activation"] == "relu"


@pytest.mark.parametrize("kind", [keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU])
def test_recurrent_layers_are_one_layer(kind):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 6, 3)).astype("float32"), rng.integers(0, N_CLASSES, size=10)
    layers = [keras.Input([6, 3]), kind(4, return_sequences=True, name="rnn"), kind(4, name="top")]
    model = keras.Sequential([*layers, keras.layers.Dense(N_CLASSES, name="out")])
    report = diagnose(model, x, y, cross_entropy)
    assert list(report.index) == ["rnn", "top", "out"] and not any(report["flags"])
    assert report["gradient"].gt(0).all() and report["saturated"].isna().all()
    both = keras.layers.Bidirectional(kind(4, name="inner"), name="both")
    model = keras.Sequential([keras.Input([6, 3]), both, keras.layers.Dense(N_CLASSES, name="out")])
    report = diagnose(model, x, y, cross_entropy)
    assert list(report.index) == ["forward_inner", "backward_inner", "out"] and report["gradient"].gt(0).all()


def test_convolution_counts_channels_as_units():
    model = keras.Sequential(
        [
            keras.Input([8, 8, 1]),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dense(N_CLASSES, name="out"),
        ]
    )
    model.get_layer("conv").bias.assign([-100.0, 0, 0, 0])
    rng = np.random.default_rng(0)
    report = diagnose(model, rng.normal(size=(20, 8, 8, 1)), np.arange(20) % N_CLASSES, cross_entropy)
    assert report.loc["conv", "dead"] == 0.25 and np.isnan(report.loc["pool", "dead"])


def test_embedding_and_integer_input():
    model = keras.Sequential(
        [
            keras.Input([6], dtype="int32"),
            keras.layers.Embedding(50, 4, name="embedding"),
            keras.layers.Flatten(name="flat"),
        ]
    )
    ids = np.random.default_rng(0).integers(0, 50, size=(10, 6))
    y = np.ones((10, 24), "float32")
    report = diagnose(model, ids, y, squares)
    table = model.get_layer("embedding").embeddings
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(ids) - y) ** 2)
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.value))  # from IndexedSlices
    assert report.loc["embedding", "gradient"] == pytest.approx(float(tf.norm(gradient)), rel=1e-5)


def test_the_same_name_twice_is_told_apart():
    x, _ = batch()
    report = diagnose(Chain([Dense(4, name="a"), Dense(4, name="a"), Dense(1, name="b")]), x, x[:, :1], squares)
    assert list(report.index) == ["a", "a (2)", "b"]


def test_a_module_of_keras_layers_and_a_keras_layer_alone():
    x, _ = batch()
    mixed = Chain([keras.layers.Dense(4, "tanh", name="keras"), Dense(1, name="own")])
    report = diagnose(mixed, x, x[:, :1], squares)
    assert list(report.index) == ["keras", "own"] and report["gradient"].gt(0).all()
    alone = diagnose(keras.layers.Dense(1, name="alone"), x, x[:, :1], squares)
    assert list(alone.index) == ["alone"] and alone["gradient"].gt(0).all()


def test_a_module_without_submodules_is_the_only_layer():
    class Line(tf.Module):
        def __init__(self):
            super().__init__(name="line")
            self.w = tf.Variable(tf.ones([N_FEATURES, 1]))

        @tf.function
        def __call__(self, x):
            return x @ self.w

    x, _ = batch()
    report = diagnose(Line(), x, x[:, :1], squares)
    assert list(report.index) == ["line"] and report["gradient"].iloc[0] > 0


def test_layers_called_inside_a_graph_are_seen():
    class Graph(Chain):
        @tf.function
        def __call__(self, x):
            return super().__call__(x)

    x, _ = batch()
    report = diagnose(Graph([Dense(4, "tanh", name="a"), Dense(1, name="b")]), x, x[:, :1], squares)
    assert list(report.index) == ["a", "b"] and report[["std", "gradient"]].gt(0).all(axis=None)
    assert not tf.config.functions_run_eagerly()


def test_the_last_layer_may_be_saturated():
    class Sigmoids(Residual):
        def call(self, x):
            return tf.nn.sigmoid(super().call(x))

    x, _ = batch()
    ends = {"first": "linear", "last": "tanh"}
    model = Sigmoids()
    model(x)
    model.last.bias.assign(tf.fill([8], 50.0))
    report = diagnose(model, x, x[:, :8], squares, activations=ends)
    assert report.loc["last", "activation"] == "tanh" and "saturated" not in report.loc["last", "flags"]
    chain = Chain([Dense(4, "tanh", name="a"), Dense(4, "tanh", name="b")])
    chain(x)
    for layer in chain.layers:
        layer.bias.assign(tf.fill([4], 5.0))
    flags = diagnose(chain, x, x[:, :4], squares)["flags"]
    assert "saturated" in flags["a"] and "saturated" not in flags["b"]


# --- the model is left as it was ----------------------------------------------------------------------------------------


def test_moving_averages_weights_and_classes_are_left_as_they_were():
    x, y = batch()
    model = keras.Sequential(
        [
            keras.Input([N_FEATURES]),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=1),
            keras.layers.Dense(N_CLASSES),
        ]
    )
    before, call = [np.array(v) for v in model.variables], keras.Layer.__call__
    in_training = diagnose(model, x, y, cross_entropy)
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, np.array(variable))
    assert keras.Layer.__call__ is call and not tf.config.functions_run_eagerly()
    pd.testing.assert_frame_equal(in_training, diagnose(model, x, y, cross_entropy))  # dropout too draws the same again
    afterwards = diagnose(model, x, y, cross_entropy, training=False)
    assert (
        in_training["std"].iloc[1] == pytest.approx(1, abs=0.01) and afterwards["std"].iloc[1] != in_training["std"].iloc[1]
    )
    assert not any(in_training["flags"])


def test_moving_averages_inside_a_module_are_left_as_they_were():
    class InTraining(tf.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.last = keras.layers.BatchNormalization(), Dense(1)
            self.norm.build([None, N_FEATURES])

        def __call__(self, x):
            return self.last(self.norm(x, training=True))

    x, _ = batch()
    model = InTraining()
    before = np.array(model.norm.moving_mean)
    diagnose(model, x, x[:, :1], squares)
    np.testing.assert_array_equal(before, np.array(model.norm.moving_mean))


@NETWORKS
def test_classes_are_left_as_they_were_after_an_error(network):
    model, (x, y) = network("relu", "he", 1), batch()
    calls = Dense.__call__, MLP.__call__, keras.Layer.__call__
    with pytest.raises(ValueError, match=r"x of shape \(60, 19\) does not fit the model"):
        diagnose(model, x[:, 1:], y, cross_entropy)
    assert (Dense.__call__, MLP.__call__, keras.Layer.__call__) == calls and not tf.config.functions_run_eagerly()


# --- bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_is_refused_with_the_example(bad):
    model, (x, _) = keras_network("relu", "he", 1), batch()
    wrong = x.copy()
    wrong[7, 3] = bad
    with pytest.raises(ValueError, match="x must be finite, example 7 is not"):
        diagnose(model, wrong, x[:, :N_CLASSES], squares)
    with pytest.raises(ValueError, match="y must be finite, example 7 is not"):
        diagnose(model, x, wrong[:, :N_CLASSES], squares)


def test_bad_arguments_are_refused_by_name():
    model, (x, y) = keras_network("relu", "he", 1), batch()
    cases = [
        (TypeError, "model must be a Keras model or a tf.Module, got function", (squares, x, y, cross_entropy)),
        (TypeError, "model must have a __call__, Module has none", (tf.Module(), x, y, cross_entropy)),
        (TypeError, "loss_fn must be callable", (model, x, y, "mse")),
        (TypeError, "x must be an array of numbers, got strings", (model, np.array([["a"]]), [0], cross_entropy)),
        (TypeError, "x must be an array of numbers", (model, None, y, cross_entropy)),
        (TypeError, "y must be an array of numbers", (model, x, ["a"] * 60, cross_entropy)),
        (ValueError, "x must hold at least one example", (model, x[:0], y[:0], cross_entropy)),
        (ValueError, r"y must hold at least one example, got shape \(\)", (model, x, 3, cross_entropy)),
        (ValueError, "as many examples, got 60 and 59", (model, x, y[:-1], cross_entropy)),
        (ValueError, r"y of shape \(60, 3\) does not fit", (model, x, x[:, :3], squares)),
    ]
    for error, message, arguments in cases:
        with pytest.raises(error, match=message):
            diagnose(*arguments)


def test_a_model_that_calls_no_layer_is_refused():
    class Empty(keras.Layer):
        def call(self, x):
            return tf.cast(x[:, 0] > 0, tf.int32)

    x, y = batch()
    with pytest.raises(ValueError, match="model calls no layer"):
        diagnose(Empty(), x, y, lambda y, output: 0.0)


def test_wrong_activations_are_refused():
    model, (x, y) = keras_network("relu", "he", 1), batch()
    for error, message, activations in (
        (TypeError, "activations must be a dict", ["relu"]),
        (ValueError, "names the layer 'dense'; there are dense_0, dense_1", {"dense": "relu"}),
        (ValueError, r"activations\['dense_0'\] must be one of .*relu.* got 'rleu'", {"dense_0": "rleu"}),
    ):
        with pytest.raises(error, match=message):
            diagnose(model, x, y, cross_entropy, activations=activations)


def test_nested_lists_are_one_array():
    model, (x, y) = module_network("relu", "he", 1), batch(5)
    from_lists = diagnose(model, x.tolist(), y.tolist(), cross_entropy)
    pd.testing.assert_frame_equal(from_lists, diagnose(model, x, y, cross_entropy))


# --- the figure ---------------------------------------------------------------------------------------------------------


def test_plot_shows_the_report():
    report = diagnose(keras_network("sigmoid", "xavier", 10), *batch(), cross_entropy)
    figure = plot(report)
    left, right = figure.axes
    lines = {line.get_label(): line for line in left.get_lines()}
    np.testing.assert_allclose(lines["gradient"].get_xdata(), report["gradient"])
    np.testing.assert_allclose(lines["weights"].get_xdata(), report["weights"])
    assert left.get_xscale() == "log" and left.yaxis_inverted() and left.get_ylim() == right.get_ylim()
    assert [[text.get_text() for text in ax.get_legend().get_texts()] for ax in (left, right)] == [
        ["weights", "gradient"],
        ["dead", "saturated"],
    ]
    texts = [(label.get_text(), label.get_color()) for label in left.get_yticklabels()]
    assert texts[0] == ("dense_0  vanishing", "tab:red") and texts[-1] == ("dense_10  ", "black")
    bars = {container.get_label(): [bar.get_bbox() for bar in container] for container in right.containers}
    np.testing.assert_allclose([bar.width for bar in bars["saturated"]], report["saturated"].fillna(0))
    for row, (dead, saturated) in enumerate(zip(bars["dead"], bars["saturated"], strict=True)):  # side by side
        assert row - 0.5 < dead.y0 < dead.y1 < row < saturated.y0 < saturated.y1 < row + 0.5
    assert right.get_xlim() == (0, 1) and all(ax.get_title() and ax.get_xlabel() for ax in (left, right))
    plt.close(figure)


def test_plot_of_zeros_and_nan():
    model = keras_network("relu", "he", 1)
    for variable in model.variables:
        variable.assign(tf.zeros(variable.shape))
    report = diagnose(model, *batch(), cross_entropy)
    assert report["flags"].iloc[0] == ("vanishing", "dead")
    plt.close(plot(report))
    for wrong in (report.drop(columns="flags"), {"flags": []}, None):
        with pytest.raises(TypeError, match="report must be what diagnose returns"):
            plot(wrong)
