"""Convolution and pooling equal TensorFlow's and PyTorch's: values and gradients, over random shapes."""

from itertools import product

import numpy as np
import pytest
import tensorflow as tf
import torch

from architectures import convolution
from architectures.convolution import Conv2D, avg_pool2d, conv2d, max_pool2d, output_size

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def with_gradients(function, *arguments):
    """Value, and the gradients of a nonlinear function of it."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        y = function(*arguments)
        loss = tf.reduce_sum(tf.sin(y))
    return [y, *tape.gradient(loss, arguments)]


def assert_equal(ours, theirs, **tolerance):
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert tuple(our.shape) == tuple(their.shape)
        np.testing.assert_allclose(our, their, **(tolerance or EXACT))


def pictures(rng, *shape, ties=False):
    x = rng.normal(size=shape)
    return tf.constant(np.maximum(x.round(), 0) if ties else x)


def explicit(padding):
    if isinstance(padding, str):
        return padding.upper()
    return [[0, 0], [padding[0]] * 2, [padding[1]] * 2, [0, 0]]


def random_geometry(rng, dilated=True):
    height, width = rng.integers(1, 14, size=2).tolist()
    strides = [(1, 1), (1, 1), (2, 2), tuple(rng.integers(1, 5, size=2).tolist())][rng.integers(4)]
    dilation = tuple(rng.integers(1, 4, size=2).tolist()) if dilated and rng.random() < 0.5 else (1, 1)
    padding = ["valid", "same", (1, 1), tuple(rng.integers(0, 5, size=2).tolist())][rng.integers(4)]
    margins = (20, 20) if padding == "same" else (0, 0) if padding == "valid" else padding
    kernel_size = [
        int(rng.integers(1, min(6, (n + 2 * margin - 1) // d + 1) + 1))
        for n, margin, d in zip((height, width), margins, dilation, strict=True)
    ]
    return (height, width), kernel_size, strides, padding, dilation


# --- convolution --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_conv2d_equals_tensorflow(seed):
    rng = np.random.default_rng(seed)
    (height, width), size, strides, padding, _ = random_geometry(rng, dilated=False)
    batch, channels, filters = rng.integers(1, 6, size=3)
    x, kernel, bias = (
        pictures(rng, *s) for s in ((batch, height, width, channels), (*size, channels, filters), (filters,))
    )

    def ours(x, kernel, bias):
        return conv2d(x, kernel, bias, strides=strides, padding=padding)

    def theirs(x, kernel, bias):
        return tf.nn.conv2d(x, kernel, [1, *strides, 1], explicit(padding)) + bias

    assert_equal(with_gradients(ours, x, kernel, bias), with_gradients(theirs, x, kernel, bias))


@pytest.mark.parametrize("seed", range(40))
def test_conv2d_equals_torch(seed):
    """Dilation and groups too, of which TensorFlow has no gradients on the CPU; its values are compared."""
    rng = np.random.default_rng(1000 + seed)
    (height, width), size, strides, padding, dilation = random_geometry(rng)
    batch, per_group, filters, groups = rng.integers(1, 4, size=4).tolist()
    x, kernel = (
        pictures(rng, *s) for s in ((batch, height, width, per_group * groups), (*size, per_group, filters * groups))
    )
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation, "groups": groups}
    ours = with_gradients(lambda x, kernel: conv2d(x, kernel, **options), x, kernel)
    library = tf.nn.conv2d(x, kernel, [1, *strides, 1], explicit(padding), dilations=[1, *dilation, 1])
    assert_equal(ours[:1], [library])

    x_torch = torch.tensor(x.numpy()).permute(0, 3, 1, 2).contiguous().requires_grad_()
    kernel_torch = torch.tensor(kernel.numpy()).permute(3, 2, 0, 1).contiguous().requires_grad_()
    padded = x_torch
    if padding == "same":  # torch's own refuses strides
        margins = []
        for n, k, s, d in zip((width, height), size[::-1], strides[::-1], dilation[::-1], strict=True):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            margins += [total // 2, total - total // 2]
        padded = torch.nn.functional.pad(x_torch, margins)
    integers = (0, 0) if isinstance(padding, str) else padding
    y = torch.nn.functional.conv2d(padded, kernel_torch, None, strides, integers, dilation, groups)
    torch.sin(y).sum().backward()
    theirs = [y.detach().permute(0, 2, 3, 1), x_torch.grad.permute(0, 2, 3, 1), kernel_torch.grad.permute(2, 3, 1, 0)]
    assert_equal(ours, theirs)


@pytest.mark.parametrize(("channels", "filters", "k"), [(1, 16, 3), (1, 16, 5), (16, 32, 3), (16, 32, 5)])
def test_float32_at_the_shapes_of_mnist(channels, filters, k):
    rng = np.random.default_rng(0)
    x, kernel = pictures(rng, 8, 28, 28, channels), pictures(rng, k, k, channels, filters)
    exact = with_gradients(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"), x, kernel)
    # The gradient of sin would blow up the rounding of y: a fixed one instead.
    dy = pictures(rng, *exact[0].shape)

    def run(layer, dtype):
        arguments = [tf.cast(value, dtype) for value in (x, kernel)]
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            y = layer(*arguments)
        return [y, *tape.gradient(y, arguments, tf.cast(dy, dtype))]

    ours = run(lambda x, kernel: conv2d(x, kernel, padding="same"), tf.float32)
    for our, right in zip(ours, run(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), tf.float64), strict=True):
        assert our.dtype == tf.float32
        np.testing.assert_allclose(our / np.abs(right).max(), right / np.abs(right).max(), rtol=0, atol=5e-6)


def test_gradients_equal_finite_differences():
    rng = np.random.default_rng(0)
    for strides, dilation, padding in (((1, 1), (1, 1), "same"), ((2, 3), (1, 2), 1)):
        x, kernel, bias = pictures(rng, 2, 6, 7, 2), pictures(rng, 3, 2, 2, 3), pictures(rng, 3)

        def loss(*arguments, options=dict(strides=strides, dilation_rate=dilation, padding=padding)):  # noqa: B006
            return tf.reduce_sum(tf.sin(conv2d(*arguments, **options)))

        arguments = [x, kernel, bias]
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = loss(*arguments)
        for i, gradient in enumerate(tape.gradient(value, arguments)):
            direction = rng.normal(size=arguments[i].shape)
            ends = [loss(*(a + h * direction if j == i else a for j, a in enumerate(arguments))) for h in (1e-6, -1e-6)]
            np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, tf.reduce_sum(gradient * direction), rtol=1e-6)


@pytest.mark.parametrize(("k", "graph"), [(1, False), (2, False), (3, False), (3, True)])
def test_second_derivatives_equal_tensorflow(k, graph):
    rng = np.random.default_rng(k)
    x, kernel = pictures(rng, 2, 5, 6, 2), pictures(rng, k, k, 2, 3)

    def second(layer):
        def gradient_of_gradient(x, kernel):
            with tf.GradientTape() as outer:
                outer.watch([x, kernel])
                _, dx, dkernel = with_gradients(layer, x, kernel)
                value = tf.reduce_sum(dx**3) + tf.reduce_sum(dkernel**2)
            return outer.gradient(value, [x, kernel])

        return (tf.function(gradient_of_gradient) if graph else gradient_of_gradient)(x, kernel)

    assert_equal(second(conv2d), second(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "VALID")))


@pytest.mark.parametrize("options", [{"padding": "same"}, {"strides": 2, "padding": 1}, {"groups": 2}], ids=str)
def test_unknown_batch_and_xla(options):
    rng = np.random.default_rng(0)
    x, kernel = pictures(rng, 3, 7, 8, 2), pictures(rng, 3, 3, 2 // options.get("groups", 1), 4)
    right = with_gradients(lambda x, kernel: conv2d(x, kernel, **options), x, kernel)
    traces = []

    def run(x, kernel):
        traces.append(x.shape)
        return with_gradients(lambda x, kernel: conv2d(x, kernel, **options), x, kernel)

    signature = [tf.TensorSpec([None, 7, 8, 2], tf.float64), tf.TensorSpec(kernel.shape, tf.float64)]
    graph = tf.function(run, input_signature=signature)
    assert_equal(graph(x, kernel), right)
    assert_equal(graph(x[:1], kernel)[:1], [right[0][:1]])
    assert len(traces) == 1 and traces[0][0] is None
    assert graph(x[:0], kernel)[0].shape == (0, *right[0].shape[1:])
    assert_equal(tf.function(run, jit_compile=True)(x, kernel), right)


def test_a_graph_leaves_out_the_gradient_that_nobody_asks_for():
    """The gradient by the pictures is summed with AddN: there is one in the graph with it, and none without."""

    def count(wanted):
        def run(x, kernel):
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = conv2d(x, kernel, padding="same")
            return tape.gradient(y, [x, kernel][wanted])

        specs = [tf.TensorSpec([4, 8, 8, 1]), tf.TensorSpec([3, 3, 1, 2])]
        graph = tf.function(run).get_concrete_function(*specs).graph
        needed, todo = set(), [tensor.op for tensor in graph.outputs]
        while todo:
            op = todo.pop()
            if op not in needed:
                needed.add(op)
                todo += [tensor.op for tensor in op.inputs]
        return sum(op.type == "AddN" for op in needed)

    assert (count(0), count(1)) == (1, 0)


# --- sizes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["valid", "same", 0, 1, 2])
def test_output_size_is_the_size_of_the_output(padding):
    library = [[0, 0], [padding] * 2, [0, 0], [0, 0]] if isinstance(padding, int) else padding.upper()
    for n, k, s, d in product((1, 2, 3, 6, 7), (1, 2, 3), (1, 2, 3), (1, 2)):
        x, kernel = tf.zeros([1, n, 1, 1]), tf.zeros([k, 1, 1, 1])
        options = {"strides": (s, 1), "dilation_rate": (d, 1)}
        options["padding"] = (padding, 0) if isinstance(padding, int) else padding
        if padding != "same" and n + 2 * (padding if isinstance(padding, int) else 0) < (k - 1) * d + 1:
            for call in (lambda: output_size(n, k, s, padding, d), lambda: conv2d(x, kernel, **options)):  # noqa: B023
                with pytest.raises(ValueError, match=f"larger than the padded picture: kernel_size {k}"):
                    call()
            continue
        assert tf.nn.conv2d(x, kernel, [s, 1], library, dilations=[d, 1]).shape[1] == output_size(n, k, s, padding, d)
        assert conv2d(x, kernel, **options).shape[1] == output_size(n, k, s, padding, d)


# --- pooling ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), [(max_pool2d, tf.nn.max_pool2d), (avg_pool2d, tf.nn.avg_pool2d)])
def test_pooling_equals_tensorflow(ours, theirs, ties):
    rng = np.random.default_rng(0)
    for _ in range(20):
        size, strides = (tuple(rng.integers(1, 5, size=2).tolist()) for _ in range(2))
        padding = ["valid", "same"][rng.integers(2)]
        x = pictures(rng, *rng.integers(1, 4, size=1), *rng.integers(5, 12, size=2), *rng.integers(1, 4, size=1), ties=ties)
        mine = with_gradients(lambda x: ours(x, size, strides=strides, padding=padding), x)  # noqa: B023
        assert_equal(mine, with_gradients(lambda x: theirs(x, size, strides, padding.upper()), x))  # noqa: B023


@pytest.mark.parametrize("ties", [False, True])
def test_pooling_equals_torch_with_integer_padding(ties):
    rng = np.random.default_rng(1)
    for k, s, p in ((2, 2, 1), (3, 2, 1), (3, 1, 1), (5, 3, 2), (4, 5, 2)):
        x = pictures(rng, 2, 9, 8, 3, ties=ties)
        for ours, theirs in (
            (max_pool2d, torch.nn.MaxPool2d(k, s, p)),
            (avg_pool2d, torch.nn.AvgPool2d(k, s, p, count_include_pad=False)),
        ):
            x_torch = torch.tensor(x.numpy()).permute(0, 3, 1, 2).requires_grad_()
            y = theirs(x_torch)
            torch.sin(y).sum().backward()
            mine = with_gradients(lambda x: ours(x, k, strides=s, padding=p), x)  # noqa: B023
            assert_equal(mine, [y.detach().permute(0, 2, 3, 1), x_torch.grad.permute(0, 2, 3, 1)])


def test_the_first_of_equal_largest_values_gets_the_gradient():
    x = tf.constant([[7.0, 7.0], [7.0, 7.0]])[None, :, :, None]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = max_pool2d(x)
    assert tape.gradient(y, x)[0, :, :, 0].numpy().tolist() == [[1, 0], [0, 0]]


def test_pooling_of_negative_numbers_never_returns_the_padding():
    x = tf.fill([1, 3, 3, 1], -5.0)
    for padding in ("same", 1):
        assert np.all(max_pool2d(x, padding=padding) == -5) and np.all(avg_pool2d(x, padding=padding) == -5)


# --- the layer ----------------------------------------------------------------------------------------------------------


def test_layer_has_he_weights_from_its_seed_and_equals_the_function():
    layer = Conv2D(8, 64, (3, 5), "relu", strides=2, padding="same", groups=2, seed=1, name="conv")
    assert layer.kernel.shape == (3, 5, 4, 64) and [v.name for v in layer.variables] == ["conv/bias:0", "conv/kernel:0"]
    assert abs(np.std(layer.kernel) - (2 / (3 * 5 * 4)) ** 0.5) < 0.01 and not np.any(layer.bias)
    again = Conv2D(8, 64, (3, 5), groups=2, seed=1)
    np.testing.assert_array_equal(layer.kernel, again.kernel)
    layer.bias.assign(np.linspace(-1, 1, 64))
    x = tf.random.stateless_normal([2, 9, 8, 8], [0, 0])
    y = tf.nn.relu(conv2d(x, layer.kernel, layer.bias, strides=2, padding="same", groups=2))
    np.testing.assert_array_equal(layer(x), y)
    assert Conv2D(1, 2, 3, use_bias=False).bias is None
    assert Conv2D(1, 2, 3, dtype=tf.float64)(tf.zeros([1, 3, 3, 1], tf.float64)).dtype == tf.float64
    np.testing.assert_array_equal(Conv2D(8, 4, 3, lambda x: 2 * x, seed=1)(x), 2 * Conv2D(8, 4, 3, seed=1)(x))
    tf.random.set_seed(0)
    assert not np.array_equal(Conv2D(1, 2, 3).kernel, Conv2D(1, 2, 3).kernel)


def test_layer_learns_a_kernel():
    """Gradient descent finds the kernel that made the data: both gradients have the right sign."""
    x, kernel = tf.random.stateless_normal([8, 10, 10, 1], [1, 0]), tf.random.stateless_normal([3, 3, 1, 2], [2, 0])
    y, layer = conv2d(x, kernel, tf.constant([1.0, -1.0])), Conv2D(1, 2, 3, seed=0)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((layer(x) - y) ** 2)
        bias, kernel = tape.gradient(loss, layer.variables)
        layer.bias.assign_sub(0.5 * bias), layer.kernel.assign_sub(0.5 * kernel)

    for _ in range(60):
        step()
    np.testing.assert_allclose(layer.kernel, kernel, atol=1e-3)
    np.testing.assert_allclose(layer.bias, [1, -1], atol=1e-3)


# --- bad input ----------------------------------------------------------------------------------------------------------

X, KERNEL = np.zeros((2, 5, 6, 4), "float32"), np.zeros((3, 3, 4, 8), "float32")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: conv2d(X[0], KERNEL),
            ValueError,
            r"x must have shape \(batch, height, width, channels\), got \(5, 6, 4\)",
        ),
        (lambda: conv2d(X.astype(int), KERNEL), TypeError, "x must be float32 or float64, got int64"),
        (lambda: conv2d(None, KERNEL), TypeError, "x must be an array of numbers"),
        (lambda: conv2d(X, KERNEL.astype("float64")), TypeError, "kernel must be float32, got float64"),
        (lambda: conv2d(X, KERNEL[0]), ValueError, r"kernel must have shape \(height, width, channels, filters\)"),
        (lambda: conv2d(X, KERNEL[:, :, :3]), ValueError, r"takes 3 channels, x has 4 in its last axis"),
        (lambda: conv2d(X, KERNEL, groups=2), ValueError, r"groups=2 takes 8 channels, x has 4"),
        (lambda: conv2d(X, KERNEL[:, :, :2, :7], groups=2), ValueError, "groups must divide the 7 filters"),
        (lambda: conv2d(X, KERNEL, groups=0), ValueError, "groups must be at least 1, got 0"),
        (lambda: conv2d(X, KERNEL, np.zeros(7, "float32")), ValueError, r"bias must have shape \(8,\)"),
        (lambda: conv2d(X, KERNEL, strides=0), ValueError, "strides must be at least 1, got 0"),
        (lambda: conv2d(X, KERNEL, strides=(1, 2, 1)), ValueError, "strides must be an int or two"),
        (lambda: conv2d(X, KERNEL, strides=1.5), TypeError, "strides must be an int, got 1.5"),
        (lambda: conv2d(X, KERNEL, dilation_rate=0), ValueError, "dilation_rate must be at least 1, got 0"),
        (lambda: conv2d(X, KERNEL, padding="SAME"), ValueError, "padding must be 'valid', 'same' or an int, got 'SAME'"),
        (lambda: conv2d(X, KERNEL, padding=-1), ValueError, "padding must be at least 0, got -1"),
        (lambda: conv2d(X, KERNEL, padding=None), TypeError, "padding must be an int, got None"),
        (lambda: conv2d(X[:, :2], KERNEL), ValueError, r"larger than the padded picture: kernel_size 3, height 2 with"),
        (lambda: conv2d(X, KERNEL, dilation_rate=3), ValueError, r"kernel_size 3 \(with dilation 7\), height 5"),
        (lambda: conv2d(X[:, :4], KERNEL, dilation_rate=2), ValueError, r"kernel_size 3 \(with dilation 5\), height 4"),
        (lambda: max_pool2d(X, 7), ValueError, "larger than the padded picture"),
        (lambda: max_pool2d(X, 2, padding=2), ValueError, "padding must be less than pool_size 2"),
        (lambda: avg_pool2d(X, 0), ValueError, "pool_size must be at least 1, got 0"),
        (lambda: avg_pool2d(X[0]), ValueError, "x must have shape"),
        (lambda: output_size(0, 3), ValueError, "size must be at least 1"),
        (lambda: output_size(28, 5, stride=0), ValueError, "^stride must be at least 1, got 0"),
        (lambda: output_size(28, 5, dilation=0), ValueError, "^dilation must be at least 1, got 0"),
        (lambda: output_size(4, 5), ValueError, "larger than the padded picture"),
        (lambda: Conv2D(0, 8, 3), ValueError, "in_channels must be at least 1"),
        (lambda: Conv2D(4, 6, 3, groups=4), ValueError, "groups must divide in_channels 4 and filters 6, got 4"),
        (lambda: Conv2D(4, 8, 3, "soft"), ValueError, "activation must be one of"),
        (lambda: Conv2D(4, 8, 3, ["relu"]), TypeError, "activation must be a name or a callable"),
        (lambda: Conv2D(4, 8, 3, use_bias=1), TypeError, "use_bias must be a bool"),
        (lambda: Conv2D(4, 8, 3, padding="full"), ValueError, "padding must be"),
        (lambda: Conv2D(4, 8, 3, seed=-1), ValueError, "seed must be from 0"),
        (lambda: Conv2D(4, 8, 3, dtype=tf.int32), ValueError, "dtype must be"),
    ],
)
def test_bad_input_is_refused_with_a_reason(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_unknown_height_is_refused_where_the_graph_is_made():
    @tf.function(input_signature=[tf.TensorSpec([None, None, 6, 4])])
    def run(x):
        return convolution.conv2d(x, KERNEL)

    with pytest.raises(ValueError, match="x must have a known height, width and number of channels"):
        run(X)
