import keras
import numpy as np
import tensorflow as tf
from exercise_cases import assert_answers_back
from keras import ops

from keras_advanced import exercises


def expectile(y_true, y_pred, tau):
    error = y_true - y_pred
    return ops.mean(ops.where(error > 0, tau, 1 - tau) * ops.square(error), axis=-1)


def test_expectile(capsys):
    assert_answers_back(
        exercises.check_expectile,
        expectile,
        {
            lambda a, b, tau: expectile(b, a, tau): "swapped",
            lambda a, b, tau: ops.mean(expectile(a, b, tau)): "one for each sample",
            lambda a, b, tau: ops.where(a > b, tau, 1 - tau) * ops.square(a - b): "five numbers",
            lambda a, b, tau: 3 * expectile(a, b, tau): "not the sum",
            lambda a, b, tau: ops.mean(ops.where(a > b, tau, 1 - tau) * ops.abs(a - b), axis=-1): "squared",
            lambda a, b, tau: ops.mean(ops.square(a - b), axis=-1) / 2: "where y_true > y_pred",
            lambda a, b, tau: np.mean(np.where(a > b, tau, 1 - tau) * (a - b) ** 2, axis=-1): "stopped with",
        },
        capsys,
    )


def weighted_mean(values, sample_weight=None, test=lambda weight: weight is not None, total=None):
    weights = np.broadcast_to(sample_weight if test(sample_weight) else 1.0, values.shape)
    total = weights.sum() if total is None else total
    return (weights * values).sum() / total if total else 0.0


def test_weighted_mean(capsys):
    def divides_by_zero(values, sample_weight=None):
        weights = np.broadcast_to(1.0 if sample_weight is None else sample_weight, values.shape)
        with np.errstate(invalid="ignore"):
            return (weights * values).sum() / weights.sum()

    assert_answers_back(
        exercises.check_weighted_mean,
        weighted_mean,
        {
            lambda v, w=None: weighted_mean(v, w, test=bool): "neither true nor false",
            lambda v, w=None: weighted_mean(v, w, test=np.any): "The number 0 is a weight|0",
            lambda v, w=None: weighted_mean(v, w, total=len(v)): "sum of the weights",
            lambda v, w=None: v.mean(): "no effect",
            lambda v, w=None: v.mean() * np.mean(1.0 if w is None else w): "by sum of weights|sum of the weights",
            divides_by_zero: "Where the weights sum to 0 the mean is to be 0",
            lambda v, w=None: weighted_mean(v, w, test=lambda w: np.ndim(w) > 0 or w): "The number 0 is a weight too",
        },
        capsys,
    )


def specificity(fault=None):
    """A make_specificity, right by default."""

    class Specificity(keras.metrics.Metric):
        def __init__(self, threshold=0.5, **kwargs):
            super().__init__(**({} if fault == "kwargs" else kwargs))
            self.threshold = threshold
            if fault == "variable":
                self.tn, self.fp = tf.Variable(0.0), tf.Variable(0.0)
            else:
                self.tn = self.add_variable(shape=(), initializer="zeros", name="tn")
                self.fp = self.add_variable(shape=(), initializer="zeros", name="fp")

        def update_state(self, y_true, y_pred, sample_weight=None):
            if fault == "swapped":
                y_true, y_pred = ops.cast(y_pred > self.threshold, "float32"), y_true
            if fault == "if":
                sample_weight = sample_weight if sample_weight else 1.0
            weight = 1.0 if sample_weight is None or fault == "unweighted" else sample_weight
            if fault == "NumPy":
                y_true = y_true.numpy() if tf.is_tensor(y_true) else y_true
            if fault != "not flat":
                y_true, y_pred = ops.reshape(y_true, [-1]), ops.reshape(y_pred, [-1])
            negative = weight * (1 - ops.cast(y_true, "float32"))
            if fault == "recall":
                negative = weight * ops.cast(y_true, "float32")
            positive = ops.cast(ops.convert_to_tensor(y_pred) > self.threshold, "float32")
            tn, fp = ops.sum(negative * (1 - positive)), ops.sum(negative * positive)
            if fault == "recall":
                tn, fp = fp, tn
            if fault == "batch means":
                tn, fp = ops.divide_no_nan(tn, tn + fp), ops.divide_no_nan(fp, tn + fp)
            self.tn.assign_add(tn)
            self.fp.assign_add(fp)

        def result(self):
            total = self.tn + self.fp
            return self.tn / total if fault == "nan" else ops.divide_no_nan(self.tn, total)

        def get_config(self):
            return super().get_config() | ({} if fault == "config" else {"threshold": self.threshold})

    return lambda: Specificity


def test_specificity(capsys):
    assert_answers_back(
        exercises.check_specificity,
        specificity(),
        {
            specificity("batch means"): "no mean of batch means",
            specificity("variable"): "add_variable",
            specificity("unweighted"): "sample_weight",
            specificity("not flat"): "flatten first",
            specificity("kwargs"): "The name is lost",
            specificity("NumPy"): "stopped with",
            specificity("if"): "stopped with ValueError: The truth value",
            specificity("config"): "get_config must hold the threshold",
            specificity("recall"): "That is the recall",
            specificity("swapped"): "tn / \\(tn \\+ fp\\)",
            specificity("nan"): "0 / 0",
            lambda: object: "stopped with|subclass",
            lambda: lambda *args: object(): "Return a subclass",
        },
        capsys,
    )


def expectile_loss(fault=None):
    """A make_expectile_loss, right by default."""

    class Expectile(keras.losses.Loss):
        def __init__(self, tau=0.5, **kwargs):
            super().__init__(**({} if fault == "kwargs" else kwargs))
            self.tau = tau

        def call(self, y_true, y_pred):
            if fault == "swapped":
                y_true, y_pred = y_pred, y_true
            if fault == "NumPy":
                y_true = y_true.numpy()
            values = expectile(y_true, y_pred, self.tau)
            return ops.mean(values) if fault == "scalar" else values

        if fault != "no config":

            def get_config(self):
                return ({} if fault == "own config" else super().get_config()) | {"tau": self.tau}

    return lambda: Expectile


def test_expectile_loss(capsys):
    assert_answers_back(
        exercises.check_expectile_loss,
        expectile_loss(),
        {
            expectile_loss("no config"): "tau is missing",
            expectile_loss("own config"): "super\\(\\).get_config",
            expectile_loss("scalar"): "one value for each sample",
            expectile_loss("swapped"): "swapped",
            expectile_loss("kwargs"): "is lost",
            expectile_loss("NumPy"): "stopped with",
            lambda: object: "stopped with|subclass",
            lambda: lambda *args: object(): "Return a subclass",
        },
        capsys,
    )
