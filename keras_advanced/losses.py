"""Losses of Day 5 that survive saving, on Keras's TensorFlow and PyTorch backends alike.

Each loss is a function that returns one value for each sample, and a class around it: the class averages the values with
their weights, is registered for serialization and keeps its parameters in its configuration. As everywhere in Keras, the
last axis of a prediction belongs to the sample and is averaged within it; a prediction without one, shape (batch,), is
refused.

Shapes are checked always. Values (labels, probabilities, distances, weights) are checked when the loss is called eagerly,
on arrays or on tensors that hold numbers: with PyTorch also in ``fit``, batch by batch. In TensorFlow's compiled step there
are none to read. All-zero weights give a loss of 0, an empty batch gives an empty loss, shape (0,), as in Keras.
"""

import keras
import numpy as np
from keras import ops

from keras_advanced.checks import check_values, samples
from tensorflow_basics.checks import check_number


def pinball(y_true, y_pred, quantile=0.5):
    """Pinball loss: its smallest mean is at the `quantile` of the targets.

    ``quantile * (y_true - y_pred)`` where the target is larger, ``(1 - quantile) * (y_pred - y_true)`` elsewhere. At
    ``y_true == y_pred`` it has a kink; the gradient there is 0 (any number between the two slopes would do).

    Parameters
    ----------
    y_true, y_pred : tensor or array_like
        Shape (batch, ..., outputs), the same for both.
    quantile : float
        Above 0, below 1. With 0.5 it is half the absolute error.

    Returns
    -------
    tensor
        Shape (batch, ...) without the last axis: one value for each sample.

    Raises
    ------
    TypeError
        If `quantile` is not a number.
    ValueError
        If the shapes differ or have one axis only, or `quantile` is not between 0 and 1.

    References
    ----------
    R. Koenker, G. Bassett: Regression quantiles, 1978.

    Examples
    --------
    >>> pinball([[3.0], [1.0]], [[1.0], [3.0]], quantile=0.9).numpy().round(4).tolist()
    [1.7999999523162842, 0.20000000298023224]
    """
    check_number("quantile", quantile, 0, 1, above=True, below=True)
    y_true, y_pred = samples(y_true, y_pred)
    error = y_true - y_pred
    return ops.mean(quantile * ops.relu(error) + (1 - quantile) * ops.relu(-error), axis=-1)


def huber(y_true, y_pred, delta=1.0):
    """Huber loss: the square of small errors, the absolute value of large ones.

    ``error**2 / 2`` up to `delta`, ``delta * (abs(error) - delta / 2)`` beyond. The two meet with one slope, `delta`.

    Parameters
    ----------
    y_true, y_pred : tensor or array_like
        Shape (batch, ..., outputs), the same for both.
    delta : float
        Error from which on the loss grows linearly, above 0, in the unit of the targets.

    Returns
    -------
    tensor
        Shape (batch, ...) without the last axis: one value for each sample.

    Raises
    ------
    TypeError
        If `delta` is not a number.
    ValueError
        If the shapes differ or have one axis only, or `delta` is not above 0 and finite.

    References
    ----------
    P. J. Huber: Robust estimation of a location parameter, 1964.

    Examples
    --------
    >>> huber([[0.0], [0.0]], [[1.0], [10.0]], delta=2.0).numpy().tolist()
    [0.5, 18.0]
    """
    check_number("delta", delta, 0, above=True)
    y_true, y_pred = samples(y_true, y_pred)
    error = ops.abs(y_true - y_pred)
    small = ops.minimum(error, float(delta))  # where the error is large, what is beyond delta counts with slope delta
    return ops.mean(small * (error - small / 2), axis=-1)


def binary_focal(y_true, y_pred, gamma=2.0, from_logits=False):
    """Binary focal loss: cross-entropy in which an example counts less the surer the model is of its right class.

    ``-(1 - p_t)**gamma * log(p_t)``, where ``p_t`` is the probability that the prediction gives to the true class. With
    `gamma` 0 it is the cross-entropy.

    Parameters
    ----------
    y_true : tensor or array_like
        Labels from 0 to 1, shape (batch, ..., outputs). (Smoothed ones, between 0 and 1, mix the losses of both classes.)
    y_pred : tensor or array_like
        Logits or probabilities of class 1, the same shape. Probabilities are clipped to [1e-7, 1 - 1e-7], where their
        gradient is 0; logits need no clipping and never lose their gradient. Half precision is computed in float32.
    gamma : float
        How strongly easy examples are turned down, 0 or more.
    from_logits : bool
        Whether `y_pred` are logits.

    Returns
    -------
    tensor
        Shape (batch, ...) without the last axis: one value for each sample.

    Raises
    ------
    TypeError
        If `gamma` is not a number.
    ValueError
        If the shapes differ or have one axis only, `gamma` is below 0 or infinite, or a label or probability, where it can
        be read, is not within 0 and 1.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár: Focal loss for dense object detection, 2017.

    Examples
    --------
    >>> binary_focal([[1.0]], [[-100.0]], from_logits=True).numpy().tolist()
    [100.0]
    """
    check_number("gamma", gamma, 0)
    y_true, y_pred = samples(y_true, y_pred)
    check_values("y_true", y_true, 0, 1, "labels")
    if not from_logits:
        check_values("y_pred", y_pred, 0, 1, "probabilities", slack=1e-3)
    dtype = y_pred.dtype
    wide = keras.backend.result_type(dtype, "float32")  # half precision rounds 1 - 1e-7 to 1, and 1e-7 nearly to 0
    y_true, y_pred = ops.cast(y_true, wide), ops.cast(y_pred, wide)
    if from_logits:
        log_p, log_q = -ops.softplus(-y_pred), -ops.softplus(y_pred)  # log of p and of 1 - p
    else:
        p = ops.clip(y_pred, 1e-7, 1 - 1e-7)
        log_p, log_q = ops.log(p), ops.log1p(-p)
    # (1 - p)**gamma as exp(gamma log(1 - p)): exact, and with a gradient, however small the factor is.
    positive, negative = -ops.exp(gamma * log_q) * log_p, -ops.exp(gamma * log_p) * log_q
    return ops.cast(ops.mean(y_true * positive + (1 - y_true) * negative, axis=-1), dtype)


def contrastive(y_true, y_pred, margin=1.0):
    """Contrastive loss of distances: those of equal pairs go to 0, those of different ones beyond a margin.

    ``distance**2`` for pairs that are the same, ``max(margin - distance, 0)**2`` for those that are not.

    Parameters
    ----------
    y_true : tensor or array_like
        1 where the pair is the same, 0 where not, shape (batch, ..., outputs).
    y_pred : tensor or array_like
        Distances, 0 or more, the same shape.
    margin : float
        Distance from which on a different pair is far enough apart, above 0.

    Returns
    -------
    tensor
        Shape (batch, ...) without the last axis: one value for each sample.

    Raises
    ------
    TypeError
        If `margin` is not a number.
    ValueError
        If the shapes differ or have one axis only, `margin` is not above 0 and finite, or, where it can be read, a label is
        not within 0 and 1 or a distance is below 0.

    References
    ----------
    R. Hadsell, S. Chopra, Y. LeCun: Dimensionality reduction by learning an invariant mapping, 2006.

    Examples
    --------
    >>> contrastive([[1.0], [0.0], [0.0]], [[0.5], [0.5], [2.0]]).numpy().tolist()
    [0.25, 0.25, 0.0]
    """
    check_number("margin", margin, 0, above=True)
    y_true, y_pred = samples(y_true, y_pred)
    check_values("y_true", y_true, 0, 1, "labels")
    check_values("y_pred", y_pred, 0, np.inf, "distances", slack=1e-3)
    apart = ops.relu(margin - y_pred)
    return ops.mean(y_true * ops.square(y_pred) + (1 - y_true) * ops.square(apart), axis=-1)


@keras.saving.register_keras_serializable(package="keras_advanced")
class LossWrapper(keras.losses.Loss):
    """A loss made from a function: what ``LossFunctionWrapper`` was in Keras 2, from public parts of Keras 3.

    Parameters
    ----------
    fn : callable
        ``fn(y_true, y_pred, **fn_kwargs)``, one value for each sample. To be loaded without your code it must be
        registered (``keras.saving.register_keras_serializable``).
    reduction : str, optional
        "sum_over_batch_size", "sum", "mean_with_sample_weight" or None, as in ``keras.losses.Loss``.
    name : str, optional
        That of the function if left out.
    dtype : str, optional
        In which the loss computes.
    **fn_kwargs
        Parameters of the function; numbers and strings, kept in the configuration.

    Raises
    ------
    TypeError
        If `fn` is not callable.

    Examples
    --------
    >>> loss = LossWrapper(huber, delta=2.0)
    >>> float(loss([[0.0], [0.0]], [[1.0], [10.0]]))
    9.25
    >>> LossWrapper.from_config(loss.get_config()).fn_kwargs
    {'delta': 2.0}
    """

    def __init__(self, fn, reduction="sum_over_batch_size", name=None, dtype=None, **fn_kwargs):
        if not callable(fn):
            raise TypeError(f"fn must be a function of (y_true, y_pred), got {fn!r}")
        super().__init__(name=name or getattr(fn, "__name__", None), reduction=reduction, dtype=dtype)
        self.fn, self.fn_kwargs = fn, fn_kwargs

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            check_values("sample_weight", sample_weight, 0, np.inf, "weights")
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        return self.fn(y_true, y_pred, **self.fn_kwargs)

    def get_config(self):
        config = super().get_config() | self.fn_kwargs
        if type(self) is LossWrapper:
            config["fn"] = keras.saving.serialize_keras_object(self.fn)
        return config

    @classmethod
    def from_config(cls, config):
        if "fn" in config:
            config = config | {"fn": keras.saving.deserialize_keras_object(config["fn"])}
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_advanced")
class Pinball(LossWrapper):
    """`pinball` as a loss for ``compile``; parameters as there and as in `LossWrapper`.

    Examples
    --------
    >>> float(Pinball(quantile=0.5)([[3.0], [1.0]], [[1.0], [1.0]]))
    0.5
    """

    def __init__(self, quantile=0.5, reduction="sum_over_batch_size", name="pinball", dtype=None):
        check_number("quantile", quantile, 0, 1, above=True, below=True)
        super().__init__(pinball, reduction, name, dtype, quantile=quantile)


@keras.saving.register_keras_serializable(package="keras_advanced")
class Huber(LossWrapper):
    """`huber` as a loss for ``compile``; parameters as there and as in `LossWrapper`.

    Examples
    --------
    >>> float(Huber(delta=2.0)([[0.0], [0.0]], [[1.0], [10.0]], sample_weight=[1.0, 0.0]))
    0.25
    """

    def __init__(self, delta=1.0, reduction="sum_over_batch_size", name="huber", dtype=None):
        check_number("delta", delta, 0, above=True)
        super().__init__(huber, reduction, name, dtype, delta=delta)


@keras.saving.register_keras_serializable(package="keras_advanced")
class BinaryFocal(LossWrapper):
    """`binary_focal` as a loss for ``compile``; parameters as there and as in `LossWrapper`.

    Examples
    --------
    >>> float(BinaryFocal(gamma=2.0)([[1.0]], [[0.5]])) == 0.25 * float(BinaryFocal(gamma=0.0)([[1.0]], [[0.5]]))
    True
    """

    def __init__(self, gamma=2.0, from_logits=False, reduction="sum_over_batch_size", name="binary_focal", dtype=None):
        check_number("gamma", gamma, 0)
        super().__init__(binary_focal, reduction, name, dtype, gamma=gamma, from_logits=bool(from_logits))


@keras.saving.register_keras_serializable(package="keras_advanced")
class Contrastive(LossWrapper):
    """`contrastive` as a loss for ``compile``; parameters as there and as in `LossWrapper`.

    Examples
    --------
    >>> float(Contrastive(margin=2.0)([[0.0]], [[0.5]]))
    2.25
    """

    def __init__(self, margin=1.0, reduction="sum_over_batch_size", name="contrastive", dtype=None):
        check_number("margin", margin, 0, above=True)
        super().__init__(contrastive, reduction, name, dtype, margin=margin)
