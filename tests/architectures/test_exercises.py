"""The checks of architectures.exercises accept a right answer and refuse, with a hint, plausible wrong ones."""

import pytest
import tensorflow as tf
from exercise_cases import assert_answers_back

from architectures import exercises

# --- day 6 --------------------------------------------------------------------------------------------------------------


def log_softmax(logits):
    shifted = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    return shifted - tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1, keepdims=True))


def log_of_softmax(logits):
    return tf.math.log(tf.nn.softmax(logits))


def log_softmax_unshifted(logits):
    return logits - tf.math.log(tf.reduce_sum(tf.exp(logits), axis=-1, keepdims=True))


def log_softmax_with_one_maximum_for_all(logits):
    shifted = tf.cast(logits - tf.reduce_max(logits), tf.float64)
    shifted = tf.maximum(shifted, -600.0)  # clipped, so that it stays finite
    return shifted - tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1, keepdims=True))


def log_of_nudged_softmax(logits):
    return tf.math.log(tf.nn.softmax(logits) + 1e-12)


def log_of_clipped_softmax(logits):
    return tf.math.log(tf.clip_by_value(tf.nn.softmax(logits), 1e-30, 1.0))


def log_softmax_over_the_batch(logits):
    return tf.nn.log_softmax(logits, axis=0)


def softmax_without_the_log(logits):
    return tf.nn.softmax(logits)


def top_k_accuracy(y_true, logits, k):
    hits = tf.math.top_k(logits, k).indices == y_true[:, None]
    return tf.reduce_mean(tf.cast(tf.reduce_any(hits, axis=1), tf.float32))


def top_1_accuracy(y_true, logits, k):
    return tf.reduce_mean(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == y_true, tf.float32))


def top_k_of_the_smallest(y_true, logits, k):
    return top_k_accuracy(y_true, -logits, k)


def top_k_mean_of_all_entries(y_true, logits, k):
    return tf.reduce_mean(tf.cast(tf.math.top_k(logits, k).indices == y_true[:, None], tf.float32))


def top_k_hit_for_each_example(y_true, logits, k):
    return tf.cast(tf.reduce_any(tf.math.top_k(logits, k).indices == y_true[:, None], axis=1), tf.float32)


def top_k_divided_by_the_classes(y_true, logits, k):
    return top_k_accuracy(y_true, logits, k) * logits.shape[0] / logits.shape[1]


def gradient(x, y, w, b, l2, *, sign=1.0, mean=True, decay_b=0.0, factor=1.0):
    delta = sign * (tf.nn.softmax(x @ w + b) - tf.one_hot(y, w.shape[1], dtype=x.dtype))
    if mean:
        delta /= x.shape[0]
    return tf.matmul(x, delta, transpose_a=True) + factor * l2 * w, tf.reduce_sum(delta, axis=0) + decay_b * l2 * b


def gradient_reversed(*args):
    return gradient(*args, sign=-1.0)


def gradient_of_the_sum(*args):
    return gradient(*args, mean=False)


def gradient_with_decayed_biases(*args):
    return gradient(*args, decay_b=1.0)


def gradient_without_the_half(*args):
    return gradient(*args, factor=2.0)


def gradient_without_decay(*args):
    return gradient(*args, factor=0.0)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_log_softmax,
            log_softmax,
            {
                log_of_softmax: "cancel them on paper",
                log_softmax_unshifted: "cancel them on paper",
                log_softmax_with_one_maximum_for_all: "own maximum",
                log_of_nudged_softmax: "clipped or nudged",
                log_of_clipped_softmax: "clipped or nudged",
                log_softmax_over_the_batch: "axis -1",
                softmax_without_the_log: "exp of a row should sum to 1",
            },
        ),
        (
            exercises.check_top_k_accuracy,
            top_k_accuracy,
            {
                top_1_accuracy: "k = 2",
                top_k_of_the_smallest: "k largest",
                top_k_mean_of_all_entries: "an example counts once",
                top_k_hit_for_each_example: "one number for the batch",
                top_k_divided_by_the_classes: "k = 1",
            },
        ),
        (
            exercises.check_gradient_with_l2,
            gradient,
            {
                gradient_reversed: "sign is reversed",
                gradient_of_the_sum: "divide by the number of examples",
                gradient_with_decayed_biases: "biases are not decayed",
                gradient_without_the_half: r"l2 \* w",
                gradient_without_decay: r"l2 \* w",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)
