"""The checks of Day 8 accept a right answer and refuse, with a hint, plausible wrong ones."""

import numpy as np
import tensorflow as tf
from exercise_cases import assert_answers_back

from architectures import exercises


def softmax_jacobian(z):
    p = tf.nn.softmax(z)
    return tf.linalg.diag(p) - p[:, None] * p[None, :]


def jacobian_that_overflows(z):
    p = tf.exp(z) / tf.reduce_sum(tf.exp(z))
    return tf.linalg.diag(p) - p[:, None] * p[None, :]


def jacobian_by_the_summed_gradient(z):
    with tf.GradientTape() as tape:
        tape.watch(z)
        p = tf.nn.softmax(z)
    return tape.gradient(p, z)


def jacobian_of_two_logits_only(z):
    p = tf.nn.softmax(z)
    return tf.stack([tf.stack([p[0] * p[1], -p[0] * p[1]]), tf.stack([-p[0] * p[1], p[0] * p[1]])])


def test_softmax_jacobian(capsys):
    wrong = {
        lambda z: tf.linalg.diag(tf.nn.softmax(z) * (1 - tf.nn.softmax(z))): "Only the diagonal",
        lambda z: 2 * tf.linalg.diag(tf.nn.softmax(z)) - softmax_jacobian(z): "columns should sum to 0",
        lambda z: -softmax_jacobian(z): "The sign is wrong",
        lambda z: softmax_jacobian(z) * tf.nn.softmax(z): "expected",
        lambda z: tf.cast(softmax_jacobian(tf.cast(z, tf.float16)), tf.float64): "expected",
        jacobian_that_overflows: "Subtract the maximum first",
        jacobian_by_the_summed_gradient: r"should give \(3, 3\)",
        jacobian_of_two_logits_only: r"should give \(3, 3\)",
    }
    assert_answers_back(exercises.check_softmax_jacobian, softmax_jacobian, wrong, capsys)


def leaky_std(fan_in, fan_out, alpha):
    return (2 / ((1 + alpha**2) * fan_in)) ** 0.5


def test_leaky_std(capsys):
    wrong = {
        lambda fan_in, fan_out, alpha: leaky_std(fan_in, fan_out, alpha) ** 2: "is the variance",
        lambda fan_in, fan_out, alpha: leaky_std(fan_out, fan_in, alpha): "you used fan_out",
        lambda fan_in, fan_out, alpha: (2 / (fan_in + fan_out)) ** 0.5: "this is Xavier's",
        lambda fan_in, fan_out, alpha: (2 / fan_in) ** 0.5: "this is He's",
        lambda fan_in, fan_out, alpha: (2 / ((1 + alpha) * fan_in)) ** 0.5: "alpha comes squared",
        lambda fan_in, fan_out, alpha: (1 / ((1 + alpha**2) * fan_in)) ** 0.5: "got .* expected",
        lambda fan_in, fan_out, alpha: (2 / ((1 - alpha**2 + 1e-9) * fan_in)) ** 0.5: "got .* expected",
    }
    assert_answers_back(exercises.check_leaky_std, leaky_std, wrong, capsys)


def dead_share(outputs):
    by_unit = tf.reshape(outputs, [-1, outputs.shape[-1]])
    return tf.reduce_mean(tf.cast(tf.reduce_all(by_unit == 0, axis=0), tf.float32))


def all_but_the_last(outputs):
    return tuple(range(outputs.shape.rank - 1))


def share(off):
    return np.mean(off)


def test_dead_share(capsys):
    wrong = {
        lambda outputs: share(outputs == 0): "the fraction of values that are 0",
        lambda outputs: share(np.all(outputs == 0, axis=0)): "each of the 40 entries",
        lambda outputs: share(np.any(outputs == 0, axis=all_but_the_last(outputs))): "0 for some example",
        lambda outputs: share(np.mean(outputs, axis=all_but_the_last(outputs)) < 1e-6): "compare with 0",
        lambda outputs: np.sum(np.all(outputs == 0, axis=all_but_the_last(outputs))): "return the fraction",
        lambda outputs: np.all(outputs == 0, axis=all_but_the_last(outputs)): "return one number",
        lambda outputs: 1 - dead_share(outputs): "expected",
    }
    assert_answers_back(exercises.check_dead_share, dead_share, wrong, capsys)


def first_not_finite(layers, x, good=tf.math.is_finite, look_at_x=-1):
    if look_at_x is not None and not tf.reduce_all(good(x)):
        return look_at_x
    for i, layer in enumerate(layers):
        x = layer(x)
        if not tf.reduce_all(good(x)):
            return i
    return None


def every_layer_first(layers, x):
    outputs = [x]
    for layer in layers:
        outputs.append(layer(outputs[-1]))
    return next((i - 1 for i, h in enumerate(outputs) if not tf.reduce_all(tf.math.is_finite(h))), None)


def only_the_end(layers, x):
    for layer in layers:
        x = layer(x)
    return None if tf.reduce_all(tf.math.is_finite(x)) else len(layers) - 1


def counted_from_one(layers, x):
    answer = first_not_finite(layers, x)
    return answer if answer in (None, -1) else answer + 1


def all_must_be_bad(layers, x):
    return first_not_finite(layers, x, good=lambda h: tf.fill([1], tf.reduce_any(tf.math.is_finite(h))))


def test_first_not_finite(capsys):
    wrong = {
        lambda layers, x: first_not_finite(layers, x, good=lambda h: ~tf.math.is_nan(h)): "is_nan misses it",
        lambda layers, x: first_not_finite(layers, x, look_at_x=0): "return -1",
        lambda layers, x: first_not_finite(layers, x, look_at_x=None): "return -1",
        lambda layers, x: first_not_finite(layers, x) or -1: "expected None",
        every_layer_first: "after the first bad one",
        only_the_end: "expected",
        counted_from_one: "expected",
        all_must_be_bad: "expected",
    }
    assert_answers_back(exercises.check_first_not_finite, first_not_finite, wrong, capsys)
