"""The checks of Day 2 accept a right answer and refuse, with a hint, plausible wrong ones."""

import math
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from exercise_cases import assert_answers_back

from tensorflow_basics import exercises

# --- exercise 1 ---------------------------------------------------------------------------------------------------------


def stable(x):
    return tf.maximum(x, 0.0) + tf.math.log1p(tf.exp(-tf.abs(x)))


@tf.custom_gradient
def log1pexp(x):
    return stable(x), lambda upstream: upstream * tf.sigmoid(x)


def log1pexp_by_logsumexp(x):
    return tf.reduce_logsumexp([x, tf.zeros_like(x)], axis=0)


def log1pexp_naive(x):
    return tf.math.log(1 + tf.exp(x))


def log1pexp_ready_made(x):
    return tf.nn.softplus(x)


def log1pexp_ready_made_too(x):
    return -tf.math.log_sigmoid(-x)


def log1pexp_by_where(x):
    return tf.where(x > 30, x, tf.math.log1p(tf.exp(x)))


def log1pexp_with_the_tape(x):
    return stable(x)


@tf.custom_gradient
def log1pexp_without_log1p(x):
    value = tf.maximum(x, 0.0) + tf.math.log(1 + tf.exp(-tf.abs(x)))
    return value, lambda upstream: upstream * tf.sigmoid(x)


@tf.custom_gradient
def log1pexp_without_upstream(x):
    return stable(x), lambda upstream: tf.sigmoid(x)


@tf.custom_gradient
def log1pexp_with_an_overflow(x):
    return stable(x), lambda upstream: upstream * tf.exp(x) / (1 + tf.exp(x))


@tf.custom_gradient
def log1pexp_with_an_overflow_in_the_second_derivative(x):
    return stable(x), lambda upstream: upstream / (1 + tf.exp(-x))


@tf.custom_gradient
def log1pexp_with_the_slope_of_log(x):
    return stable(x), lambda upstream: upstream / (1 + tf.exp(x))


@tf.custom_gradient
def log1pexp_with_numpy_inside(x):
    return stable(x), lambda upstream: upstream * tf.constant(1 / (1 + np.exp(-np.clip(x, -80, 80))), x.dtype)


def log1pexp_of_numpy(x):
    return tf.constant(np.logaddexp(0, x.numpy()), x.dtype)


def log1pexp_in_double(x):
    return log1pexp(tf.cast(x, tf.float64))


# --- exercise 2 ---------------------------------------------------------------------------------------------------------


class Scalar:
    """As the notebook has it, with `receive` for the ``+=``."""

    def __init__(self, value, *links):
        self.value, self.grad, self.links = float(value), 0.0, links

    def __add__(self, other):
        return type(self)(self.value + other.value, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other):
        to_self, to_other = lambda g: g * other.value, lambda g: g * self.value
        return type(self)(self.value * other.value, (self, to_self), (other, to_other))

    def receive(self, contribution):
        self.grad += contribution

    def backward(self):
        uses, found = Counter(), [self]
        for node in found:
            node.grad = 0.0
            for source, _ in node.links:
                found += [source] * (source not in uses)
                uses[source] += 1
        self.grad, ready = 1.0, [self]
        while ready:
            for source, share in (node := ready.pop()).links:
                source.receive(share(node.grad))
                uses[source] -= 1
                ready += [source] * (uses[source] == 0)


class Complete(Scalar):
    def __truediv__(self, other):
        to_self, to_other = lambda g: g / other.value, lambda g: -g * self.value / other.value**2
        return type(self)(self.value / other.value, (self, to_self), (other, to_other))

    def tanh(self):
        value = math.tanh(self.value)
        return type(self)(value, (self, lambda g: g * (1 - value**2)))


class PlusForMinus(Complete):
    def __truediv__(self, other):
        to_self, to_other = lambda g: g / other.value, lambda g: g * self.value / other.value**2
        return type(self)(self.value / other.value, (self, to_self), (other, to_other))


class ForgetsTheDenominator(Complete):
    def __truediv__(self, other):
        return type(self)(self.value / other.value, (self, lambda g: g / other.value))


class SlopeOfTheInput(Complete):
    def tanh(self):
        return type(self)(math.tanh(self.value), (self, lambda g: g * (1 - self.value**2)))


class ForgetsWhatItWasGiven(Complete):
    def tanh(self):
        value = math.tanh(self.value)
        return type(self)(value, (self, lambda g: 1 - value**2))


class Overwrites(Complete):
    def receive(self, contribution):
        self.grad = contribution


class IntegerDivision(Complete):
    def __truediv__(self, other):
        return type(self)(self.value // other.value, *super().__truediv__(other).links)


class ReturnsNothing(Complete):
    def tanh(self):
        math.tanh(self.value)


class ReturnsTheParent(Complete):
    def __truediv__(self, other):
        return Scalar(self.value / other.value, *super().__truediv__(other).links)


class WithoutTanh(Complete):
    tanh = None


# --- exercise 3 ---------------------------------------------------------------------------------------------------------


def gradient_of(f, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    return tape.gradient(y, x)


def hessian_vector_product(f, x, v):
    with tf.autodiff.ForwardAccumulator(x, v) as accumulator:
        gradient = gradient_of(f, x)
    return accumulator.jvp(gradient)


def reverse_over_reverse(f, x, v):  # right too
    with tf.GradientTape() as tape:
        tape.watch(x)
        gradient = gradient_of(f, x)
    return tape.gradient(gradient, x, output_gradients=v)


def with_the_whole_hessian(f, x, v):
    with tf.GradientTape() as tape:
        tape.watch(x)
        gradient = gradient_of(f, x)
    return tf.linalg.matvec(tape.jacobian(gradient, x), v)


def with_the_whole_hessian_by_hand(f, x, v):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        gradients = tf.reshape(gradient_of(f, x), [-1])
        parts = [gradients[i] for i in range(6)]
    rows = [tf.reshape(tape.gradient(part, x), [-1]) for part in parts]
    return tf.reshape(tf.linalg.matvec(tf.stack(rows), tf.reshape(v, [-1])), x.shape)


def one_pass_for_each_input(f, x, v):
    product = tf.zeros_like(x)
    for i in range(6):
        direction = tf.reshape(tf.one_hot(i, 6, dtype=x.dtype), x.shape)
        product += hessian_vector_product(f, x, direction) * tf.reduce_sum(direction * v)
    return product


def without_v(f, x, v):
    return reverse_over_reverse(f, x, tf.ones_like(v))


def slope_along_v(f, x, v):
    with tf.autodiff.ForwardAccumulator(x, v) as accumulator:
        y = f(x)
    return accumulator.jvp(y)


def gradient_times_v(f, x, v):
    return gradient_of(f, x) * v


def by_finite_differences(f, x, v):
    return (gradient_of(f, x + 1e-6 * v) - gradient_of(f, x - 1e-6 * v)) / 2e-6


def in_single_precision(f, x, v):
    return tf.cast(tf.cast(hessian_vector_product(f, x, v), tf.float32), tf.float64)


def without_watching(f, x, v):
    with tf.GradientTape() as tape:
        gradient = gradient_of(f, x)
    return tape.gradient(gradient, x, output_gradients=v)


# --- exercise 4 ---------------------------------------------------------------------------------------------------------

ANY_BATCH = [tf.TensorSpec([None, None], tf.float32)]


class Untraced(tf.Module):
    trainable = False

    def __init__(self, n_features):
        super().__init__()
        self.mean = tf.Variable(tf.zeros([n_features]), trainable=self.trainable)
        self.std = tf.Variable(tf.ones([n_features]), trainable=self.trainable)

    def adapt(self, x):
        self.mean.assign(tf.reduce_mean(x, axis=0))
        self.std.assign(tf.math.reduce_std(x, axis=0))

    def __call__(self, x):
        return (x - self.mean) / self.std


class Standardise(Untraced):
    @tf.function(input_signature=ANY_BATCH)
    def __call__(self, x):
        return (x - self.mean) / self.std


class TracedShapesOnly(Untraced):
    @tf.function
    def __call__(self, x):
        return (x - self.mean) / self.std


class InPython(tf.Module):
    def __init__(self, n_features):
        super().__init__()
        self.mean, self.std = np.zeros(n_features, np.float32), np.ones(n_features, np.float32)

    def adapt(self, x):
        self.mean, self.std = np.mean(x, axis=0), np.std(x, axis=0)

    @tf.function(input_signature=ANY_BATCH)
    def __call__(self, x):
        return (x - self.mean) / self.std


class InPythonTracedAgain(InPython):
    def adapt(self, x):
        super().adapt(x)
        self.serve = tf.function(lambda x: (x - self.mean) / self.std, input_signature=ANY_BATCH)

    def __call__(self, x):
        return self.serve(x)


class Trainable(Standardise):
    trainable = True


class OverAllNumbers(Standardise):
    def adapt(self, x):
        self.mean.assign(tf.fill([3], tf.reduce_mean(x)))
        self.std.assign(tf.fill([3], tf.math.reduce_std(x)))


class DividesByTheVariance(Standardise):
    def adapt(self, x):
        super().adapt(x)
        self.std.assign(self.std**2)


class StatisticsOfTheBatch(Standardise):
    @tf.function(input_signature=ANY_BATCH)
    def __call__(self, x):
        return (x - tf.reduce_mean(x, axis=0)) / tf.math.reduce_std(x, axis=0)


class NotAModule:
    def __init__(self, n_features):
        pass


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_log1pexp,
            log1pexp,
            {
                log1pexp_naive: "exp overflows",
                log1pexp_ready_made: "TensorFlow's own",
                log1pexp_ready_made_too: "TensorFlow's own",
                log1pexp_by_logsumexp: "tf.math.log1p does not",
                log1pexp_by_where: "tape differentiates the detour",
                log1pexp_with_the_tape: "1/2 at 0",
                log1pexp_without_log1p: "tf.math.log1p does not",
                log1pexp_without_upstream: "upstream",
                log1pexp_with_an_overflow: "exp does not overflow",
                log1pexp_with_an_overflow_in_the_second_derivative: "without an exp that overflows",
                log1pexp_with_the_slope_of_log: "on paper",
                log1pexp_with_numpy_inside: "second derivative",
                log1pexp_of_numpy: "left TensorFlow",
                log1pexp_in_double: "keep the dtype",
            },
        ),
        (
            exercises.check_divide_and_tanh,
            Complete,
            {
                PlusForMinus: r"-a / b\*\*2",
                ForgetsTheDenominator: r"-a / b\*\*2",
                SlopeOfTheInput: r"1 - tanh\(a\)\*\*2",
                ForgetsWhatItWasGiven: "passes on what it was given",
                Overwrites: "added up",
                IntegerDivision: "the value is",
                ReturnsNothing: "returns nothing",
                ReturnsTheParent: "stopped with AttributeError",
                WithoutTanh: "stopped with TypeError",
                Scalar: "stopped with TypeError: unsupported operand",
            },
        ),
        (
            exercises.check_hessian_vector_product,
            hessian_vector_product,
            {
                with_the_whole_hessian: "builds the whole Hessian",
                with_the_whole_hessian_by_hand: "and tape.gradient 7 times",
                one_pass_for_each_input: "f ran 6 times",
                without_v: "v is not used",
                slope_along_v: "the shape of x",
                gradient_times_v: "derivative of the gradient in direction v",
                by_finite_differences: "No finite difference",
                in_single_precision: "no float32",
                without_watching: "The result is None",
            },
        ),
        (
            exercises.check_standardise,
            Standardise,
            {
                Untraced: "Decorate __call__",
                TracedShapesOnly: "input_signature",
                InPython: "frozen",
                InPythonTracedAgain: "has no variables",
                Trainable: "trainable=False",
                OverAllNumbers: "mean of each feature",
                DividesByTheVariance: "standard deviation",
                StatisticsOfTheBatch: "rows that adapt was given",
                NotAModule: "Derive the class from tf.Module",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)


def test_another_right_answer_is_accepted(capsys):
    exercises.check_hessian_vector_product(reverse_over_reverse)
    assert capsys.readouterr().out == "Correct.\n"
