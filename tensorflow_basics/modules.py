"""Layers and models made of `tf.Module` alone: variables, and a function of tensors that uses them. No Keras.

Day 2 derives `Dense` in small, proves it equal to Keras's layer in values and gradients, and saves an `MLP`.
"""

import math

import numpy as np
import tensorflow as tf

from tensorflow_basics.checks import check_bool, check_int

ACTIVATIONS = {
    "elu": tf.nn.elu,
    "gelu": tf.nn.gelu,
    "linear": tf.identity,
    "relu": tf.nn.relu,
    "sigmoid": tf.nn.sigmoid,
    "softmax": tf.nn.softmax,
    "softplus": tf.nn.softplus,
    "tanh": tf.nn.tanh,
}


def glorot_uniform(shape, seed=None, dtype=tf.float32):
    """Random weights whose size suits the width of the layer.

    Uniform between ``-limit`` and ``limit`` with ``limit = sqrt(6 / (fan_in + fan_out))``, hence of variance
    ``2 / (fan_in + fan_out)``: a compromise between ``1 / fan_in``, which keeps the variance of what flows forward through
    a linear layer, and ``1 / fan_out``, which keeps that of the gradients flowing back. Keras's default for a dense layer.

    Parameters
    ----------
    shape : (int, int)
        ``(fan_in, fan_out)``: number of inputs and of outputs of the layer, each at least 1.
    seed : int, optional
        0 to 2**31 - 1: the same seed gives the same weights. Left out, they come from TensorFlow's global generator.
    dtype : tf.DType or str
        ``float32`` or ``float64``.

    Returns
    -------
    tf.Tensor
        Of that shape and dtype.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    References
    ----------
    X. Glorot and Y. Bengio: Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010,
    equation 16.

    Examples
    --------
    >>> kernel = glorot_uniform((100, 50), seed=0)  # limit 0.2
    >>> kernel.shape.as_list(), float(tf.reduce_max(abs(kernel))) < 0.2
    ([100, 50], True)
    >>> bool(tf.reduce_all(kernel == glorot_uniform((100, 50), seed=0)))
    True
    """
    if not isinstance(shape, (tuple, list, tf.TensorShape)) or len(shape) != 2:
        raise ValueError(f"shape must be (fan_in, fan_out), got {shape!r}")
    fan_in, fan_out = shape
    check_int("fan_in", fan_in, 1)
    check_int("fan_out", fan_out, 1)
    check_seed(seed)
    dtype = checked_dtype(dtype)
    limit = math.sqrt(6 / (fan_in + fan_out))
    if seed is None:
        return tf.random.uniform((fan_in, fan_out), -limit, limit, dtype)
    return tf.random.stateless_uniform((fan_in, fan_out), [seed, 0], -limit, limit, dtype)


class Dense(tf.Module):
    """Densely connected layer: ``activation(x @ kernel + bias)``.

    The number of inputs is read off the first `x`; only then are the variables made. (A `tf.function` allows that on its
    first trace; call `build` where that is not the first call.) Names are those of ``keras.layers.Dense``.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    activation : str or callable, optional
        Applied to the result: a key of `ACTIVATIONS`, a function of one tensor, or a `tf.Module` with variables of its own.
        Left out, nothing is applied.
    use_bias : bool
        Whether a bias is added.
    seed : int, optional
        Seed of the kernel, see `glorot_uniform`. Give each layer its own.
    dtype : tf.DType or str
        ``float32`` or ``float64``: that of the variables and of the result.
    name : str, optional
        A Python identifier; it begins the names of the variables.

    Attributes
    ----------
    kernel : tf.Variable or None
        Shape (n_features, units), from `glorot_uniform`. None until the layer is built.
    bias : tf.Variable or None
        Shape (units,), zero at first. None until the layer is built, and without bias.
    built : bool
        Whether the variables exist.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    Notes
    -----
    `tf.Module` sorts by attribute, so ``variables`` is ``(bias, kernel)``, while Keras's ``weights`` is
    ``[kernel, bias]``. Transplant weights by name.

    Examples
    --------
    >>> layer = Dense(3, activation="relu", seed=0)
    >>> layer.variables
    ()
    >>> layer(tf.ones([2, 4])).shape.as_list()
    [2, 3]
    >>> [(variable.name, variable.shape.as_list()) for variable in layer.variables]
    [('dense/bias:0', [3]), ('dense/kernel:0', [4, 3])]
    """

    def __init__(self, units, activation=None, use_bias=True, *, seed=None, dtype=tf.float32, name=None):
        check_int("units", units, 1)
        check_bool("use_bias", use_bias)
        check_seed(seed)
        dtype = checked_dtype(dtype)
        activation = checked_activation("activation", activation)
        super().__init__(name=name)
        self.units, self.use_bias, self.dtype, self.activation = int(units), bool(use_bias), dtype, activation
        self.kernel = self.bias = None
        self._seed = seed

    @property
    def built(self):
        """Whether the variables exist."""
        return self.kernel is not None

    @tf.Module.with_name_scope
    def build(self, n_features):
        """Make the variables for inputs of `n_features` features; the first call does it by itself.

        Raises
        ------
        TypeError, ValueError
            If `n_features` is not an integer of at least 1, or not the number that the layer was built for.
        """
        check_int("n_features", n_features, 1)
        if self.built:
            if n_features != self.kernel.shape[0]:
                raise ValueError(
                    f"n_features must be {self.kernel.shape[0]}, for which this layer was built, got {n_features}"
                )
            return
        kernel = glorot_uniform((n_features, self.units), self._seed, self.dtype)
        self.kernel = tf.Variable(kernel, name="kernel")
        if self.use_bias:
            self.bias = tf.Variable(tf.zeros([self.units], self.dtype), name="bias")

    @tf.Module.with_name_scope
    def __call__(self, x):
        """Apply the layer.

        Parameters
        ----------
        x : tf.Tensor or array_like
            Floating point, shape (..., n_features) with at least one axis before the features. Cast to `dtype`.

        Returns
        -------
        tf.Tensor
            Shape (..., units), dtype of the layer.

        Raises
        ------
        TypeError
            If `x` is not floating point.
        ValueError
            If `x` has fewer than two axes or another number of features than before.
        """
        x = _checked_input(x, self.dtype, self.kernel)
        if not self.built:
            self.build(x.shape[-1])
        # For more axes, tensordot reshapes x to a matrix; matmul would repeat the kernel, and its gradient, for each batch.
        x = tf.matmul(x, self.kernel) if x.shape.rank == 2 else tf.tensordot(x, self.kernel, axes=1)  # (..., units)
        return self.activation(x if self.bias is None else x + self.bias)


class MLP(tf.Module):
    """Multilayer perceptron: dense layers, one after the other.

    Parameters
    ----------
    units : sequence of int
        Number of outputs of each layer, each at least 1; the last is that of the model.
    activation : str or callable, optional
        Of every layer but the last, see `Dense`; a `tf.Module` is shared by these layers.
    output_activation : str or callable, optional
        Of the last layer. Left out, the model returns its sums: logits, or values of a regression.
    use_bias : bool
        Whether the layers have biases.
    seed : int, optional
        0 to 2**31 - 1. Each layer gets a seed of its own from it; left out, weights come from TensorFlow's global
        generator.
    dtype : tf.DType or str
        ``float32`` or ``float64``.
    name : str, optional
        A Python identifier; it begins the names of the variables.

    Attributes
    ----------
    layers : list of Dense
        In the order in which they are applied.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    Examples
    --------
    >>> model = MLP([8, 1], activation="tanh", seed=0)
    >>> model(tf.zeros([5, 2])).shape.as_list()
    [5, 1]
    >>> [variable.name for variable in model.trainable_variables]
    ['mlp/dense_0/bias:0', 'mlp/dense_0/kernel:0', 'mlp/dense_1/bias:0', 'mlp/dense_1/kernel:0']
    """

    def __init__(
        self, units, activation="relu", output_activation=None, use_bias=True, *, seed=None, dtype=tf.float32, name=None
    ):
        if isinstance(units, (str, bytes)) or not hasattr(units, "__len__") or not hasattr(units, "__getitem__"):
            raise TypeError(f"units must be a sequence of int, one for each layer, got {units!r}")
        if len(units) == 0:
            raise ValueError("units must name at least one layer, got none")
        for i, width in enumerate(units):
            check_int(f"units[{i}]", width, 1)
        check_bool("use_bias", use_bias)
        check_seed(seed)
        dtype = checked_dtype(dtype)
        activation = checked_activation("activation", activation)
        output_activation = checked_activation("output_activation", output_activation)
        super().__init__(name=name)
        n = len(units)
        seeds = [None] * n if seed is None else (np.random.SeedSequence(seed).generate_state(n) >> 1).tolist()
        with self.name_scope:
            self.layers = [
                Dense(
                    width,
                    activation if i < n - 1 else output_activation,
                    use_bias,
                    seed=seeds[i],
                    dtype=dtype,
                    name=f"dense_{i}",
                )
                for i, width in enumerate(units)
            ]

    def build(self, n_features):
        """Make the variables of all layers for inputs of `n_features` features; the first call does it by itself.

        Raises
        ------
        TypeError, ValueError
            If `n_features` is not an integer of at least 1, or not the number that the model was built for.
        """
        for layer in self.layers:
            layer.build(n_features)
            n_features = layer.units

    @tf.Module.with_name_scope
    def __call__(self, x):
        """Apply the layers: shape (..., n_features) to (..., units[-1]). Errors as for `Dense`."""
        for layer in self.layers:
            x = layer(x)
        return x


def check_seed(seed):
    """Raise TypeError or ValueError unless `seed` is None or an integer from 0 to 2**31 - 1."""
    if seed is not None:
        check_int("seed", seed, 0, 2**31 - 1)


def checked_dtype(dtype):
    """`dtype` as a tf.DType; TypeError or ValueError unless it is float32 or float64."""
    try:
        checked = tf.as_dtype(dtype)
    except TypeError as error:
        raise TypeError(f"dtype must be float32 or float64, got {dtype!r}") from error
    if checked not in (tf.float32, tf.float64):
        raise ValueError(f"dtype must be float32 or float64, got {checked.name}")
    return checked


def checked_activation(name, activation):
    """The function that `activation`, see `Dense`, stands for; TypeError or ValueError unless there is one."""
    if activation is None:
        return ACTIVATIONS["linear"]
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(f"{name} must be one of {', '.join(ACTIVATIONS)} or a callable, got {activation!r}")
        return ACTIVATIONS[activation]
    if not callable(activation):
        raise TypeError(f"{name} must be a name or a callable, got {activation!r}")
    return activation


def _checked_input(x, dtype, kernel):
    """`x` as a tensor of `dtype` whose last axis fits `kernel`, or can build one."""
    given = x
    try:
        x = tf.convert_to_tensor(given)
    except (TypeError, ValueError) as error:  # rows of different lengths, a sparse tensor, objects
        raise TypeError(f"x must be an array of numbers: {error}") from error
    if not x.dtype.is_floating:
        raise TypeError(f"x must be floating point, got {x.dtype.name}: cast it first")
    if isinstance(given, (list, tuple)):  # Python's numbers, which would otherwise have been rounded to float32
        x = tf.convert_to_tensor(given, dtype_hint=dtype)
    if x.shape.rank is None or x.shape.rank < 2:
        raise ValueError(f"x must have shape (..., n_features), at least two axes, got {x.shape}")
    n_features = x.shape[-1]
    if kernel is None and n_features is None:
        raise ValueError(
            f"x must have a known last axis to build the layer, got {x.shape}; or call build(n_features) first"
        )
    if kernel is not None and n_features not in (None, kernel.shape[0]):
        raise ValueError(f"x must have {kernel.shape[0]} features in its last axis, got shape {x.shape}")
    return tf.cast(x, dtype)
