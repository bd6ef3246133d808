"""Convolution and pooling in TensorFlow core: patches, one matrix product, and a backward pass written by hand.

Everything is NHWC, as in TensorFlow: pictures of shape (batch, height, width, channels), kernels of shape (kernel_height,
kernel_width, channels / groups, filters). Names are Keras's. Day 11 derives all of it.
"""

import functools

import numpy as np
import tensorflow as tf

from tensorflow_basics.checks import check_bool, check_int
from tensorflow_basics.modules import check_seed, checked_activation, checked_dtype


def output_size(size, kernel_size, stride=1, padding="valid", dilation=1):
    """Number of outputs along one axis: ``(size + padding before and after - extent) // stride + 1``.

    The extent of the kernel is ``(kernel_size - 1) * dilation + 1``, from its first to its last pixel.

    Parameters
    ----------
    size, kernel_size, stride, dilation : int
        Each at least 1.
    padding : "valid", "same" or int
        None; as much as gives ``ceil(size / stride)`` outputs, the odd pixel at the end; or that many on both sides.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range, or the kernel is larger than the padded picture.

    Examples
    --------
    >>> output_size(28, 5), output_size(28, 5, padding="same"), output_size(28, 3, stride=2, padding=1)
    (24, 28, 14)
    """
    check_int("size", size, 1)
    _check_window(kernel_size, stride, padding, dilation, names=("kernel_size", "stride", "dilation"))
    return _Axis("size", size, kernel_size, stride, padding, dilation).out


def conv2d(x, kernel, bias=None, *, strides=1, padding="valid", dilation_rate=1, groups=1):
    """Slide a kernel over pictures: at each place, the sum of products of the kernel and the patch under it.

    ``y[n, i, j, f] = bias[f] + sum over p, q, c of x[n, i * stride + p * dilation, j * stride + q * dilation, c]
    * kernel[p, q, c, f]``, with `x` padded: a cross-correlation, which every deep-learning library calls a convolution.

    Parameters
    ----------
    x : tf.Tensor
        float32 or float64, shape (batch, height, width, channels). The batch may be unknown in a graph, the rest not.
    kernel : tf.Tensor
        Dtype of `x`, shape (kernel_height, kernel_width, channels / groups, filters).
    bias : tf.Tensor, optional
        Shape (filters,).
    strides, dilation_rate : int or (int, int)
        Step of the window, and distance of the pixels in it, down and right; each at least 1.
    padding : "valid", "same", int or (int, int)
        Rows and columns of zeros around the picture: none; as many as make ``ceil(size / stride)`` outputs, an odd one at
        the bottom or right; or that many on both sides, as in PyTorch.
    groups : int
        Channels and filters are split into so many parts, which do not see each other. It divides both.

    Returns
    -------
    tf.Tensor
        Shape (batch, out_height, out_width, filters) with `output_size` of height and width; dtype of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, rank or range, channels do not match, or the kernel is larger than the padded
        picture.

    Notes
    -----
    The patches take ``kernel_height * kernel_width * channels`` numbers for each output (twice ``kernel_height *
    channels`` where the stride along the rows is 1). Backward makes them anew from `x`, so they are not kept in between,
    and gradients of gradients are right. A `tf.function` leaves out the gradient by `x` where nobody asks for it. Keep the
    patches of a batch below 32 MB: beyond that, glibc gives the memory back after each use, and training takes about twice
    as long for each picture.

    References
    ----------
    K. Chellapilla, S. Puri, P. Simard: High performance convolutional neural networks for document processing, 2006.

    Examples
    --------
    >>> x = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    >>> kernel = tf.reshape(tf.constant([1.0, 0.0, 0.0, -1.0]), [2, 2, 1, 1])
    >>> conv2d(x, kernel)[0, :, :, 0].numpy().tolist()
    [[-4.0, -4.0], [-4.0, -4.0]]
    """
    x = _checked_pictures(x)
    kernel = _checked_tensor("kernel", kernel, x.dtype, "(height, width, channels, filters)", 4)
    check_int("groups", groups, 1)
    channels, (*size, in_kernel, filters) = x.shape[3], kernel.shape
    if channels != in_kernel * groups:
        raise ValueError(
            f"kernel of shape {tuple(kernel.shape)} with groups={groups} takes {in_kernel * groups} channels, "
            f"x has {channels} in its last axis"
        )
    if filters % groups:
        raise ValueError(f"groups must divide the {filters} filters of kernel, got {groups}")
    rows, columns = _axes(x, "kernel_size", size, strides, padding, dilation_rate)
    if bias is not None:
        bias = _checked_tensor("bias", bias, x.dtype, f"({filters},)", 1)
        if bias.shape[0] != filters:
            raise ValueError(f"bias must have shape ({filters},), one for each filter, got {tuple(bias.shape)}")
    if groups == 1:
        y = _convolve(x, kernel, rows, columns)
    else:
        parts = zip(tf.split(x, groups, axis=3), tf.split(kernel, groups, axis=3), strict=True)
        y = tf.concat([_convolve(x_part, kernel_part, rows, columns) for x_part, kernel_part in parts], axis=3)
    return y if bias is None else y + bias


def max_pool2d(x, pool_size=2, *, strides=None, padding="valid"):
    """Largest value of each window, channel by channel.

    Among equal largest values the gradient goes to the first, row by row, as in ``tf.nn.max_pool2d`` and PyTorch.

    Parameters
    ----------
    x : tf.Tensor
        float32 or float64, shape (batch, height, width, channels).
    pool_size : int or (int, int)
        Height and width of the window, each at least 1.
    strides : int or (int, int), optional
        Step of the window; `pool_size` if left out.
    padding : "valid", "same", int or (int, int)
        As for `conv2d`, but padding is never a maximum, and less than the window. (PyTorch allows at most half of it.)

    Returns
    -------
    tf.Tensor
        Shape (batch, out_height, out_width, channels), dtype of `x`.

    Raises
    ------
    TypeError, ValueError
        As for `conv2d`.

    Examples
    --------
    >>> max_pool2d(tf.reshape(tf.range(16.0), [1, 4, 4, 1]))[0, :, :, 0].numpy().tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    x = _checked_pictures(x)
    rows, columns = _pooling_axes(x, pool_size, strides, padding)

    @tf.custom_gradient
    def pool(x):
        y = functools.reduce(tf.maximum, _views(x, rows, columns))

        def backward(dy):
            is_open, parts = tf.ones_like(y, tf.bool), []  # is_open: no largest value has been met yet
            for view in _views(x, rows, columns):
                is_first = is_open & (view == y)
                parts.append(tf.where(is_first, dy, tf.zeros_like(dy)))
                is_open &= ~is_first
            return _sum_of_views(parts, rows, columns)

        return y, backward

    return pool(_fit(x, rows.place, columns.place, x.dtype.min))


def avg_pool2d(x, pool_size=2, *, strides=None, padding="valid"):
    """Mean of each window, channel by channel. Padding does not count, as in ``tf.nn.avg_pool2d``.

    (PyTorch counts it unless ``count_include_pad=False``.)

    Parameters
    ----------
    x, pool_size, strides, padding
        As for `max_pool2d`.

    Returns
    -------
    tf.Tensor
        Shape (batch, out_height, out_width, channels), dtype of `x`.

    Raises
    ------
    TypeError, ValueError
        As for `conv2d`.

    Examples
    --------
    >>> avg_pool2d(tf.reshape(tf.range(16.0), [1, 4, 4, 1]))[0, :, :, 0].numpy().tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    x = _checked_pictures(x)
    rows, columns = _pooling_axes(x, pool_size, strides, padding)
    ones = _fit(tf.ones([1, *x.shape[1:3], 1], x.dtype), rows.place, columns.place)
    count = tf.add_n(_views(ones, rows, columns))  # (1, out_height, out_width, 1): how many pixels are no padding

    @tf.custom_gradient
    def pool(x):
        def backward(dy):
            return _sum_of_views([dy / count] * len(rows.taps) * len(columns.taps), rows, columns)

        return tf.add_n(_views(x, rows, columns)) / count, backward

    return pool(_fit(x, rows.place, columns.place))


class Conv2D(tf.Module):
    """Convolutional layer: ``activation(conv2d(x, kernel) + bias)``.

    Parameters
    ----------
    in_channels, filters : int
        Channels of the input and of the output, each at least 1.
    kernel_size : int or (int, int)
        Height and width of the kernel, each at least 1.
    activation : str or callable, optional
        As for ``tensorflow_basics.modules.Dense``.
    use_bias : bool
        Whether a bias is added.
    strides, padding, dilation_rate, groups
        As for `conv2d`.
    seed : int, optional
        0 to 2**31 - 1: the same seed gives the same kernel. Left out, it comes from TensorFlow's global generator.
    dtype : tf.DType or str
        ``float32`` or ``float64``.
    name : str, optional
        A Python identifier; it begins the names of the variables.

    Attributes
    ----------
    kernel : tf.Variable
        Shape (kernel_height, kernel_width, in_channels / groups, filters). Normal with variance ``2 / fan_in``, fan_in
        the number of products in a sum: He's initialisation, for ReLU.
    bias : tf.Variable or None
        Shape (filters,), zero at first. None without bias.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers, 2015, equation 10.

    Examples
    --------
    >>> layer = Conv2D(1, 8, 5, padding="same", activation="relu", seed=0)
    >>> layer(tf.zeros([2, 28, 28, 1])).shape.as_list()
    [2, 28, 28, 8]
    """

    def __init__(
        self,
        in_channels,
        filters,
        kernel_size,
        activation=None,
        use_bias=True,
        *,
        strides=1,
        padding="valid",
        dilation_rate=1,
        groups=1,
        seed=None,
        dtype=tf.float32,
        name=None,
    ):
        for argument, value in (("in_channels", in_channels), ("filters", filters), ("groups", groups)):
            check_int(argument, value, 1)
        if in_channels % groups or filters % groups:
            raise ValueError(f"groups must divide in_channels {in_channels} and filters {filters}, got {groups}")
        sizes = _pair("kernel_size", kernel_size)
        for window in zip(sizes, *_pairs(strides, padding, dilation_rate), strict=True):
            _check_window(*window)
        activation = checked_activation("activation", activation)
        check_bool("use_bias", use_bias)
        check_seed(seed)
        dtype = checked_dtype(dtype)
        super().__init__(name=name)
        self.activation = activation
        self._arguments = {"strides": strides, "padding": padding, "dilation_rate": dilation_rate, "groups": groups}
        shape = (*sizes, in_channels // groups, filters)
        if seed is None:
            kernel = tf.random.normal(shape, dtype=dtype)
        else:
            kernel = tf.random.stateless_normal(shape, [seed, 0], dtype=dtype)
        kernel *= (2 / np.prod(shape[:3])) ** 0.5
        with self.name_scope:
            self.kernel = tf.Variable(kernel, name="kernel")
            self.bias = tf.Variable(tf.zeros([filters], dtype), name="bias") if use_bias else None

    def __call__(self, x):
        """Apply the layer: shape (batch, height, width, in_channels) to (batch, out_height, out_width, filters)."""
        return self.activation(conv2d(x, self.kernel, self.bias, **self._arguments))


class _Axis:
    """Where the windows lie along one axis.

    Number the padded pixels ``stride * cell + phase``. As the window moves, its pixel i sees one phase and a range of
    cells: ``taps[i] = (first cell, phase)``. So after one reshape whatever a pixel sees is a slice, and no stride is left.
    """

    def __init__(self, name, size, kernel_size, stride=1, padding="valid", dilation=1):
        extent = (kernel_size - 1) * dilation + 1
        if padding == "same":
            total = max((-(-size // stride) - 1) * stride + extent - size, 0)
            before, after = total // 2, total - total // 2
        else:
            before = after = 0 if padding == "valid" else padding
        if extent > before + size + after:
            dilated = f" (with dilation {extent})" if dilation > 1 else ""
            raise ValueError(
                f"the kernel is larger than the padded picture: kernel_size {kernel_size}{dilated}, "
                f"{name} {size} with padding {before} + {after}"
            )
        self.stride, self.dilation = stride, dilation
        self.out = (before + size + after - extent) // stride + 1
        self.taps = [divmod(i * dilation, stride) for i in range(kernel_size)]
        self.n_cells = self.out + self.taps[-1][0]
        self.place = before, self.n_cells * stride  # of the picture: padding before it, length in all


def _fit(x, rows, columns, value=0):
    """Pad or crop a picture to ``place = (padding before it, length in all)`` along both axes."""
    places = rows, columns
    after = [length - before - n for (before, length), n in zip(places, x.shape[1:3], strict=True)]
    pads = [(before, max(n, 0)) for (before, _), n in zip(places, after, strict=True)]
    if np.any(pads):
        x = tf.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)
    return x[:, : rows[1], : columns[1]] if min(after) < 0 else x  # what no window reaches


def _views(padded, rows, columns):
    """What each pixel of the window sees, row by row: list of tensors (batch, rows.out, columns.out, channels)."""
    x = tf.reshape(padded, [-1, rows.n_cells, rows.stride, columns.n_cells, columns.stride, padded.shape[3]])
    return [x[:, i : i + rows.out, p, j : j + columns.out, q] for i, p in rows.taps for j, q in columns.taps]


def _sum_of_views(views, rows, columns):
    """The adjoint of `_views`: each view goes back to where it came from, and what overlaps is added."""
    at_phase = {(p, q): [] for p in range(rows.stride) for q in range(columns.stride)}
    down, right, channels = rows.n_cells - rows.out, columns.n_cells - columns.out, views[0].shape[3]
    offsets = [(i, p, j, q) for i, p in rows.taps for j, q in columns.taps]
    for (i, p, j, q), view in zip(offsets, views, strict=True):
        at_phase[p, q].append(tf.pad(view, [(0, 0), (i, down - i), (j, right - j), (0, 0)]))
    nothing = tf.zeros_like(at_phase[0, 0][0])  # a phase that no pixel of the window sees
    sums = [tf.add_n(parts) if parts else nothing for parts in at_phase.values()]  # (batch, cells, cells, channels)
    if len(sums) == 1:
        return sums[0]
    x = tf.reshape(tf.stack(sums, axis=3), [-1, rows.n_cells, columns.n_cells, rows.stride, columns.stride, channels])
    return tf.reshape(tf.transpose(x, [0, 1, 3, 2, 4, 5]), [-1, rows.place[1], columns.place[1], channels])


def _convolve(x, kernel, rows, columns):
    width = kernel.shape[1]
    if columns.stride == columns.dilation == 1 and 1 < width <= columns.out + 1:
        return _convolve_tiles(x, kernel, rows, columns)
    return _product_of_patches(_fit(x, rows.place, columns.place), kernel, rows, columns)


def _product_of_patches(padded, kernel, rows, columns):
    """Convolution of a padded picture: the patches, one in each row of a matrix, times the kernel as a matrix."""
    filters = kernel.shape[3]
    out, n_pixels, n_columns = (rows.out, columns.out), len(rows.taps) * len(columns.taps), np.prod(kernel.shape[:3])

    @tf.custom_gradient
    def convolve(x, kernel):
        def patches():
            return tf.reshape(tf.concat(_views(x, rows, columns), axis=3), [-1, n_columns])  # (batch * out, n_columns)

        matrix = tf.reshape(kernel, [n_columns, filters])

        def backward(dy):
            # The patches are made anew: nothing is kept, and the tape of a second derivative sees that they depend on x.
            dy = tf.reshape(dy, [-1, filters])  # (batch * out, filters)
            dmatrix = tf.matmul(patches(), dy, transpose_a=True)
            dpatches = tf.reshape(tf.matmul(dy, matrix, transpose_b=True), [-1, *out, n_columns])
            dx = _sum_of_views(tf.split(dpatches, n_pixels, axis=3), rows, columns)
            return dx, tf.reshape(dmatrix, kernel.shape)

        return tf.reshape(patches() @ matrix, [-1, *out, filters]), backward

    return convolve(padded, kernel)


def _convolve_tiles(x, kernel, rows, columns):
    """The same for windows that move by one pixel to the right, with fewer and larger patches.

    Take t = kernel_width - 1 outputs side by side. They see 2 t pixels: their own tile of t, and the next. So a patch is
    two neighbouring tiles in each row of the window; and the matrix holds the kernel t times, each time one pixel further
    down, as the Toeplitz matrix of a convolution does. The patches shrink to 2 / kernel_width of their size, and the
    product, some of it with zeros, is less narrow, which the processor likes.
    """
    height, width, channels, filters = kernel.shape
    t = width - 1
    n_tiles = -(-columns.out // t)
    place = np.zeros([width, 2 * t, t])  # place[q, p, u] = 1 where output u sees pixel p through column q of the kernel
    for u in range(t):
        place[np.arange(width), np.arange(width) + u, u] = 1
    wide = tf.einsum("aqcf,qpu->apcuf", kernel, tf.constant(place, kernel.dtype))
    wide = tf.reshape(wide, [height, 2, t * channels, t * filters])
    padded = _fit(x, rows.place, (columns.place[0], (n_tiles + 1) * t))
    tiles = tf.reshape(padded, [-1, rows.place[1], n_tiles + 1, t * channels])
    y = _product_of_patches(tiles, wide, rows, _Axis("tiles", n_tiles + 1, 2))  # (batch, out, n_tiles, t * filters)
    y = tf.reshape(y, [-1, rows.out, n_tiles * t, filters])
    return y if n_tiles * t == columns.out else y[:, :, : columns.out]


def _axes(x, size_name, size, strides, padding, dilation_rate):
    """The two axes of pictures `x` under windows of `size`."""
    windows = list(zip(size, *_pairs(strides, padding, dilation_rate), strict=True))
    for window in windows:
        _check_window(*window, names=(size_name, "strides", "dilation_rate"))
    names_and_sizes = zip(("height", "width"), x.shape[1:3], windows, strict=True)
    return [_Axis(name, n, *window) for name, n, window in names_and_sizes]


def _pooling_axes(x, pool_size, strides, padding):
    size = _pair("pool_size", pool_size)
    rows, columns = _axes(x, "pool_size", size, size if strides is None else strides, padding, 1)
    for k, p in zip(size, _pair_of_paddings(padding), strict=True):
        if not isinstance(p, str) and p >= k:
            raise ValueError(f"padding must be less than pool_size {k}, or a window sees nothing else, got {p}")
    return rows, columns


def _pairs(strides, padding, dilation_rate):
    return _pair("strides", strides), _pair_of_paddings(padding), _pair("dilation_rate", dilation_rate)


def _pair(name, value):
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be an int or two, for height and width, got {value!r}")
    return pair


def _pair_of_paddings(padding):
    return (padding, padding) if isinstance(padding, str) else _pair("padding", padding)


def _check_window(kernel_size, stride, padding, dilation, names=("kernel_size", "strides", "dilation_rate")):
    for name, value in zip(names, (kernel_size, stride, dilation), strict=True):
        check_int(name, value, 1)
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid', 'same' or an int, got {padding!r}")
    else:
        check_int("padding", padding, 0)


def _checked_pictures(x):
    x = _checked_tensor("x", x, None, "(batch, height, width, channels)", 4)
    if None in x.shape[1:]:
        raise ValueError(f"x must have a known height, width and number of channels, got shape {x.shape}")
    return x


def _checked_tensor(name, value, dtype, shape, rank):
    try:
        tensor = tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of numbers: {error}") from error
    if tensor.dtype not in (tf.float32, tf.float64) or dtype not in (None, tensor.dtype):
        raise TypeError(f"{name} must be {dtype.name if dtype else 'float32 or float64'}, got {tensor.dtype.name}")
    if tensor.shape.rank != rank:
        raise ValueError(f"{name} must have shape {shape}, got {tensor.shape}")
    return tensor
