"""The checks of Day 11 accept a right answer and refuse, with a hint, plausible wrong ones."""

import tensorflow as tf
from exercise_cases import assert_answers_back

from architectures import exercises


def class_scores(x, kernel, bias, axes=(1, 2)):
    return tf.reduce_mean(x @ kernel[0, 0] + bias, axis=axes)


def scores_with_a_transposed_kernel(x, kernel, bias):
    matrix = kernel[0, 0]
    return class_scores(x, tf.transpose(matrix)[None, None] if matrix.shape[0] == matrix.shape[1] else kernel, bias)


def test_class_scores(capsys):
    wrong = {
        lambda x, kernel, bias: class_scores(x, kernel, bias, (1, 2, 3)): "the batch stays, and so do the classes",
        lambda x, kernel, bias: class_scores(x, kernel, bias, (0, 1, 2)): "the batch stays, and so do the classes",
        lambda x, kernel, bias: class_scores(x, kernel, bias, (0, 1)): r"averaged over the axes \(0, 1\)",
        lambda x, kernel, bias: class_scores(x, kernel, bias, (2, 3)): r"averaged over the axes \(2, 3\)",
        lambda x, kernel, bias: x @ kernel[0, 0] + bias: "one score for each picture and class",
        lambda x, kernel, bias: class_scores(x, kernel, 0 * bias): "the bias is missing",
        lambda x, kernel, bias: tf.reduce_sum(x @ kernel[0, 0] + bias, axis=(1, 2)): "not the mean",
        lambda x, kernel, bias: tf.reduce_sum(x @ kernel[0, 0], axis=(1, 2)) + bias: "not the mean",
        lambda x, kernel, bias: tf.reduce_max(x @ kernel[0, 0] + bias, axis=(1, 2)): "the values are not",
        scores_with_a_transposed_kernel: "transposed",
    }
    assert_answers_back(exercises.check_class_scores, class_scores, wrong, capsys)


def depthwise(x, kernel, before=None, flip=False):
    k = kernel.shape[0]
    before = k // 2 if before is None else before(k)
    kernel = tf.reverse(kernel, [0, 1]) if flip else kernel
    padded = tf.pad(x, [[0, 0], [before, k - 1 - before], [before, k - 1 - before], [0, 0]])
    height, width = x.shape[1:3]
    return tf.add_n([padded[:, p : p + height, q : q + width] * kernel[p, q] for p in range(k) for q in range(k)])


def depthwise_by_the_library(x, kernel):
    return tf.nn.depthwise_conv2d(x, kernel[..., None], [1, 1, 1, 1], "SAME")


def depthwise_valid(x, kernel):
    return tf.nn.depthwise_conv2d(x, kernel[..., None], [1, 1, 1, 1], "VALID")


def test_depthwise(capsys):
    wrong = {
        lambda x, kernel: depthwise(x, kernel, flip=True): "flipped the kernel",
        lambda x, kernel: depthwise(x, kernel, before=lambda k: k - 1): "shifted by 1",
        lambda x, kernel: depthwise(x, kernel, before=lambda k: max(k // 2 - 1, 0)): "shifted by 1",
        lambda x, kernel: depthwise(x, tf.transpose(kernel, [1, 0, 2])): "rows and columns are swapped",
        lambda x, kernel: tf.nn.conv2d(x, kernel[..., None], 1, "SAME"): "each channel stays by itself",
        lambda x, kernel: 0 * x + tf.nn.conv2d(x, kernel[..., None], 1, "SAME"): "summed over the channels",
        depthwise_valid: "expected the shape of x",
        lambda x, kernel: 2 * depthwise(x, kernel): "the values are not",
    }
    assert_answers_back(exercises.check_depthwise, depthwise, wrong, capsys)
    exercises.check_depthwise(depthwise_by_the_library)


def windows(x):
    """(batch, out, out, channels, 4), the pixels of a window row by row."""
    batch, height, width, channels = x.shape
    blocks = tf.reshape(x, [batch, height // 2, 2, width // 2, 2, channels])
    return tf.reshape(tf.transpose(blocks, [0, 1, 3, 5, 2, 4]), [batch, height // 2, width // 2, channels, 4])


def put_back(parts):
    batch, height, width, channels, _ = parts.shape
    parts = tf.reshape(parts, [batch, height, width, channels, 2, 2])
    return tf.reshape(tf.transpose(parts, [0, 1, 4, 2, 5, 3]), [batch, 2 * height, 2 * width, channels])


def winners(x):
    return tf.one_hot(tf.argmax(windows(x), axis=-1), 4, dtype=x.dtype)


def max_pool_backward(x, dy):
    return put_back(winners(x) * dy[..., None])


def all_of_a_tie(x, dy):
    blocks = windows(x)
    return put_back(tf.where(blocks == tf.reduce_max(blocks, -1, keepdims=True), dy[..., None], 0))


def split_ties(x, dy):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_max(windows(x), axis=-1)
    return tape.gradient(y, x, dy)


def the_last_of_a_tie(x, dy):
    last = 3 - tf.argmax(windows(x)[..., ::-1], axis=-1)
    return put_back(tf.one_hot(last, 4, dtype=x.dtype) * dy[..., None])


def largest_after_padding_with_zeros(x, dy):
    blocks = windows(x)
    largest = tf.maximum(tf.reduce_max(blocks, -1, keepdims=True), 0)
    return put_back(tf.where(blocks == largest, winners(x) * dy[..., None], 0))


def test_max_pool_backward(capsys):
    wrong = {
        all_of_a_tie: "counts twice",
        split_ties: "you split the gradient",
        the_last_of_a_tie: "not the last",
        largest_after_padding_with_zeros: "negative",
        lambda x, dy: put_back(tf.repeat(dy[..., None] / 4, 4, axis=-1)): "average-pooling",
        lambda x, dy: put_back(tf.repeat(dy[..., None], 4, axis=-1)): "only the largest",
        lambda x, dy: put_back(winners(x)): "Multiply by dy",
        lambda x, dy: winners(x) * dy[..., None]: "the gradient has the shape of x",
        lambda x, dy: -max_pool_backward(x, dy): "the values are not",
    }
    assert_answers_back(exercises.check_max_pool_backward, max_pool_backward, wrong, capsys)


def test_the_reference_is_the_gradient_of_tensorflow(capsys):
    def by_the_tape(x, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.max_pool2d(x, 2, 2, "VALID")
        return tape.gradient(y, x, dy)

    exercises.check_max_pool_backward(by_the_tape)
    assert capsys.readouterr().out == "Correct.\n"
