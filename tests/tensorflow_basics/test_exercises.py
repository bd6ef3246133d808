"""The checks of days 1 to 3 accept a right answer and refuse, with a hint, what a learner may plausibly write."""

import numpy as np
import pytest
import tensorflow as tf
from exercise_cases import assert_answers_back, not_attempted

from tensorflow_basics import exercises

# --- what makes an exercise ---------------------------------------------------------------------------------------------


@exercises.exercise
def check_is_one(answer):
    assert answer() == 1, "the hint"


def test_an_exercise_answers_back(capsys):
    check_is_one(lambda: 1)
    check_is_one(not_attempted)
    assert capsys.readouterr().out == "Correct.\nNot attempted yet.\n"
    with pytest.raises(AssertionError, match="the hint"):
        check_is_one(lambda: 2)
    with pytest.raises(AssertionError, match="Your code stopped with ZeroDivisionError: division by zero"):
        check_is_one(lambda: 1 / 0)


# --- day 1 --------------------------------------------------------------------------------------------------------------


def row_means(values, row_splits):
    lengths = row_splits[1:] - row_splits[:-1]
    sums = tf.math.unsorted_segment_sum(values, tf.repeat(tf.range(len(lengths)), lengths), len(lengths))
    return tf.math.divide_no_nan(sums, tf.cast(lengths, tf.float32))


def row_means_with_nan(values, row_splits):
    return tf.reduce_mean(tf.RaggedTensor.from_row_splits(values, row_splits), axis=1)


def row_means_of_the_padded_tensor(values, row_splits):
    padded = tf.RaggedTensor.from_row_splits(values, row_splits).to_tensor()
    return tf.math.divide_no_nan(tf.reduce_sum(padded, axis=1), float(padded.shape[1] or 0))


def row_means_without_trailing_rows(values, row_splits):
    rows = tf.repeat(tf.range(len(row_splits) - 1), row_splits[1:] - row_splits[:-1])
    return tf.math.segment_mean(values, rows)


def row_means_with_a_nudge(values, row_splits):
    lengths = tf.cast(row_splits[1:] - row_splits[:-1], tf.float32)
    return tf.reduce_sum(tf.RaggedTensor.from_row_splits(values, row_splits), axis=1) / (lengths + 1e-5)


def row_sums(values, row_splits):
    return tf.reduce_sum(tf.RaggedTensor.from_row_splits(values, row_splits), axis=1)


def confusion_matrix(y_true, y_pred, num_classes):
    counts = tf.math.bincount(y_true * num_classes + y_pred, minlength=num_classes**2)
    return tf.reshape(counts, [num_classes, num_classes])


def confusion_ready_made(y_true, y_pred, num_classes):
    return tf.math.confusion_matrix(y_true, y_pred, num_classes)


def confusion_transposed(y_true, y_pred, num_classes):
    return confusion_matrix(y_pred, y_true, num_classes)


def confusion_without_minlength(y_true, y_pred, num_classes):
    return tf.reshape(tf.math.bincount(y_true * 3 + y_pred), [3, 3])


def confusion_in_fractions(y_true, y_pred, num_classes):
    counts = confusion_matrix(y_true, y_pred, num_classes)
    return counts / tf.reduce_sum(counts)


def confusion_with_one_number_for_several_pairs(y_true, y_pred, num_classes):
    counts = tf.math.bincount(y_true + y_pred, minlength=num_classes**2)
    return tf.reshape(counts, [num_classes, num_classes])


SIGNATURE = [tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)]


def power_in_python(x, n):
    result = tf.ones_like(x)
    for _ in tf.range(n):
        result = result * x
    return result


power = tf.function(power_in_python, input_signature=SIGNATURE)
power_traced_for_each_length = tf.function(power_in_python)


@tf.function(input_signature=SIGNATURE)
def power_one_too_many(x, n):
    result = x
    for _ in tf.range(n):
        result = result * x
    return result


@tf.function(input_signature=SIGNATURE)
def power_added(x, n):
    result = tf.ones_like(x)
    for _ in tf.range(n):
        result = result + x
    return result


@tf.function(input_signature=SIGNATURE)
def power_in_numpy(x, n):
    return np.power(x, n)


@tf.function(input_signature=SIGNATURE)
def power_without_a_loop(x, n):
    return x ** tf.cast(n, x.dtype)


def make_counter():
    calls = tf.Variable(0)
    return tf.function(lambda: calls.assign_add(1))


def counter_with_a_python_number():
    calls = 0

    @tf.function
    def count():
        nonlocal calls
        calls += 1
        return calls

    return count


def counter_in_eager_mode():
    calls = tf.Variable(0)
    return lambda: calls.assign_add(1)


def counter_from_zero():
    calls = tf.Variable(-1)
    return tf.function(lambda: calls.assign_add(1))


def counter_shared():
    if not hasattr(counter_shared, "calls"):
        counter_shared.calls = tf.Variable(0)
    return tf.function(lambda: counter_shared.calls.assign_add(1))


def counter_set_back_by_the_next():
    if not hasattr(counter_set_back_by_the_next, "calls"):
        counter_set_back_by_the_next.calls = tf.Variable(0)
    counter_set_back_by_the_next.calls.assign(0)
    return tf.function(lambda: counter_set_back_by_the_next.calls.assign_add(1))


def counter_that_makes_a_variable_each_call():
    return tf.function(lambda: tf.Variable(0).assign_add(1))


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_row_means,
            row_means,
            {
                row_means_with_nan: "divides 0 by 0",
                row_means_of_the_padded_tensor: "own length",
                row_means_without_trailing_rows: "also an empty one at the end",
                row_means_with_a_nudge: "own length",
                row_sums: "own length",
            },
        ),
        (
            exercises.check_confusion_matrix,
            confusion_matrix,
            {
                confusion_ready_made: "TensorFlow's own",
                confusion_transposed: "transpose",
                confusion_without_minlength: "minlength",
                confusion_in_fractions: "count all 6 pairs once",
                confusion_with_one_number_for_several_pairs: "number the pairs",
            },
        ),
        (
            exercises.check_power,
            power,
            {
                power_in_python: "runs eagerly",
                power_traced_for_each_length: "traces for four calls",
                power_one_too_many: "n times",
                power_added: "multiply",
                power_in_numpy: "stopped with NotImplementedError",
                power_without_a_loop: "no loop in the graph",
            },
        ),
        (
            exercises.check_make_counter,
            make_counter,
            {
                counter_with_a_python_number: "frozen",
                counter_in_eager_mode: "eagerly",
                counter_from_zero: r"expected \[1, 2, 3\]",
                counter_shared: "variable of its own",
                counter_set_back_by_the_next: "lost count",
                counter_that_makes_a_variable_each_call: "stopped with ValueError",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)
