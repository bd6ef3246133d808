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


@exercise
def check_final_states(final_states):
    """Day 14, exercise 1: ``final_states(output, lengths)`` of a padded batch."""
    import torch

    output = torch.arange(5 * 3 * 2, dtype=torch.float64).reshape(5, 3, 2)  # (time, batch, features)
    for lengths in ([5, 2, 3], [1, 4, 5], [2, 2, 1]):
        got = final_states(output, torch.tensor(lengths))
        expected = torch.stack([output[n - 1, j] for j, n in enumerate(lengths)])
        assert tuple(got.shape) == (3, 2), f"Three sequences of two features should give (3, 2), got {tuple(got.shape)}."
        assert not torch.equal(got, output[-1]), (
            f"With lengths {lengths} you read the last step of the padding: output[-1] is one time for all."
        )
        after = torch.stack([output[n % 5, j] for j, n in enumerate(lengths)])
        assert not torch.equal(got, after), "You read one step too far: a sequence of length n ends at the index n - 1."
        assert torch.equal(got, expected), f"With lengths {lengths}: expected {expected.tolist()}, got {got.tolist()}."


@exercise
def check_clip_gradients(clip_gradients):
    """Day 14, exercise 2: ``clip_gradients(gradients, max_norm)`` by one norm over all of them."""
    import torch

    first, second = torch.tensor([[3.0, 4.0]]), torch.tensor([-12.0])
    for factor, max_norm in ((1.0, 1.0), (1.0, 6.5), (1.0, 13.0), (1.0, 100.0), (0.0, 1.0), (1e-3, 1.0)):
        gradients = [factor * first, factor * second]
        norm = 13 * factor
        scale = min(1.0, max_norm / norm) if norm else 1.0
        got = clip_gradients([gradient.clone() for gradient in gradients], max_norm)
        assert isinstance(got, (list, tuple)) and len(got) == 2, "Return a list with one tensor for each gradient."
        assert [tuple(g.shape) for g in got] == [(1, 2), (1,)], "Every gradient keeps its shape."
        case = f"Gradients of norm {norm:g} together, max_norm {max_norm:g}"
        assert all(torch.isfinite(g).all() for g in got), f"{case}: got {[g.tolist() for g in got]}, a division by 0."
        length = torch.cat([g.flatten() for g in got]).norm().item()
        assert scale < 1 or all(torch.allclose(g, e) for g, e in zip(got, gradients, strict=True)), (
            f"{case}: short enough, and should stay as they are; got {[g.tolist() for g in got]}."
        )
        assert abs(length - norm * scale) < 1e-4 * max(norm, 1e-6), (
            f"{case}: together they should be {norm * scale:g} long, got {length:.4g}. There is one norm, over all tensors."
        )
        assert all(torch.allclose(g, scale * e) for g, e in zip(got, gradients, strict=True)), (
            f"{case}: the direction changed. Multiply all of them by the same factor."
        )


@exercise
def check_relu_rnn_gradient(gradient):
    """Day 14, exercise 3: ``relu_rnn_weight_hh_gradient(d_output, output, h_0, weight_hh)``."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for n_steps, batch in ((1, 2), (4, 1), (6, 3)):
        layer = torch.nn.RNN(2, 5, nonlinearity="relu", dtype=torch.float64)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.6)
        x, d_output = (torch.randn(n_steps, batch, n, generator=generator, dtype=torch.float64) for n in (2, 5))
        h_0 = torch.rand(1, batch, 5, generator=generator, dtype=torch.float64)
        output, _ = layer(x, h_0)
        (expected,) = torch.autograd.grad((output * d_output).sum(), layer.weight_hh_l0)
        got = gradient(d_output, output.detach(), h_0[0], layer.weight_hh_l0.detach())
        assert tuple(got.shape) == (5, 5), f"Expected the shape of weight_hh, (5, 5), got {tuple(got.shape)}."
        assert not torch.allclose(got, expected.T), "That is the transpose: rows belong to d_a, columns to the states."
        if n_steps == 1:
            assert torch.allclose(got, expected), (
                "Wrong already for one step: the state before the first step is h_0, not output[-1], and the slope is that "
                "of ReLU, 1 where h > 0 and 0 elsewhere."
            )
        assert torch.allclose(got, expected), (
            f"Wrong for {n_steps} steps: what comes from the future is d_a of the next step times weight_hh, on its way "
            "from h_(t+1) to h_t; and d_a of step t belongs to the state before, h_(t-1)."
        )


@exercise
def check_set_identity(set_identity):
    """Day 14, exercise 4: ``set_identity(layer)``, in place, of an RNN with any number of layers and directions."""
    import torch

    from architectures.rnn import RNN

    for make in (torch.nn.RNN, RNN):
        for arguments in ({}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False}):
            layer = make(3, 4, nonlinearity="relu", **arguments)
            before = {name: value.clone() for name, value in layer.state_dict().items()}
            set_identity(layer)
            after = layer.state_dict()
            assert list(after) == list(before) and all(after[name].shape == before[name].shape for name in before), (
                "The parameters should keep their names and shapes."
            )
            for name, value in after.items():
                if name.startswith("weight_hh"):
                    assert torch.equal(value, torch.eye(4)), f"{name} of a layer with {arguments} is not the identity."
                elif name.startswith("bias"):
                    assert not value.any(), f"{name} of a layer with {arguments} is not zero."
                else:
                    assert torch.equal(value, before[name]), f"{name} should stay as it was."
            assert all(parameter.requires_grad for parameter in layer.parameters()), "The weights can no longer be trained."
