"""The exercises of days 1 to 3: what makes an exercise answer back, and the checks.

A check takes the learner's answer, tries it on cases that the plausible mistakes get wrong, and raises an AssertionError
whose message is a hint. It needs no more than a call: ``check_something(answer)``.
"""

import functools
from unittest import mock

import numpy as np


def exercise(check):
    """Make a check that answers back: "not attempted", "correct", or an error with a hint.

    The notebooks' stubs raise a bare ``NotImplementedError``, so that an exercise nobody has tried does not stop "Run All".

    Parameters
    ----------
    check : callable
        Takes the answer; raises AssertionError with a hint if it is wrong.

    Returns
    -------
    callable
        Takes the answer and prints "Not attempted yet." or "Correct."; raises AssertionError with the hint for a wrong
        answer, also for one that crashes.

    Examples
    --------
    >>> @exercise
    ... def check_double(double):
    ...     assert double(3) == 6, "double(3) should be 3 + 3."
    >>> check_double(lambda x: 2 * x)
    Correct.
    >>> check_double(lambda x: x**2)
    Traceback (most recent call last):
    AssertionError: double(3) should be 3 + 3.
    """

    @functools.wraps(check)
    def answer_back(answer):
        try:
            check(answer)
        except AssertionError:
            raise
        except Exception as error:
            # The stub's raise is bare. TensorFlow's own NotImplementedError, say for NumPy in a graph, has a message.
            if isinstance(error, NotImplementedError) and not error.args:
                print("Not attempted yet.")
            else:
                raise AssertionError(f"Your code stopped with {type(error).__name__}: {error}") from error
        else:
            print("Correct.")

    return answer_back


@exercise
def check_row_means(row_means):
    """Day 1, exercise 1: ``row_means(values, row_splits)`` of a ragged tensor, 0 for an empty row."""
    import tensorflow as tf

    for values, row_splits, expected in [
        ([3.0, 1.0, 5.0, 8.0], [0, 3, 4], [3.0, 8.0]),
        ([3.0, 1.0, 5.0, 8.0], [0, 3, 3, 4], [3.0, 0.0, 8.0]),  # an empty row
        ([2.0, 4.0], [0, 2, 2], [3.0, 0.0]),  # the last row is empty
        ([], [0, 0], [0.0]),
    ]:
        means = np.asarray(row_means(tf.constant(values, tf.float32), tf.constant(row_splits, tf.int64)))
        case = f"values {values}, row_splits {row_splits}"
        assert means.shape == (len(expected),), (
            f"{case}: {len(expected)} rows, but the answer has shape {means.shape}. Each row counts, also an empty one at "
            "the end: there is one row fewer than there are splits."
        )
        assert np.isfinite(means).all(), (
            f"{case}: got {means.tolist()}. An empty row divides 0 by 0; tf.math has a division for that."
        )
        np.testing.assert_allclose(
            means,
            expected,
            rtol=1e-6,
            err_msg=f"{case}: divide each row's sum by that row's own length, the difference of two splits.",
        )


@exercise
def check_confusion_matrix(confusion_matrix):
    """Day 1, exercise 2: ``confusion_matrix(y_true, y_pred, num_classes)`` from one bincount."""
    import tensorflow as tf

    y_true, y_pred = [0, 0, 0, 1, 2, 2], [0, 1, 1, 1, 2, 0]
    ready_made = AssertionError("Right, but that is TensorFlow's own. Count the pairs with tf.math.bincount.")
    for num_classes in (3, 5):
        with mock.patch.object(tf.math, "confusion_matrix", side_effect=ready_made):
            got = np.asarray(confusion_matrix(tf.constant(y_true), tf.constant(y_pred), num_classes))
        expected = np.zeros((num_classes, num_classes))
        np.add.at(expected, (y_true, y_pred), 1)
        assert got.shape == expected.shape, (
            f"With num_classes={num_classes} the shape is {got.shape}. Classes that do not occur still need a row and a "
            "column: see minlength in tf.math.bincount."
        )
        assert not np.array_equal(got, expected.T), (
            "Rows are the true class, columns the predicted one; yours is the transpose."
        )
        assert got.sum() == len(y_true), f"The entries should count all {len(y_true)} pairs once; yours sum to {got.sum()}."
        assert np.array_equal(got, expected), (
            f"Expected {expected.astype(int).tolist()}, got {got.tolist()}: number the pairs 0, 1, 2, ..."
        )


@exercise
def check_power(power):
    """Day 1, exercise 3: ``power(x, n)``, a graph that is traced once for every length of x and every n."""
    import tensorflow as tf

    for x, n in [([2.0], 3), ([1.0, 2.0, 3.0], 2), ([5.0, 6.0], 0), ([2.0], 10)]:
        got = np.asarray(power(tf.constant(x), tf.constant(n)))
        np.testing.assert_allclose(
            got, np.power(x, n), rtol=1e-5, err_msg=f"power({x}, {n}): multiply a tensor of ones by x, n times; n may be 0."
        )
    assert hasattr(power, "experimental_get_tracing_count"), (
        "Right numbers, but power runs eagerly: decorate it with tf.function."
    )
    traces = power.experimental_get_tracing_count()
    assert traces == 1, (
        f"Right numbers, but {traces} traces for four calls. An input_signature fixes the dtypes and leaves the length of "
        "x open; the number of turns has to stay a tensor."
    )


@exercise
def check_make_counter(make_counter):
    """Day 1, exercise 4: ``make_counter()`` gives a tf.function that returns how often it has been called."""
    count = make_counter()
    calls = [int(count()) for _ in range(3)]
    assert len(set(calls)) == 3, (
        f"Three calls returned {calls}. A Python number is frozen when the function is traced; what changes belongs in a "
        "tf.Variable."
    )
    assert calls == [1, 2, 3], f"Three calls returned {calls}, expected [1, 2, 3]."
    assert hasattr(count, "experimental_get_tracing_count"), (
        "It counts, but eagerly: the function returned should be a tf.function."
    )
    assert int(make_counter()()) == 1, (
        "A second counter should start at 1: each call of make_counter needs a variable of its own."
    )
    assert int(count()) == 4, "The first counter lost count when a second one was made: they should not share a variable."
