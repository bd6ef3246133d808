"""Metrics of Day 5, exact over any division into batches, on Keras's TensorFlow and PyTorch backends alike.

Each keeps counts, not quotients: F1 of a data set is no mean of the F1 of its batches. The counts are float64, in which
the next example still counts after 2**24 of them, up to 2**53; they are summed over the replicas of a distribution
strategy, and set to 0 by ``reset_state``, which ``fit`` calls before each epoch.

Labels and weights are checked where they can be read, see `keras_advanced.losses`. Weights that are all 0, and no data at
all, give 0.
"""

import math

import keras
from keras import ops

from keras_advanced.checks import check_values, same_shape
from tensorflow_basics.checks import check_int, check_number


class ConfusionMetric(keras.metrics.Metric):
    """Weighted counts of true and false, positive and negative, for `num_outputs` yes-or-no questions.

    A subclass says what to make of them: ``score(tp, fp, fn, tn)``, tensors of shape (num_outputs,), or () with "micro";
    and what it is called, ``default_name``.

    Parameters
    ----------
    threshold : float
        Predictions above it count as positive. In the unit of the predictions: 0.5 for probabilities, 0 for logits.
    num_outputs : int
        Number of outputs, at least 1: predictions have the shape (batch, num_outputs), or (batch,) if it is 1.
    average : {"macro", "micro", None}
        Mean of the outputs' scores; score of all outputs' counts together; or one score for each, shape (num_outputs,).
    name, dtype
        As in ``keras.metrics.Metric``; `dtype` is that of the result.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.
    """

    def __init__(self, threshold=0.5, num_outputs=1, average="macro", name=None, dtype=None):
        super().__init__(name=name or self.default_name, dtype=dtype)
        if threshold not in (math.inf, -math.inf):  # nothing or everything is positive
            check_number("threshold", threshold, -math.inf)
        check_int("num_outputs", num_outputs, 1)
        if average not in ("macro", "micro", None):
            raise ValueError(f"average must be 'macro', 'micro' or None, got {average!r}")
        self.threshold, self.num_outputs, self.average = float(threshold), num_outputs, average
        self.counts = [
            self.add_variable(shape=(num_outputs,), initializer="zeros", dtype="float64", name=name)
            for name in ("tp", "fp", "fn", "tn")
        ]

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Parameters
        ----------
        y_true : tensor or array_like
            Labels 0 or 1, shape (batch, num_outputs), or (batch,) with one output.
        y_pred : tensor or array_like
            Predictions of the same shape.
        sample_weight : tensor or array_like, optional
            0 or more: one number, or shape (batch,), (batch, 1), (1, num_outputs) or (batch, num_outputs).

        Raises
        ------
        ValueError
            If the shapes do not fit, or labels or weights, where they can be read, are out of range.
        """
        y_true, y_pred = same_shape(y_true, y_pred)
        if len(y_pred.shape) == 1:
            y_true, y_pred = y_true[:, None], y_pred[:, None]
        if len(y_pred.shape) != 2 or y_pred.shape[1] != self.num_outputs:
            raise ValueError(f"y_pred must have shape (batch, {self.num_outputs}), got {tuple(y_pred.shape)}")
        check_values("y_true", y_true, 0, 1, "labels")
        weight = self._weights(sample_weight, y_pred)  # (batch, num_outputs)
        true = ops.cast(y_true, "float64") * weight
        false = weight - true
        positive = ops.cast(y_pred > self.threshold, "float64")
        for count, part in zip(
            self.counts, (true * positive, false * positive, true * (1 - positive), false * (1 - positive)), strict=True
        ):
            count.assign_add(ops.sum(part, axis=0))

    def _weights(self, sample_weight, y_pred):
        ones = ops.ones_like(y_pred, dtype="float64")
        if sample_weight is None:
            return ones
        check_values("sample_weight", sample_weight, 0, math.inf, "weights")
        weight = ops.cast(ops.convert_to_tensor(sample_weight), "float64")
        shape = tuple(weight.shape)
        if len(shape) == 1:
            weight = weight[:, None]  # one for each sample, not for each output
        fits = len(weight.shape) in (0, 2) and all(
            w in (1, n, None) or n is None for w, n in zip(weight.shape, y_pred.shape, strict=False)
        )
        if not fits:
            raise ValueError(
                f"sample_weight must be a number or have a shape that broadcasts to {tuple(y_pred.shape)}, got {shape}"
            )
        return ones * weight

    def result(self):
        """The score so far: a scalar, or shape (num_outputs,) if `average` is None."""
        counts = [ops.sum(count) if self.average == "micro" else ops.convert_to_tensor(count) for count in self.counts]
        score = self.score(*counts)
        return ops.cast(ops.mean(score) if self.average == "macro" else score, self.dtype)

    def get_config(self):
        return super().get_config() | {
            "threshold": self.threshold,
            "num_outputs": self.num_outputs,
            "average": self.average,
        }


@keras.saving.register_keras_serializable(package="keras_advanced")
class F1(ConfusionMetric):
    """F1 score, the harmonic mean of precision and recall: ``2 tp / (2 tp + fp + fn)``, and 0 for 0 / 0.

    Parameters, shapes and errors as in `ConfusionMetric`. Equals ``sklearn.metrics.f1_score``.

    References
    ----------
    C. J. van Rijsbergen: Information Retrieval, 1979, chapter 7.

    Examples
    --------
    >>> f1 = F1()
    >>> f1.update_state([1, 1, 0, 0], [0.9, 0.2, 0.8, 0.1])
    >>> round(float(f1.result()), 4)
    0.5
    """

    default_name = "f1"

    def score(self, tp, fp, fn, tn):
        return _quotient(2 * tp, 2 * tp + fp + fn)


@keras.saving.register_keras_serializable(package="keras_advanced")
class MatthewsCorrelation(ConfusionMetric):
    """Matthews correlation coefficient of labels and predictions, -1 to 1, and 0 where either is constant.

    ``(tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn))``. Unlike F1 it treats both classes alike.
    Parameters, shapes and errors as in `ConfusionMetric`. Equals ``sklearn.metrics.matthews_corrcoef``.

    References
    ----------
    B. W. Matthews: Comparison of the predicted and observed secondary structure of T4 phage lysozyme, 1975.

    Examples
    --------
    >>> mcc = MatthewsCorrelation()
    >>> mcc.update_state([1, 1, 0, 0], [0.9, 0.2, 0.3, 0.1])
    >>> round(float(mcc.result()), 4)
    0.5774
    """

    default_name = "matthews_correlation"

    def score(self, tp, fp, fn, tn):
        return _quotient(tp * tn - fp * fn, ops.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def _quotient(numerator, denominator):
    """Their quotient, 0 where the denominator is 0."""
    zero = denominator == 0
    return ops.where(
        zero, ops.zeros_like(denominator), numerator / ops.where(zero, ops.ones_like(denominator), denominator)
    )
