"""The checks of the exercises of days 6 to 8, 11, 12 and 14 to 16. Each is called with the learner's answer."""

import numpy as np

from tensorflow_basics.exercises import exercise


@exercise
def check_log_softmax(log_softmax):
    """Day 6, exercise 1: ``log_softmax(logits)``, stable, row by row."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 4))
    got = np.asarray(log_softmax(tf.constant(logits)))
    assert got.shape == logits.shape, f"logits of shape {logits.shape} should give the same shape, got {got.shape}."
    rows = np.exp(got).sum(axis=1)
    assert np.allclose(rows, 1), (
        f"exp of a row should sum to 1, got {rows.round(3).tolist()}: sum over the classes, axis -1."
    )
    np.testing.assert_allclose(
        got, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), rtol=1e-6, err_msg="Wrong values."
    )

    far_apart = np.asarray(log_softmax(tf.constant([[10_000.0, 0.0], [0.0, -10_000.0]])))
    assert np.isfinite(far_apart).all(), (
        f"Logits 10,000 apart give {far_apart.tolist()}. exp overflows or log meets a 0: cancel them on paper first."
    )
    different_rows = np.asarray(log_softmax(tf.constant([[1000.0, 1000.0], [0.0, 1.0]])))
    np.testing.assert_allclose(
        different_rows,
        [[-np.log(2)] * 2, [-np.log1p(np.e), 1 - np.log1p(np.e)]],
        rtol=1e-5,
        err_msg="One large row spoils another: subtract each row's own maximum (axis=-1, keepdims=True).",
    )
    np.testing.assert_allclose(
        far_apart,
        [[0.0, -10_000.0]] * 2,
        rtol=1e-6,
        err_msg="Finite but wrong: a probability was clipped or nudged. Cancel log and exp on paper.",
    )


@exercise
def check_top_k_accuracy(top_k_accuracy):
    """Day 6, exercise 2: ``top_k_accuracy(y_true, logits, k)``."""
    import tensorflow as tf

    rows = [
        [5.0, 4.0, 1.0, 0.0],
        [0.0, 1.0, 2.0, 3.0],
        [9.0, 0.0, 8.0, 7.0],
        [-1.0, -2.0, -3.0, -4.0],
        [6.0, 5.0, 4.0, 3.0],
    ]
    logits = tf.constant(rows)
    y_true = tf.constant([1, 3, 3, 0, 0])  # ranked second, first, third, first, first
    for k, expected in [(1, 0.6), (2, 0.8), (3, 1.0), (4, 1.0)]:
        got = np.asarray(top_k_accuracy(y_true, logits, k))
        assert got.shape == (), f"k = {k}: expected one number for the batch, got shape {got.shape}."
        assert np.isclose(got, expected), (
            f"k = {k}: expected {expected}, got {got}. The true classes rank second, first, third, first and first; "
            "an example counts once if its class is anywhere among the k largest."
        )


@exercise
def check_gradient_with_l2(gradient_with_l2):
    """Day 6, exercise 3: ``gradient_with_l2(x, y, w, b, l2)`` of the mean cross-entropy plus ``l2 / 2 * sum(w**2)``."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x, w, b = (tf.constant(rng.normal(size=shape)) for shape in [(6, 4), (4, 3), (3,)])
    y = tf.constant(rng.integers(0, 3, size=6))
    for l2 in (0.0, 0.1):
        with tf.GradientTape() as tape:
            tape.watch([w, b])
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, x @ w + b)) + l2 / 2 * tf.reduce_sum(
                w**2
            )
        dw, db = (np.asarray(gradient) for gradient in tape.gradient(loss, [w, b]))
        got_dw, got_db = (np.asarray(gradient) for gradient in gradient_with_l2(x, y, w, b, l2))
        assert got_dw.shape == dw.shape and got_db.shape == db.shape, (
            f"Expected the shapes of w and b, {dw.shape} and {db.shape}, got {got_dw.shape} and {got_db.shape}."
        )
        assert not np.allclose(got_dw - l2 * w, -(dw - l2 * w)), "The sign is reversed: it is P - Y, not Y - P."
        assert not np.allclose(got_db, db + l2 * b) or l2 == 0, "The biases are not decayed: db has no l2 term."
        assert not np.allclose(got_db, 6 * db), "The loss is the mean over the batch: divide by the number of examples."
        np.testing.assert_allclose(got_db, db, rtol=1e-6, err_msg="db is wrong: the column means of P - Y.")
        np.testing.assert_allclose(
            got_dw,
            dw,
            rtol=1e-6,
            err_msg=f"dw is wrong with l2 = {l2}. The derivative of l2 / 2 * w**2 is l2 * w, for all n alike.",
        )
