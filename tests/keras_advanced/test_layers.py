import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_advanced.layers import EuclideanDistance, ResizeConv2D


def test_importing_the_package_loads_neither_keras_nor_tensorflow():
    program = "import sys, keras_advanced; print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == ["False", "False"]


# --- EuclideanDistance --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (4, 100)])
def test_the_distance_is_numpys(shape):
    a, b = np.random.default_rng(0).normal(size=(2, *shape))
    layer = EuclideanDistance(epsilon=1e-8, dtype="float64")
    got = layer([a, b])
    assert got.shape == layer.compute_output_shape([shape, shape])
    np.testing.assert_allclose(got, np.linalg.norm(a - b, axis=1, keepdims=True), rtol=1e-12)


def test_the_gradient_of_the_distance_is_right_and_finite_where_rows_are_equal():
    a, b = tf.constant([[1.0, 2.0], [1.0, 1.0]], tf.float64), tf.constant([[1.0, 2.0], [4.0, 5.0]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(a)
        y = EuclideanDistance(epsilon=1e-6, dtype="float64")([a, b])
    np.testing.assert_allclose(tape.gradient(y, a), [[0, 0], [-0.6, -0.8]], atol=1e-9)


@pytest.mark.parametrize(
    ("epsilon", "error", "message"),
    [
        *[(number, ValueError, "epsilon must be above 0 and finite") for number in (0, -1.0, np.nan, np.inf)],
        *[(other, TypeError, "epsilon must be a number") for other in ("0.1", True, None)],
    ],
)
def test_the_distance_refuses_an_epsilon_that_is_not_above_0(epsilon, error, message):
    with pytest.raises(error, match=message):
        EuclideanDistance(epsilon)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([np.ones((2, 3)), np.ones((2, 4))], r"one shape, \(batch, features\), got \(2, 3\) and \(2, 4\)"),
        ([np.ones((2, 3)), np.ones((2, 1))], r"got \(2, 3\) and \(2, 1\)"),  # would broadcast, as would the next
        ([np.ones((1, 3)), np.ones((5, 3))], r"got \(1, 3\) and \(5, 3\)"),
        ([np.ones((2, 3)), np.ones(3)], "a list of two tensors"),
        ([np.ones((2, 3))] * 3, "a list of two tensors"),
        ([np.ones((2, 3, 1))] * 2, "a list of two tensors"),
        (np.ones((2, 3)), r"a list of two tensors of shape \(batch, features\), got shapes \(2, 3\)"),
    ],
)
def test_the_distance_refuses_other_inputs_in_every_call(inputs, message):
    used = EuclideanDistance()
    used([np.zeros((2, 3)), np.ones((2, 3))])
    used([keras.Input((3,)), keras.Input((3,), batch_size=2)])  # an open size fits every other
    symbolic = keras.tree.map_structure(lambda array: keras.KerasTensor(array.shape), inputs)
    for layer in (EuclideanDistance(), used):
        for given in (inputs, symbolic):
            with pytest.raises(ValueError, match=message):
                layer(given)


# --- ResizeConv2D -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(("kernel_size", "factor"), [(1, 1), (3, 2), (4, 3)])
def test_it_is_up_sampling_and_a_convolution(interpolation, kernel_size, factor):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    layer = ResizeConv2D(6, kernel_size, factor, interpolation, activation="tanh", dtype="float64")
    y = layer(x)
    large = keras.layers.UpSampling2D(factor, interpolation=interpolation, dtype="float64")(x)
    kernel, bias = (weight.value for weight in layer.trainable_weights)
    np.testing.assert_allclose(y, tf.tanh(tf.nn.conv2d(large, kernel, 1, "SAME") + bias), atol=1e-12)
    assert y.shape == layer.compute_output_shape(x.shape) == (2, 4 * factor, 5 * factor, 6)


def test_a_flat_picture_stays_flat_and_a_transposed_convolution_does_not_keep_it():
    flat = np.ones((1, 10, 10, 2))
    middle = (0, slice(6, -6), slice(6, -6))
    resized = keras.ops.convert_to_numpy(ResizeConv2D(3, 5, dtype="float64")(flat))[middle]
    transposed = keras.layers.Conv2DTranspose(3, 4, 2, padding="same", dtype="float64")(flat).numpy()[middle]
    assert np.ptp(resized, axis=(0, 1)).max() < 1e-12 < 1e-3 < np.ptp(transposed, axis=(0, 1)).min()


def test_sizes_may_be_open_and_channels_may_not():
    assert ResizeConv2D(3, 3)(keras.Input((None, None, 2))).shape == (None, None, None, 3)
    with pytest.raises(ValueError, match="channels known"):
        ResizeConv2D(3, 3)(keras.Input((8, 8, None)))
    with pytest.raises(ValueError, match="batch, height, width, channels"):
        ResizeConv2D(3, 3)(np.ones((8, 8, 3)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"filters": 0, "kernel_size": 3}, ValueError, "filters must be at least 1"),
        ({"filters": 2, "kernel_size": 3.0}, TypeError, "kernel_size must be an int"),
        ({"filters": 2, "kernel_size": 3, "factor": 0}, ValueError, "factor must be at least 1"),
        ({"filters": 2, "kernel_size": 3, "interpolation": "area"}, ValueError, "interpolation must be"),
    ],
)
def test_it_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ResizeConv2D(**arguments)


def test_the_configurations_hold_everything():
    layer = ResizeConv2D(4, 5, 3, "bicubic", "gelu", name="enlarge", dtype="float64")
    twin = ResizeConv2D.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert (twin.filters, twin.kernel_size, twin.factor, twin.interpolation) == (4, 5, 3, "bicubic")
    assert twin.activation is keras.activations.gelu and twin.convolution.activation is keras.activations.gelu
    assert EuclideanDistance.from_config(EuclideanDistance(0.25).get_config()).epsilon == 0.25
