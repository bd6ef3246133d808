"""Layers of Day 4 that survive saving, on Keras's TensorFlow and PyTorch backends alike."""

import keras
from keras import ops

from tensorflow_basics.checks import check_int, check_number


@keras.saving.register_keras_serializable(package="keras_advanced")
class EuclideanDistance(keras.layers.Layer):
    """Distance between the rows of two batches, with a gradient that stays finite where they are equal.

    ``sqrt(sum((a - b)**2, axis=-1) + epsilon**2)``: the root alone has an infinite slope at 0, and 0 times infinity is NaN.

    Parameters
    ----------
    epsilon : float
        The distance of a row from itself, above 0.
    **kwargs
        Of every Keras layer: ``name``, ``dtype``, ...

    Raises
    ------
    TypeError
        If `epsilon` is not a number.
    ValueError
        If `epsilon` is not above 0 and finite, or the layer is called on anything but two tensors of one shape
        (batch, features).

    References
    ----------
    J. Bromley, I. Guyon, Y. LeCun, E. Säckinger, R. Shah: Signature verification using a "Siamese" time delay neural
    network, 1993, compare two codes by a distance.

    Examples
    --------
    >>> distance = EuclideanDistance()([ops.array([[0.0, 0.0]]), ops.array([[3.0, 4.0]])])
    >>> distance.shape, round(float(distance[0, 0]), 4)
    (TensorShape([1, 1]), 5.0)
    """

    def __init__(self, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        check_number("epsilon", epsilon, 0, above=True)
        self.epsilon = float(epsilon)

    def call(self, inputs):
        _check_pair(keras.tree.map_structure(lambda tensor: tuple(tensor.shape), inputs))
        a, b = inputs
        squares = ops.sum(ops.square(a - b), axis=-1, keepdims=True)  # (batch, 1)
        return ops.sqrt(squares + self.epsilon**2)

    def compute_output_shape(self, input_shape):
        _check_pair(input_shape)  # all that Keras asks for when it builds a model of symbolic tensors
        return (input_shape[0][0], 1)

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="keras_advanced")
class ResizeConv2D(keras.layers.Layer):
    """Up-sample pictures, then convolve them: `factor` times the size, without a transposed convolution's checkerboard.

    Parameters
    ----------
    filters : int
        Channels of the result, at least 1.
    kernel_size : int
        Height and width of the kernel, at least 1.
    factor : int
        By how much height and width grow, at least 1.
    interpolation : {"nearest", "bilinear", "bicubic"}
        How the pictures are enlarged.
    activation : str or callable, optional
        Applied to the result, as in ``keras.layers.Conv2D``.
    **kwargs
        Of every Keras layer: ``name``, ``dtype``, ...

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range, or the input is not of shape
        (batch, height, width, channels) with a known number of channels.

    References
    ----------
    A. Odena, V. Dumoulin, C. Olah: Deconvolution and checkerboard artifacts, Distill, 2016.

    Examples
    --------
    >>> ResizeConv2D(3, kernel_size=5)(keras.ops.zeros([1, 7, 7, 16])).shape
    TensorShape([1, 14, 14, 3])
    """

    def __init__(self, filters, kernel_size, factor=2, interpolation="nearest", activation=None, **kwargs):
        super().__init__(**kwargs)
        for name, value in [("filters", filters), ("kernel_size", kernel_size), ("factor", factor)]:
            check_int(name, value, 1)
        if interpolation not in ("nearest", "bilinear", "bicubic"):
            raise ValueError(f"interpolation must be 'nearest', 'bilinear' or 'bicubic', got {interpolation!r}")
        self.filters, self.kernel_size, self.factor, self.interpolation = filters, kernel_size, factor, interpolation
        self.activation = keras.activations.get(activation)
        self.enlarge = keras.layers.UpSampling2D(
            factor, interpolation=interpolation, data_format="channels_last", dtype=self.dtype_policy
        )
        self.convolution = keras.layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            activation=activation,
            data_format="channels_last",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(f"input must have shape (batch, height, width, channels), channels known, got {input_shape}")
        self.convolution.build(self.enlarge.compute_output_shape(input_shape))
        super().build(input_shape)

    def call(self, inputs):
        return self.convolution(self.enlarge(inputs))  # (batch, factor * height, factor * width, filters)

    def compute_output_shape(self, input_shape):
        return self.convolution.compute_output_shape(self.enlarge.compute_output_shape(input_shape))

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "factor": self.factor,
            "interpolation": self.interpolation,
            "activation": keras.activations.serialize(self.activation),
        }


def _check_pair(shapes):
    """Raise ValueError unless these are the shapes of two tensors (batch, features), equal where both are known."""
    if len(shapes) != 2 or any(not isinstance(shape, (tuple, list)) or len(shape) != 2 for shape in shapes):
        raise ValueError(f"inputs must be a list of two tensors of shape (batch, features), got shapes {shapes}")
    a, b = shapes
    if any(m != n for m, n in zip(a, b, strict=True) if m is not None and n is not None):
        raise ValueError(f"inputs must have one shape, (batch, features), got {tuple(a)} and {tuple(b)}")
