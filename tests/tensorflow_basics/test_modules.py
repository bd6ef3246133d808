"""tensorflow_basics.modules equals Keras in values and gradients, can be saved and restored, and refuses bad input."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_basics.modules import ACTIVATIONS, MLP, Dense, glorot_uniform

SEEDS = range(12)


def random_dense(rng, activation, n_features, use_bias):
    """A layer with random weights; zeros would hide a bias that is missing, or added twice."""
    layer = Dense(int(rng.integers(2, 7)), activation, use_bias, dtype=tf.float64)
    layer.build(n_features)
    for variable in layer.variables:
        variable.assign(rng.normal(size=variable.shape))
    return layer


def value_and_gradients(function, x, weights, upstream):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, [x, *weights], output_gradients=upstream)


def assert_same(ours, theirs):
    tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), ours, theirs)


@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
def test_dense_equals_keras_in_values_and_gradients(activation, use_bias):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        shape = rng.integers(1, 6, size=2 + seed % 3)  # 2 to 4 axes
        layer = random_dense(rng, activation, int(shape[-1]), use_bias)
        x, upstream = tf.constant(rng.normal(scale=2, size=shape)), tf.constant(rng.normal(size=[*shape[:-1], layer.units]))
        twin = keras.layers.Dense(layer.units, activation, use_bias=use_bias, dtype="float64")
        twin.build(x.shape)
        names = ("kernel", "bias") if use_bias else ("kernel",)
        for name in names:
            getattr(twin, name).assign(getattr(layer, name))
        ours = value_and_gradients(layer, x, [getattr(layer, name) for name in names], upstream)
        theirs = value_and_gradients(twin, x, [getattr(twin, name).value for name in names], upstream)
        assert ours[0].dtype == tf.float64 and ours[0].shape == upstream.shape
        assert_same(ours, theirs)


def test_a_square_kernel_is_not_transposed():
    layer = Dense(2, dtype="float64")
    layer.build(2)
    layer.kernel.assign([[1, 2], [3, 4]])
    layer.bias.assign([10, 20])
    np.testing.assert_array_equal(layer([[1.0, 1.0], [1.0, 0.0]]), [[14, 26], [11, 22]])


@pytest.mark.parametrize("seed", SEEDS)
def test_mlp_equals_a_keras_model_in_values_and_gradients(seed):
    rng = np.random.default_rng(seed)
    names = [name for name in ACTIVATIONS if name != "linear"]
    hidden, last = rng.choice(names), [None, "softmax"][seed % 2]
    units, n_features = rng.integers(2, 6, size=rng.integers(1, 4)).tolist(), int(rng.integers(1, 6))
    model = MLP(units, str(hidden), last, use_bias=bool(seed % 3), seed=seed, dtype=tf.float64)
    x = tf.constant(rng.normal(size=(7, n_features)))
    model.build(n_features)
    for variable in model.variables:
        variable.assign(rng.normal(size=variable.shape))

    activations = [str(hidden)] * (len(units) - 1) + [last]
    twin = keras.Sequential([keras.layers.Input([n_features], dtype="float64")])
    for width, activation, layer in zip(units, activations, model.layers, strict=True):
        twin.add(keras.layers.Dense(width, activation, use_bias=layer.use_bias, dtype="float64"))
        twin.layers[-1].set_weights([layer.kernel.numpy()] + ([layer.bias.numpy()] if layer.use_bias else []))

    ours = [weight for layer in model.layers for weight in (layer.kernel, layer.bias) if weight is not None]
    upstream = tf.constant(rng.normal(size=(7, units[-1])))
    result = value_and_gradients(model, x, ours, upstream)
    assert_same(result, value_and_gradients(twin, x, [weight.value for weight in twin.weights], upstream))


@pytest.mark.parametrize("activation", ["tanh", "softmax", "gelu", None])
def test_gradients_agree_with_finite_differences(activation):
    rng = np.random.default_rng(0)
    model = MLP([4, 3], activation, activation, seed=1, dtype=tf.float64)
    x, h = tf.constant(rng.normal(size=(5, 2))), 1e-6
    upstream = rng.normal(size=(5, 3))

    def objective():
        return tf.reduce_sum(upstream * model(x))

    model(x)
    for variable in model.variables:
        variable.assign(rng.normal(size=variable.shape))
    with tf.GradientTape() as tape:
        value = objective()
    for variable, gradient in zip(model.variables, tape.gradient(value, model.variables), strict=True):
        start = variable.numpy()
        for index in np.ndindex(*start.shape):
            nudge = np.zeros_like(start)
            nudge[index] = h
            variable.assign(start + nudge)
            above = objective()
            variable.assign(start - nudge)
            np.testing.assert_allclose((above - objective()) / (2 * h), gradient[index], atol=1e-8)
        variable.assign(start)


# --- variables ----------------------------------------------------------------------------------------------------------


def test_variables_are_made_by_the_first_call_and_not_again():
    layer = Dense(3, seed=0)
    assert not layer.built and layer.variables == () and layer.kernel is None
    first = layer(np.ones((2, 4)))
    kernel = layer.kernel
    assert layer.built and kernel.shape == (4, 3) and layer.bias.shape == (3,)
    assert np.array_equal(layer(np.ones((5, 4)))[:2], first) and layer.kernel is kernel
    layer.build(4)  # as it is: nothing to do
    assert layer.kernel is kernel


def test_a_call_that_fails_builds_nothing():
    layer = Dense(3)
    for x in (np.ones((2, 4), int), np.ones(4), np.ones((2, 0))):
        with pytest.raises((TypeError, ValueError)):
            layer(x)
    assert not layer.built


def test_variables_come_sorted_by_attribute_and_are_named_by_module():
    model = MLP([2, 1], name="net")
    model.build(3)
    names = [variable.name for variable in model.variables]
    assert names == ["net/dense_0/bias:0", "net/dense_0/kernel:0", "net/dense_1/bias:0", "net/dense_1/kernel:0"]
    assert model.trainable_variables == model.variables
    assert [module.name for module in model.submodules] == ["dense_0", "dense_1"] == [layer.name for layer in model.layers]
    without = MLP([2, 1], use_bias=False)
    without.build(3)
    assert [variable.shape.as_list() for variable in without.variables] == [[3, 2], [2, 1]]


def test_names_do_not_depend_on_where_the_model_is_first_called():
    model = MLP([2])
    with tf.name_scope("elsewhere"):
        model(tf.ones([1, 3]))
    assert [variable.name for variable in model.variables] == ["mlp/dense_0/bias:0", "mlp/dense_0/kernel:0"]


def test_it_can_be_built_inside_a_graph_and_inside_a_tape():
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 3)))
    eager, traced = (MLP([5, 2], "tanh", seed=3, dtype="float64") for _ in range(2))
    graph = tf.function(traced, input_signature=[tf.TensorSpec([None, 3], tf.float64)])
    np.testing.assert_allclose(graph(x), eager(x), rtol=1e-14)
    np.testing.assert_allclose(traced(x), eager(x), rtol=1e-14)
    assert graph(x[:1]).shape == (1, 2) and len(traced.variables) == 4
    fresh = MLP([5, 2], "tanh", seed=3, dtype="float64")
    with tf.GradientTape() as tape:
        y = fresh(x)
    assert all(gradient is not None for gradient in tape.gradient(y, fresh.trainable_variables))


def test_an_activation_may_have_variables():
    class Scale(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(2.0, name="factor")

        def __call__(self, x):
            return self.factor * x

    scaled, plain = Dense(2, Scale(), seed=0), Dense(2, seed=0)
    x = tf.ones([1, 3])
    np.testing.assert_allclose(scaled(x), 2 * plain(x), rtol=1e-6)
    assert len(scaled.trainable_variables) == 3


@pytest.mark.parametrize("dtype", [tf.float32, "float64", np.float32])
def test_everything_has_the_dtype_of_the_layer(dtype):
    for x in (np.ones((2, 3)), np.ones((2, 3), np.float32), tf.ones([2, 3], tf.float16), [[1.0, 2.0, 3.0]]):
        layer = Dense(2, dtype=dtype)
        assert {layer(x).dtype, layer.kernel.dtype, layer.bias.dtype, layer.dtype} == {tf.as_dtype(dtype)}


def test_lists_are_read_in_the_precision_of_the_layer():
    layer = Dense(1, dtype="float64")
    layer.build(1)
    layer.kernel.assign([[1.0]])
    for x in ([[0.1]], ((0.1,),), [np.array([0.1])], np.array([[0.1]])):
        assert layer(x).numpy() == 0.1
    assert layer([tf.constant([0.1])]).numpy() == np.float32(0.1)  # which is float32 already


def test_empty_batches_and_unknown_sizes():
    layer = Dense(2)
    assert layer(np.ones((0, 3))).shape == (0, 2)
    graph = tf.function(layer, input_signature=[tf.TensorSpec([None, None], tf.float32)])
    np.testing.assert_array_equal(graph(tf.ones([4, 3])), layer(tf.ones([4, 3])))


# --- initial weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fan_in", "fan_out"), [(400, 100), (100, 400), (300, 300)])
def test_glorot_uniform_has_keras_limit_and_variance(fan_in, fan_out):
    ours = glorot_uniform((fan_in, fan_out), seed=0, dtype=tf.float64).numpy()
    unseeded = glorot_uniform((fan_in, fan_out)).numpy()
    theirs = np.asarray(keras.initializers.GlorotUniform(seed=0)((fan_in, fan_out)))
    limit = np.sqrt(6 / (fan_in + fan_out))
    assert ours.dtype == np.float64 and unseeded.dtype == np.float32
    for kernel in (ours, unseeded, theirs):
        assert kernel.min() < -0.99 * limit and 0.99 * limit < kernel.max()
        assert np.abs(kernel).max() <= kernel.dtype.type(limit)  # in float32 it may be rounded up
        assert abs(kernel.mean()) < 0.02 * limit
        assert kernel.var() == pytest.approx(2 / (fan_in + fan_out), rel=0.04)


def test_the_seed_decides_the_weights_alone():
    def kernels(seed):
        model = MLP([6, 6, 6], seed=seed)
        model.build(6)
        return [layer.kernel.numpy() for layer in model.layers]

    keras.utils.set_random_seed(1)
    first = kernels(5)
    keras.utils.set_random_seed(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, kernels(5), strict=True))
    assert not np.array_equal(first[0], kernels(6)[0])
    assert not np.array_equal(first[0], first[1]) and not np.array_equal(first[1], first[2])
    assert not np.array_equal(kernels(5)[1], kernels(6)[0]), "layers of models with neighbouring seeds differ too"


def test_without_a_seed_the_global_one_decides():
    def kernel(global_seed):
        keras.utils.set_random_seed(global_seed)
        layers = Dense(4), Dense(4)
        for layer in layers:
            layer.build(4)
        assert not np.array_equal(layers[0].kernel, layers[1].kernel)
        return layers[0].kernel.numpy()

    assert np.array_equal(kernel(1), kernel(1)) and not np.array_equal(kernel(1), kernel(2))


def test_the_bias_starts_at_zero():
    layer = Dense(3, seed=0)
    layer.build(2)
    assert not layer.bias.numpy().any()


# --- saving -------------------------------------------------------------------------------------------------------------


def trained_looking(seed=0):
    model = MLP([4, 2], "tanh", seed=seed)
    model.build(3)
    for i, variable in enumerate(model.variables):
        variable.assign_add(tf.fill(variable.shape, 0.1 * (i + 1)))
    return model


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("built", [True, False], ids=["built", "deferred"])
def test_a_checkpoint_restores_it_before_or_after_it_is_built(tmp_path, built, in_graph):
    model, x = trained_looking(), np.random.default_rng(0).normal(size=(5, 3))
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "model"))
    other = MLP([4, 2], "tanh", seed=1)
    if built:
        other.build(3)
    status = tf.train.Checkpoint(model=other).read(path)
    if not built:
        with pytest.raises(AssertionError):
            status.assert_consumed()
    np.testing.assert_allclose(tf.function(other)(x) if in_graph else other(x), model(x), rtol=1e-6, atol=1e-7)
    status.assert_consumed()


def test_a_saved_model_gives_the_same_numbers_for_any_batch(tmp_path):
    model, x = trained_looking(), np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    model.serve = tf.function(model.__call__, input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    tf.saved_model.save(model, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert not isinstance(loaded, MLP)
    for n in (1, 5):
        np.testing.assert_allclose(loaded.serve(tf.constant(x[:n])), model(x[:n]), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(loaded.layers[1].kernel, model.layers[1].kernel)


def test_it_trains_in_a_graph():
    rng = np.random.default_rng(0)
    x = tf.constant(rng.uniform(-1, 1, size=(64, 1)))
    y = x**2
    model = MLP([16, 1], "tanh", seed=0, dtype="float64")

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        for variable, gradient in zip(
            model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
        ):
            variable.assign_sub(0.5 * gradient)
        return loss

    model.build(1)
    losses = [float(step()) for _ in range(500)]
    assert losses[-1] < 0.1 * losses[0]


# --- bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"units": 0}, ValueError, "units must be at least 1, got 0"),
        ({"units": -3}, ValueError, "units must be at least 1"),
        ({"units": 2.0}, TypeError, "units must be an int"),
        ({"units": True}, TypeError, "units must be an int"),
        ({"units": "3"}, TypeError, "units must be an int"),
        ({"units": [3]}, TypeError, "units must be an int"),
        ({"activation": "rleu"}, ValueError, "activation must be one of elu, .*tanh or a callable, got 'rleu'"),
        ({"activation": 3}, TypeError, "activation must be a name or a callable, got 3"),
        ({"use_bias": 1}, TypeError, "use_bias must be a bool, got 1"),
        ({"use_bias": None}, TypeError, "use_bias must be a bool"),
        ({"seed": -1}, ValueError, "seed must be from 0 to 2147483647, got -1"),
        ({"seed": 2**31}, ValueError, "seed must be from 0 to"),
        ({"seed": 0.5}, TypeError, "seed must be an int"),
        ({"dtype": tf.int32}, ValueError, "dtype must be float32 or float64, got int32"),
        ({"dtype": tf.float16}, ValueError, "dtype must be float32 or float64, got float16"),
        ({"dtype": "single precision"}, TypeError, "dtype must be float32 or float64"),
        ({"name": "my layer"}, ValueError, "my layer"),
    ],
)
def test_dense_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Dense(**{"units": 3} | arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"units": []}, ValueError, "units must name at least one layer"),
        ({"units": 3}, TypeError, "units must be a sequence of int"),
        ({"units": "33"}, TypeError, "units must be a sequence of int"),
        ({"units": {3, 4}}, TypeError, "units must be a sequence of int"),
        ({"units": [3, 0]}, ValueError, r"units\[1\] must be at least 1, got 0"),
        ({"units": [3.0]}, TypeError, r"units\[0\] must be an int"),
        ({"activation": "Relu"}, ValueError, "^activation must be one of"),
        ({"output_activation": "Relu"}, ValueError, "^output_activation must be one of"),
        ({"use_bias": "yes"}, TypeError, "use_bias must be a bool"),
        ({"seed": -1}, ValueError, "seed must be from 0 to"),
        ({"dtype": "int64"}, ValueError, "dtype must be float32 or float64"),
    ],
)
def test_mlp_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        MLP(**{"units": [3, 2]} | arguments)


@pytest.mark.parametrize("make", [lambda: Dense(2), lambda: MLP([3, 2])], ids=["Dense", "MLP"])
@pytest.mark.parametrize("built", [False, True], ids=["unbuilt", "built"])
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (3.0, ValueError, r"x must have shape \(\.\.\., n_features\), at least two axes, got \(\)"),
        (np.ones(4), ValueError, r"x must have shape \(\.\.\., n_features\), at least two axes, got \(4,\)"),
        (np.ones((2, 4), int), TypeError, "x must be floating point, got int64: cast it first"),
        (tf.ones([2, 4], tf.int32), TypeError, "x must be floating point, got int32"),
        (np.ones((2, 4), bool), TypeError, "x must be floating point, got bool"),
        (np.ones((2, 4), complex), TypeError, "x must be floating point, got complex128"),
        (np.array([["a"] * 4]), TypeError, "x must be floating point, got string"),
        ([[1.0], [2.0, 3.0]], TypeError, "x must be an array of numbers"),
        (tf.ragged.constant([[1.0], [2.0, 3.0]]), TypeError, "x must be an array of numbers"),
        (None, TypeError, "x must be an array of numbers"),
    ],
)
def test_a_call_refuses_bad_input(make, built, x, error, message):
    module = make()
    if built:
        module.build(4)
    with pytest.raises(error, match=message):
        module(x)


def test_a_built_layer_refuses_another_number_of_features():
    for module in (Dense(2), MLP([3, 2])):
        module.build(4)
        with pytest.raises(ValueError, match=r"x must have 4 features in its last axis, got shape \(2, 5\)"):
            module(np.ones((2, 5)))
        with pytest.raises(ValueError, match="n_features must be 4, for which this layer was built, got 5"):
            module.build(5)


@pytest.mark.parametrize(("n_features", "error"), [(0, ValueError), (2.0, TypeError), (None, TypeError), (True, TypeError)])
def test_build_refuses_what_is_no_number_of_features(n_features, error):
    for module in (Dense(2), MLP([3, 2])):
        with pytest.raises(error, match="n_features must be"):
            module.build(n_features)


def test_a_graph_without_static_shapes_says_what_is_missing():
    for shape, message in [(None, "at least two axes"), ([None, None], "must have a known last axis to build the layer")]:
        graph = tf.function(Dense(2), input_signature=[tf.TensorSpec(shape, tf.float32)])
        with pytest.raises(ValueError, match=message):
            graph(tf.ones([2, 3]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": 3}, ValueError, r"shape must be \(fan_in, fan_out\), got 3"),
        ({"shape": (3, 4, 5)}, ValueError, r"shape must be \(fan_in, fan_out\)"),
        ({"shape": (0, 4)}, ValueError, "fan_in must be at least 1"),
        ({"shape": (3, 1.5)}, TypeError, "fan_out must be an int"),
        ({"seed": "0"}, TypeError, "seed must be an int"),
        ({"dtype": "int32"}, ValueError, "dtype must be"),
    ],
)
def test_glorot_uniform_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        glorot_uniform(**{"shape": (3, 4)} | arguments)
