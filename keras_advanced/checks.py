"""What the losses and metrics of this package demand of their arguments."""

import keras
import numpy as np
from keras import ops


def same_shape(y_true, y_pred):
    """Both as tensors of the prediction's floating dtype; ValueError if their shapes differ.

    Keras would broadcast (batch,) against (batch, 1) to (batch, batch), a mistake that only shows as a bad result.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    if not keras.backend.is_float_dtype(y_pred.dtype):
        y_pred = ops.cast(y_pred, keras.config.floatx())
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    a, b = tuple(y_true.shape), tuple(y_pred.shape)
    if len(a) != len(b) or any(m != n for m, n in zip(a, b, strict=True) if m is not None and n is not None):
        raise ValueError(f"y_true and y_pred must have the same shape, got {a} and {b}")
    return y_true, y_pred


def samples(y_true, y_pred):
    """Both as of `same_shape`; ValueError too unless there is an axis for the samples and one within each of them.

    A loss averages over the last axis. Of predictions (batch,) it would make one value, and weights would weight that.
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    if len(y_pred.shape) < 2:
        shape = tuple(y_pred.shape)
        raise ValueError(f"y_pred must have shape (batch, ..., outputs), at least two axes, got {shape}")
    return y_true, y_pred


def check_values(name, values, low, high, what, slack=0.0):
    """Raise ValueError if numbers that can be read lie outside [low, high]; in a graph there are none to read.

    `slack` is what they may lie outside by: for what was computed, and rounded.
    """
    try:
        values = np.asarray(ops.convert_to_numpy(values), float)
    except Exception:  # symbolic: each backend has an error of its own
        return
    if values.size and not (values.min() >= low - slack and values.max() <= high + slack):  # also refuses NaN
        allowed = f"of at least {low}" if high == np.inf else f"from {low} to {high}"
        raise ValueError(f"{name} must hold {what} {allowed}, got values from {values.min()} to {values.max()}")
