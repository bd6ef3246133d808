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
    different_rows = np.asarray(log_softmax(tf.constant([[1000.0, 1000.0], [0.0, 1.0]], tf.float64)))
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
def check_weighted_loss(weighted_loss):
    """Day 7, exercise 1: ``weighted_loss(y, z, pos_weight)``, entry by entry, from logits."""
    import tensorflow as tf

    z = np.array([[-3.0, -0.5, 0.0], [0.5, 2.0, 4.0]])
    y = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    plain = np.log1p(np.exp(np.where(y == 1, -z, z)))
    for pos_weight in (1.0, 4.0):
        got = np.asarray(weighted_loss(tf.constant(y), tf.constant(z), pos_weight))
        assert got.shape == y.shape, f"Shape {y.shape} in, got {got.shape}: one loss for each entry, no mean."
        if pos_weight == 1:
            assert not np.allclose(got, np.log1p(np.exp(np.where(y == 1, z, -z)))), "Yes and no are swapped."
            np.testing.assert_allclose(got, plain, rtol=1e-6, err_msg="Wrong already without a weight.")
        assert pos_weight == 1 or not np.allclose(got, plain), "pos_weight has no effect."
        assert pos_weight == 1 or not np.allclose(got, pos_weight * plain), "The weight is for the yes only, not for both."
        assert pos_weight == 1 or not np.allclose(got, np.where(y == 0, pos_weight, 1) * plain), (
            "You weigh the no; pos_weight is for the yes."
        )
        np.testing.assert_allclose(
            got, np.where(y == 1, pos_weight, 1) * plain, rtol=1e-6, err_msg=f"Wrong with pos_weight = {pos_weight}."
        )
    y, z = [1.0, 0.0, 1.0, 0.0], [-10_000.0, 10_000.0, 200.0, -200.0]
    got = np.asarray(weighted_loss(tf.constant(y), tf.constant(z), 2.0))
    assert np.isfinite(got).all(), (
        f"y = {y}, z = {z} give {got.tolist()}. exp overflows, or log meets a 0: use softplus, not the sigmoid."
    )
    np.testing.assert_allclose(
        got, [20_000, 10_000, 0, 0], atol=1e-6, err_msg="Finite but wrong: a probability was clipped or nudged."
    )
    got = np.asarray(weighted_loss(tf.constant([1.0, 0.0]), tf.constant([18.0, -18.0]), 1.0))
    np.testing.assert_allclose(
        got, [np.exp(-18.0)] * 2, rtol=1e-3, err_msg="Small losses are rounded away: nothing may be added to z or to 1."
    )


@exercise
def check_roc_curve(roc_curve):
    """Day 7, exercise 2: ``roc_curve(y, p)``, with one point for each distinct probability, as scikit-learn's."""
    from sklearn import metrics

    rng = np.random.default_rng(0)
    ties = np.array([0, 1, 1, 0, 1, 0]), np.array([0.9, 0.9, 0.5, 0.5, 0.5, 0.2])
    plain = rng.permutation(np.arange(12) % 2), rng.permutation(np.arange(1, 13) / 16)
    many_ties = np.arange(40) % 3 // 2, rng.integers(0, 5, size=40) / 4
    for name, (y, p) in (("no ties", plain), ("ties", ties), ("many ties", many_ties)):
        fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
        got = roc_curve(y.copy(), p.copy())
        got = list(got) if isinstance(got, np.ndarray) and got.ndim else got
        assert isinstance(got, (tuple, list)) and len(got) == 2, "Return two arrays, fpr and tpr."
        got = [np.asarray(array) for array in got]
        case = f"With {name}, y = {y.tolist()}, p = {p.tolist()}" if len(y) < 20 else f"With {name}"
        assert got[0].shape == got[1].shape, f"{case}: fpr and tpr have the shapes {got[0].shape} and {got[1].shape}."
        assert len(got[0]) != len(fpr) - 1, f"{case}: one point is missing. The curve starts at (0, 0) and ends at (1, 1)."
        assert name == "no ties" or len(got[0]) <= len(fpr), (
            f"{case}: {len(got[0])} points for {len(set(p))} distinct values. Equal p change sides together: one point."
        )
        assert len(got[0]) == len(fpr), f"{case}: {len(got[0])} points; (0, 0) and one for each distinct p are {len(fpr)}."
        same = [np.allclose(g, e) for g, e in zip(got, (fpr, tpr), strict=True)]
        swapped = np.allclose(got[0], tpr) and np.allclose(got[1], fpr)
        assert all(same) or not swapped, "fpr and tpr are swapped: fpr first."
        assert all(same) or not np.allclose(got[1][-1], [1]) or got[0][-1] == 1, (
            f"{case}: the last point is not (1, 1). fpr divides by the number of no, tpr by the number of yes."
        )
        assert all(same), (
            f"{case}: expected fpr {fpr.round(3).tolist()} and tpr {tpr.round(3).tolist()}, got {got[0].round(3).tolist()} "
            f"and {got[1].round(3).tolist()}."
        )


@exercise
def check_cheapest_threshold(cheapest_threshold):
    """Day 7, exercise 3: ``cheapest_threshold(y, p, alarm, miss)``, judged by what the threshold costs."""
    y = np.array([0, 0, 1, 0, 1, 1, 0, 1])
    p = np.array([0.05, 0.2, 0.3, 0.3, 0.45, 0.6, 0.7, 0.7])

    def cost(y, p, threshold, alarm, miss):
        yes = p >= threshold
        return alarm * np.sum(yes & (y == 0)) + miss * np.sum(~yes & (y == 1))

    for case, (y_case, p_case, alarm, miss), hint in (
        ("a miss costs 10", (y, p, 1, 10), "Which mistake gets rarer when the threshold falls?"),
        (
            "a false alarm costs 10",
            (y, p, 10, 1),
            "If saying yes never pays, the threshold has to lie above the largest p.",
        ),
        ("both cost 1", (y, p, 1, 1), "Yes is p >= t: the example at t itself says yes."),
        (
            "far from calibrated",
            (np.array([0, 0, 1, 1]), np.array([0.90, 0.92, 0.96, 0.98]), 1, 1),
            "Search; p may be off.",
        ),
        ("all near 0", (np.array([0, 1, 1, 0]), np.array([1e-6, 3e-6, 2e-6, 5e-7]), 1, 1), "A grid is too coarse."),
        ("all are yes", (np.ones(3, int), np.array([0.2, 0.0, 0.7]), 1, 1), "Then everything should be called yes."),
        ("all are no", (np.zeros(3, int), np.array([0.2, 1.0, 0.7]), 1, 1), "Then nothing should be called yes."),
    ):
        got = np.asarray(cheapest_threshold(y_case.copy(), p_case.copy(), alarm, miss))
        assert got.shape == (), f"Return one threshold, got shape {got.shape}."
        assert not np.isnan(got), f"{case}: got NaN."
        thresholds = [*p_case, np.inf]
        least = min(cost(y_case, p_case, threshold, alarm, miss) for threshold in thresholds)
        paid = cost(y_case, p_case, got, alarm, miss)
        assert paid == least, (
            f"{case}, y = {y_case.tolist()}, p = {p_case.tolist()}: the threshold {got:g} costs {paid}, the best one "
            f"{least}. {hint}"
        )


@exercise
def check_f1_averages(f1_averages):
    """Day 7, exercise 4: ``f1_averages(y, answers)``: micro, macro, samples; 0/0 counts 0."""
    from sklearn import metrics

    averages = ("micro", "macro", "samples")
    y = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1]])
    answers = np.array([[1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0]])
    empty = y.copy(), answers.copy()
    for array in empty:
        array[2] = 0  # a row with no yes in either
    full = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [1, 0], [0, 1]])
    nothing = y, 0 * y
    for case, (truth, said) in (
        ("", full),
        (", label 2 never a yes", (y, answers)),
        (", row 2 empty", empty),
        ("", nothing),
    ):
        expected = [metrics.f1_score(truth, said, average=average, zero_division=0) for average in averages]
        got = f1_averages(truth.copy(), said.copy())
        got = list(got) if isinstance(got, np.ndarray) and got.ndim else got
        assert isinstance(got, (tuple, list)) and len(got) == 3, "Return three numbers: micro, macro, samples."
        got = [float(value) for value in got]
        where = f"y = {truth.tolist()}, answers = {said.tolist()}{case}"
        assert np.isfinite(got).all(), f"{where}: got {got}. 0/0 counts 0."
        right = [np.isclose(g, e) for g, e in zip(got, expected, strict=True)]
        swapped = np.isclose(got[1], expected[2]) and np.isclose(got[2], expected[1])
        assert all(right) or not swapped, (
            f"{where}: macro and samples are swapped. Macro sums over the examples, axis 0, and averages over the labels."
        )
        wrong = [average for average, is_right in zip(averages, right, strict=True) if not is_right]
        assert all(right), (
            f"{where}: {' and '.join(wrong)} wrong. Expected {np.round(expected, 4).tolist()}, got "
            f"{np.round(got, 4).tolist()}. "
            "Micro adds all counts before it divides; the others divide first, and a 0/0 stays in the mean, as 0."
        )


@exercise
def check_softmax_jacobian(softmax_jacobian):
    """Day 8, exercise 1: ``softmax_jacobian(z)`` of a vector of logits, in closed form."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for z in ([2.0, 1.0, 0.0], rng.normal(size=5), [1000.0, 999.0, -3000.0, 0.0]):
        z = np.asarray(z, "float64")
        got = np.asarray(softmax_jacobian(tf.constant(z)))
        p = np.exp(z - z.max())
        p /= p.sum()
        assert got.shape == (z.size, z.size), f"{z.size} logits should give ({z.size}, {z.size}), got {got.shape}."
        assert np.isfinite(got).all(), (
            f"For logits as large as {abs(z).max():.4g}: got inf or nan. Subtract the maximum first."
        )
        assert not np.allclose(got, np.diag(p * (1 - p))), (
            "Only the diagonal: each probability falls when another logit rises, by p_k p_j."
        )
        assert not np.allclose(got, np.diag(p) + np.outer(p, p)), (
            "A sign is wrong off the diagonal: columns should sum to 0."
        )
        assert not np.allclose(got, np.outer(p, p) - np.diag(p)), "The sign is wrong: p_k rises with its own logit."
        assert np.allclose(got, np.diag(p) - np.outer(p, p), rtol=1e-6, atol=1e-9), (
            f"For z = {z.round(2).tolist()}: expected {(np.diag(p) - np.outer(p, p)).round(4).tolist()}, "
            f"got {got.round(4).tolist()}."
        )


@exercise
def check_leaky_std(leaky_std):
    """Day 8, exercise 2: ``leaky_std(fan_in, fan_out, alpha)``, with which a leaky ReLU keeps the signal's size."""
    for fan_in, fan_out, alpha in ((200, 50, 0.0), (64, 64, 1.0), (100, 400, 0.2), (30, 10, 0.5)):
        got = float(leaky_std(fan_in, fan_out, alpha))
        right = (2 / ((1 + alpha**2) * fan_in)) ** 0.5
        case = f"fan_in {fan_in}, fan_out {fan_out}, alpha {alpha}"
        assert not np.isclose(got, right**2), f"{case}: {got:.4g} is the variance. Its square root is asked for."
        assert fan_in == fan_out or not np.isclose(got, right * (fan_in / fan_out) ** 0.5), (
            f"{case}: you used fan_out. A sum z has one term for each input."
        )
        assert fan_in == fan_out or not np.isclose(got, (2 / (fan_in + fan_out)) ** 0.5), (
            f"{case}: this is Xavier's, which is right for no activation with a kink."
        )
        assert alpha == 0 or not np.isclose(got, (2 / fan_in) ** 0.5), (
            f"{case}: this is He's, for alpha = 0. What does the negative half add?"
        )
        assert alpha in (0, 1) or not np.isclose(got, (2 / ((1 + alpha) * fan_in)) ** 0.5), (
            f"{case}: it is the mean square that is kept, so alpha comes squared."
        )
        assert np.isclose(got, right, rtol=1e-6), f"{case}: got {got:.6g}, expected {right:.6g}."


@exercise
def check_dead_share(dead_share):
    """Day 8, exercise 3: ``dead_share(outputs)`` of a ReLU layer, units along the last axis."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for shape, n_dead in (((50, 8), 2), ((50, 8), 0), ((6, 3, 4, 5), 5), ((3, 4, 10), 3)):
        outputs = np.maximum(rng.normal(size=shape), 0)
        outputs[0] = np.where(rng.random(shape[1:]) < 0.5, 0, outputs[0])  # off for one example is not dead
        outputs[..., :n_dead] = 0
        if n_dead < shape[-1]:
            outputs[1:, ..., n_dead] = 0
            outputs[0, ..., n_dead] = 0
            outputs.reshape(-1, shape[-1])[0, n_dead] = 1e-12  # on once, and hardly
        right = n_dead / shape[-1]
        got = np.asarray(dead_share(tf.constant(outputs)))
        case = f"Outputs of shape {shape}, of whose units {n_dead} are dead"
        assert got.shape == (), f"{case}: return one number, got shape {got.shape}."
        if np.isclose(got, right):
            continue
        examples = tuple(range(len(shape) - 1))
        assert not np.isclose(got, np.mean(outputs == 0)), (
            f"{case}: {got:.2f} is the fraction of values that are 0. A healthy unit is off for about half of the examples."
        )
        assert not np.isclose(got, np.mean(np.all(outputs == 0, axis=0))), (
            f"{case}: you counted each of the {np.prod(shape[1:])} entries of an example as a unit. "
            "A unit is one entry of the last axis."
        )
        assert not np.isclose(got, np.mean(np.any(outputs == 0, axis=examples))), (
            f"{case}: you counted the units that are 0 for some example. Dead is 0 for every one."
        )
        assert not np.isclose(got, n_dead), f"{case}: {got:g} is their number; return the fraction."
        assert not np.isclose(got, (n_dead + 1) / shape[-1]), (
            f"{case}: one unit is on for a single example, with 1e-12. That is little, and not dead: compare with 0."
        )
        raise AssertionError(f"{case}: expected {right:.4g}, got {got:.4g}.")


@exercise
def check_first_not_finite(first_not_finite):
    """Day 8, exercise 4: ``first_not_finite(layers, x)``: an index, -1 for the input, or None."""
    import tensorflow as tf

    def run(layers, x):
        called = []

        def noted(i, layer):
            def call(x):
                called.append(i)
                return layer(x)

            return call

        answer = first_not_finite([noted(i, layer) for i, layer in enumerate(layers)], tf.constant(x))
        return (answer if answer is None else int(answer)), called

    square, half = tf.square, lambda x: x / 2
    cases = {
        "All is finite": ([half, square], [1.0, 2.0], None),
        "The second layer overflows to inf, the third makes it NaN": (
            [half, square, lambda x: x - x, half],
            [1e30, 1.0],
            1,
        ),
        "The first layer overflows, and a sigmoid makes it finite again": ([square, tf.sigmoid], [1e30, 1.0], 0),
        "One entry of many is NaN": ([half, tf.math.log], [-1.0, 1.0, 2.0], 1),
        "The input holds NaN": ([half, half], [1.0, np.nan], -1),
        "The input holds inf": ([half, half], [np.inf, 1.0], -1),
        "The last layer": ([half, half, square], [1e30, 1.0], 2),
        "No layers": ([], [1.0], None),
    }
    for case, (layers, x, right) in cases.items():
        got, called = run(layers, np.asarray(x, "float32"))
        assert not (right == -1 and got == 0), f"{case}: got 0. Look at x before the first layer, and return -1."
        if got != right and right is not None and "overflows" in case:
            raise AssertionError(f"{case}: expected {right}, got {got}. inf is not finite either: is_nan misses it.")
        assert got == right, f"{case}: expected {right}, got {got}."
        assert right is None or max(called, default=-1) <= right, (
            f"{case}: you called layer {max(called)} after the first bad one."
        )


@exercise
def check_class_scores(class_scores):
    """Day 11, exercise 1: ``class_scores(x, kernel, bias)``: a 1 x 1 convolution, then the mean over all places."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for shape, n_classes in (((4, 4, 4, 4), 4), ((2, 5, 3, 4), 6), ((5, 1, 2, 1), 3)):
        x, kernel, bias = (rng.normal(size=s) for s in (shape, (1, 1, shape[3], n_classes), (n_classes,)))
        got = np.asarray(class_scores(tf.constant(x), tf.constant(kernel), tf.constant(bias)))
        right = (x @ kernel[0, 0]).mean(axis=(1, 2)) + bias
        case = f"x of shape {shape}, {n_classes} classes"
        assert got.shape == right.shape, (
            f"{case}: expected {right.shape}, one score for each picture and class, got {got.shape}. "
            "Average over height and width, axes 1 and 2; the batch stays, and so do the classes."
        )
        assert not np.allclose(got, right - bias), f"{case}: the bias is missing."
        places = shape[1] * shape[2]
        assert places == 1 or not (np.allclose(got, (right - bias) * places + bias) or np.allclose(got, right * places)), (
            f"{case}: that is the sum over all {places} places, not the mean."
        )
        if shape[3] == n_classes:
            assert not np.allclose(got, (x @ kernel[0, 0].T).mean(axis=(1, 2)) + bias), (
                f"{case}: the kernel is transposed. It has the shape (1, 1, channels, classes)."
            )
        wrong_axes = {axes: (x @ kernel[0, 0] + bias).mean(axis=axes) for axes in ((0, 1), (0, 2), (1, 3), (2, 3))}
        for axes, value in wrong_axes.items():
            assert value.shape != got.shape or not np.allclose(got, value), (
                f"{case}: you averaged over the axes {axes}. Height and width are axes 1 and 2."
            )
        assert np.allclose(got, right, rtol=1e-6, atol=1e-9), f"{case}: the shape is right, the values are not."


@exercise
def check_depthwise(depthwise):
    """Day 11, exercise 2: ``depthwise(x, kernel)``: a kernel for each channel, "same" padding, an odd kernel size."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for shape, k in (((2, 6, 5, 3), 3), ((1, 7, 8, 1), 5), ((2, 4, 4, 2), 1)):
        x, kernel = rng.normal(size=shape), rng.normal(size=(k, k, shape[3]))

        def reference(kernel, x=x, k=k, shape=shape, before=None):
            before = k // 2 if before is None else before
            margins = (before, k - 1 - before)
            padded = np.pad(x, [(0, 0), margins, margins, (0, 0)])
            shifts = ((p, q) for p in range(k) for q in range(k))
            return sum(padded[:, p : p + shape[1], q : q + shape[2]] * kernel[p, q] for p, q in shifts)

        right = reference(kernel)
        got = np.asarray(depthwise(tf.constant(x), tf.constant(kernel)))
        case = f"x of shape {shape}, kernel {k} x {k}"
        assert got.shape == right.shape, (
            f"{case}: expected the shape of x, got {got.shape}. Pad {k // 2} zeros on each side; "
            "and each channel stays by itself, so there are as many as before."
        )
        if k > 1:
            assert not np.allclose(got, reference(kernel[::-1, ::-1])), (
                f"{case}: you flipped the kernel. That is the mathematicians' convolution, not the layer's."
            )
            assert not np.allclose(got, reference(kernel.transpose(1, 0, 2))), f"{case}: rows and columns are swapped."
            for before in {*range(k)} - {k // 2}:
                assert not np.allclose(got, reference(kernel, before=before)), (
                    f"{case}: shifted by {abs(before - k // 2)}. You pad {before} before and {k - 1 - before} after; "
                    f"it is {k // 2} on each side."
                )
        if shape[3] > 1:
            everywhere = np.broadcast_to(right.sum(axis=3, keepdims=True), shape)
            assert not np.allclose(got, everywhere), f"{case}: you summed over the channels. Each stays by itself."
        assert np.allclose(got, right, rtol=1e-6, atol=1e-9), f"{case}: the shape is right, the values are not."


@exercise
def check_max_pool_backward(max_pool_backward):
    """Day 11, exercise 3: ``max_pool_backward(x, dy)`` for windows of 2 x 2 with stride 2; ties go to the first."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    distinct = rng.permutation(2 * 4 * 6 * 3).reshape(2, 4, 6, 3).astype(float)
    cases = {
        "All numbers differ": distinct,
        "All numbers are negative": distinct - 1000,
        "Ties": np.maximum(rng.integers(-3, 3, size=(2, 4, 6, 3)), 0).astype(float),
    }
    for case, x in cases.items():
        dy = rng.normal(size=(2, 2, 3, 3))
        blocks = x.reshape(2, 2, 2, 3, 2, 3).transpose(0, 1, 3, 5, 2, 4).reshape(2, 2, 3, 3, 4)  # the window last

        def spread(weights, dy=dy):
            parts = (weights * dy[..., None]).reshape(2, 2, 3, 3, 2, 2).transpose(0, 1, 4, 2, 5, 3)
            return parts.reshape(2, 4, 6, 3)

        ties = blocks == blocks.max(axis=-1, keepdims=True)
        first = np.eye(4)[ties.argmax(axis=-1)]
        last = np.eye(4)[3 - ties[..., ::-1].argmax(axis=-1)]
        right = spread(first)
        got = np.asarray(max_pool_backward(tf.constant(x), tf.constant(dy)))
        assert got.shape == x.shape, f"{case}: the gradient has the shape of x, {x.shape}; got {got.shape}."
        assert not np.allclose(got, spread(np.full(4, 0.25))), (
            f"{case}: that is average-pooling's gradient. Only the largest of a window moves the output."
        )
        assert not np.allclose(got, spread(np.ones(4))), f"{case}: only the largest of a window gets the gradient."
        assert not np.allclose(got, first.reshape(2, 2, 3, 3, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(x.shape)), (
            f"{case}: you marked the winners. Multiply by dy, each window by its own."
        )
        if case == "Ties":
            assert not np.allclose(got, spread(ties)), "Ties: each of several equal ones got all of dy: it counts twice."
            assert not np.allclose(got, spread(ties / ties.sum(axis=-1, keepdims=True))), (
                "Ties: you split the gradient. Here, as in TensorFlow, the first gets all."
            )
            assert not np.allclose(got, spread(last)), "Ties: the first of a window, row by row, not the last."
        assert np.allclose(got, right, rtol=1e-6, atol=1e-9), f"{case}: the shape is right, the values are not."


@exercise
def check_causal_attention(causal_attention):
    """Day 12, exercise 1: ``causal_attention(query, key, value)``, the queries being the last of the tokens."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for queries, keys in ((4, 4), (1, 5), (3, 7)):
        query, key, value = (
            torch.randn(2, *shape, generator=generator, dtype=torch.float64)
            for shape in ((queries, 6), (keys, 6), (keys, 3))
        )

        def attend(offset=0, dim=-1, scale=6**-0.5, q=query, k=key, v=value):
            allowed = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).tril(k.shape[1] - q.shape[1] + offset)
            scores = (q @ k.transpose(1, 2) * scale).masked_fill(~allowed, float("-inf"))
            return torch.softmax(scores, dim=dim).nan_to_num() @ v

        right = attend()
        got = causal_attention(query.clone(), key.clone(), value.clone())
        case = f"{queries} queries, {keys} keys"
        assert tuple(got.shape) == tuple(right.shape), (
            f"{case}: expected the shape {tuple(right.shape)}, got {tuple(got.shape)}."
        )
        assert not torch.allclose(got, attend(keys)) or keys == 1 or queries == 1, f"{case}: the future is not hidden."
        assert not torch.allclose(got, attend(1)) or queries == 1, (
            f"{case}: the mask is off by one. A token may look at itself, and not at the one after it."
        )
        assert torch.isfinite(got).all(), (
            f"{case}: got {'nan' if got.isnan().any() else 'inf'}. The first token may look at itself: a row with nothing "
            "to look at has no softmax."
        )
        assert not torch.allclose(got, attend(-1)), f"{case}: the mask is off by one. A token may look at itself too."
        assert not torch.allclose(got, attend(scale=1.0)), f"{case}: divide the scores by sqrt(d); d is {query.shape[-1]}."
        assert not torch.allclose(got, attend(dim=1)), (
            f"{case}: the softmax goes over the wrong axis. Each query shares a weight of 1 among the keys, the last axis."
        )
        full = torch.softmax(query @ key.transpose(1, 2) * 6**-0.5, dim=-1)
        assert not torch.allclose(got, full.tril(keys - queries) @ value) or queries == 1, (
            f"{case}: masked after the softmax, so that the weights of a row no longer sum to 1."
        )
        assert keys == queries or not torch.allclose(got, attend(queries - keys)), (
            f"{case}: the queries are the last {queries} of the {keys} tokens: shift the diagonal."
        )
        assert torch.allclose(got, right), f"{case}: wrong values."


@exercise
def check_t5_example(t5_example):
    """Day 12, exercise 2: ``t5_example(tokens, spans, sentinels)``, source and target of T5's span corruption."""
    sentinels = [100, 101, 102, 103]
    for tokens, spans, source, target in (
        ([1, 2, 3, 4, 5], [(2, 4)], [1, 2, 100, 5], [100, 3, 4, 101]),
        ([1, 2, 3, 4, 5, 6], [(0, 2), (4, 5)], [100, 3, 4, 101, 6], [100, 1, 2, 101, 5, 102]),
        ([7, 7, 7], [(1, 2), (2, 3)], [7, 100, 101], [100, 7, 101, 7, 102]),
        ([1, 2], [], [1, 2], [100]),
    ):
        case = f"tokens {tokens}, spans {spans}, sentinels {sentinels}"
        answer = t5_example(list(tokens), list(spans), list(sentinels))
        assert isinstance(answer, (tuple, list)) and len(answer) == 2, "Return two lists, source and target."
        got_source, got_target = (list(part) for part in answer)
        assert got_source != target or got_target != source, f"{case}: source and target are swapped."
        assert got_target != tokens, f"{case}: the target is the whole text. That is BART's; T5 asks for the spans alone."
        assert got_target != target[:-1], (
            f"{case}: the target {got_target} does not end. One more sentinel says that the last span is complete."
        )
        after = [token for start, end in spans for token in (*tokens[start:end], sentinels[spans.index((start, end))])]
        assert not spans or got_target[: len(after)] != after, f"{case}: a sentinel comes before its span, not behind it."
        used = [token for token in got_source if token in sentinels]
        assert used == sentinels[: len(spans)], (
            f"{case}: the source holds the sentinels {used}. Each span its own, the first of the list for the first span."
        )
        assert got_source == source, f"{case}: expected the source {source}, got {got_source}."
        assert got_target == target, f"{case}: expected the target {target}, got {got_target}."


@exercise
def check_nucleus(nucleus):
    """Day 12, exercise 3: ``nucleus(probabilities, p)``, top-p: the fewest likeliest tokens that sum to p or more."""
    import torch

    for probabilities, p, expected, hint in (
        ([0.5, 0.25, 0.125, 0.125], 0.7, [2 / 3, 1 / 3, 0, 0], "the token that reaches p belongs to it"),
        ([0.125, 0.5, 0.125, 0.25], 0.7, [0, 2 / 3, 0, 1 / 3], "put each token back in its place"),
        ([0.125, 0.5, 0.125, 0.25], 0.1, [0, 1, 0, 0], "at least one token stays"),
        ([0.5, 0.25, 0.25], 0.5, [1, 0, 0], "the first alone reaches p exactly, and the fewest are asked for"),
        ([0.25, 0.5, 0.25], 1.0, [0.25, 0.5, 0.25], "p = 1 keeps all"),
    ):
        given = torch.tensor(probabilities, dtype=torch.float64)
        got = nucleus(given.clone(), p)
        case = f"probabilities {probabilities}, p = {p}"
        assert tuple(got.shape) == tuple(given.shape), f"{case}: expected the shape {tuple(given.shape)}, got {got.shape}."
        assert not got.isnan().any(), f"{case}: got nan: {hint}."
        assert torch.isclose(got.sum(), torch.ones((), dtype=got.dtype)), (
            f"{case}: the result sums to {got.sum():.4f}. What stays shares 1."
        )
        assert torch.allclose(got.double(), torch.tensor(expected, dtype=torch.float64)), (
            f"{case}: expected {[round(x, 4) for x in expected]}, got {[round(x, 4) for x in got.tolist()]}: {hint}."
        )
    kept = int((nucleus(torch.full((4,), 0.25, dtype=torch.float64), 0.5) > 0).sum())
    assert kept == 2, (
        f"Of four equally likely tokens and p = 0.5, two sum to p, and {kept} stay. Compare ranks, not probabilities."
    )


@exercise
def check_perplexity(perplexity):
    """Day 12, exercise 4: ``perplexity(logits, targets)``, exp of the mean over the tokens that are asked for."""
    import torch

    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, 5, 7, generator=generator, dtype=torch.float64)
    targets = torch.tensor([[1, 2, 3, 4, 5], [6, 0, -100, -100, -100]])
    log_p = torch.log_softmax(logits, dim=-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    asked = targets != -100
    nats = -(log_p * asked)
    got = torch.as_tensor(perplexity(logits.clone(), targets.clone())).double()
    assert got.dim() == 0, f"Return one number for the batch, got the shape {tuple(got.shape)}."
    right = (nats.sum() / asked.sum()).exp()
    by_sentence = nats.sum(dim=1) / asked.sum(dim=1)
    for wrong, hint in (
        ((-log_p.mean()).exp(), "targets of -100 are counted as tokens"),
        ((nats.sum() / targets.numel()).exp(), "you divide by all places, also those where nothing is asked"),
        (
            by_sentence.exp().mean(),
            "that is the mean of the sentences' perplexities. First one mean, over tokens, then exp",
        ),
        (by_sentence.mean().exp(), "that is a mean over sentences. A long sentence has more tokens, and they count alike"),
        (right.log(), "that is the mean cross-entropy. Perplexity is its exponential"),
        (2 ** right.log(), "the cross-entropy is in nats, so it goes with exp, not with 2 to its power"),
    ):
        assert not torch.isclose(got, wrong), f"Got {got:.4f}, expected {right:.4f}: {hint}."
    assert torch.isclose(got, right), f"Expected {right:.4f}, got {got:.4f}."


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


@exercise
def check_coupled_step(coupled_step):
    """Day 15, exercise 1: ``coupled_step(x, h, c, weight_ih, weight_hh, bias)``, an LSTM whose input gate is 1 - f."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for batch, input_size, hidden in ((1, 1, 1), (4, 3, 5), (2, 5, 3)):
        shapes = [(batch, input_size), (batch, hidden), (batch, hidden)]
        shapes += [(3 * hidden, input_size), (3 * hidden, hidden), (3 * hidden,)]
        arguments = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
        x, h, c, weight_ih, weight_hh, bias = arguments
        got = coupled_step(*(argument.clone() for argument in arguments))
        assert isinstance(got, (tuple, list)) and len(got) == 2, "Return two states, h and c."
        assert all(tuple(state.shape) == (batch, hidden) for state in got), (
            f"Both states should have the shape {(batch, hidden)}, got {[tuple(state.shape) for state in got]}."
        )

        a = x @ weight_ih.T + h @ weight_hh.T + bias
        f, g, o = a[:, :hidden].sigmoid(), a[:, hidden : 2 * hidden].tanh(), a[:, 2 * hidden :].sigmoid()
        new_c = f * c + (1 - f) * g
        new_h = o * new_c.tanh()
        if torch.allclose(got[0], new_c) and torch.allclose(got[1], new_h):
            raise AssertionError("h and c are swapped: return h first.")
        assert not torch.allclose(got[1], (1 - f) * c + f * g), "f says what to keep, 1 - f what to write, not the reverse."
        assert not torch.allclose(got[1], f * c + g), "All of g is written: the input gate, 1 - f, is missing."
        assert torch.allclose(got[1], new_c), (
            "c is wrong. It is f * c + (1 - f) * g with f a sigmoid and g a tanh; the rows hold f, g, o in this order."
        )
        assert not torch.allclose(got[0], o * new_c), "h is o times tanh(c), not o times c."
        assert not torch.allclose(got[0], o * c.tanh()), "h shows the new c, not the old one."
        assert torch.allclose(got[0], new_h), "c is right and h is wrong: it is o * tanh(c), with the new c, o a sigmoid."


@exercise
def check_set_forget_bias(set_forget_bias):
    """Day 15, exercise 2: ``set_forget_bias(lstm, value)``, in place, for any number of layers and directions."""
    import torch

    from architectures.lstm import LSTM

    for make in (torch.nn.LSTM, LSTM):
        for variant in ({}, {"num_layers": 3}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True}):
            for value in (1.0, -2.5):
                lstm = make(3, 4, **variant)
                before = {name: (parameter, parameter.detach().clone()) for name, parameter in lstm.named_parameters()}
                set_forget_bias(lstm, value)
                after = dict(lstm.named_parameters())
                case = f"An LSTM with {variant or 'one layer'} and value {value}"
                assert list(after) == list(before) and all(after[n] is before[n][0] for n in before), (
                    f"{case}: the parameters were replaced, and an optimiser keeps the old ones. Change them in place."
                )
                assert all(parameter.requires_grad for parameter in after.values()), f"{case}: no longer trained."
                for suffix in (name.removeprefix("bias_ih") for name in before if name.startswith("bias_ih")):
                    names = ("bias_ih" + suffix, "bias_hh" + suffix)
                    felt = sum(after[name].detach()[4:8] for name in names)
                    old = sum(before[name][1] for name in names)
                    assert not torch.allclose(felt, torch.full((4,), 2 * value)), (
                        f"{case}: a gate feels the sum of bias_ih{suffix} and bias_hh{suffix}, and that is {2 * value}."
                    )
                    assert not torch.equal(felt, old[4:8]), (
                        f"{case}: the forget gates of {' and '.join(names)} are as before. They are the second of four "
                        "quarters, in every layer and direction."
                    )
                    assert torch.allclose(felt, torch.full((4,), value)), (
                        f"{case}: the forget gates should feel {value}, the sum of {' and '.join(names)}, not "
                        f"{felt.tolist()}."
                    )
                for name, (_, old) in before.items():
                    others = [0, 1, 2, 3, *range(8, 16)] if name.startswith("bias") else slice(None)
                    assert torch.equal(after[name].detach()[others], old[others]), (
                        f"{case}: something else changed in {name}. Only the forget gates' biases may."
                    )


@exercise
def check_both_final_states(both_final_states):
    """Day 15, exercise 3: ``both_final_states(output, lengths)`` of a bidirectional layer's padded output."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    layer = torch.nn.LSTM(2, 3, bidirectional=True, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    for lengths in ([2, 6, 1, 4], [5, 3, 5], [1, 7]):
        batch = len(lengths)
        x = torch.randn(max(lengths), batch, 2, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            packed, (h_n, _) = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
        output, _ = pad_packed_sequence(packed)  # (time, batch, 6)
        got = both_final_states(output.clone(), torch.tensor(lengths))
        case = f"With lengths {lengths}"
        assert tuple(got.shape) == (batch, 6), (
            f"{case}: {batch} sequences, two directions of 3 features should give {(batch, 6)}, got {tuple(got.shape)}."
        )
        forward, backward = h_n
        assert not torch.allclose(got, torch.cat([backward, forward], dim=1)), (
            f"{case}: the directions are swapped, the forward one comes first."
        )
        assert not torch.allclose(got[:, :3], output[-1, :, :3]), (
            f"{case}: for the forward direction you took the last step of the batch, which is padding for the shorter ones."
        )
        assert torch.allclose(got[:, :3], forward), (
            f"{case}: the forward half is wrong. A sequence of n steps ends at index n - 1, in its own column."
        )
        at_end = torch.stack([output[n - 1, j, 3:] for j, n in enumerate(lengths)])
        assert not torch.allclose(got[:, 3:], at_end), (
            f"{case}: at the end of a sequence the backward direction has read one step. Where does it arrive?"
        )
        assert torch.allclose(got[:, 3:], backward), f"{case}: the backward half is wrong. It reads from the end to step 0."


@exercise
def check_lstm_step_backward(lstm_step_backward):
    """Day 15, exercise 4: ``lstm_step_backward(d_h, d_c, i, f, g, o, c, c_previous)``."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for batch, hidden in ((1, 1), (3, 4)):
        a, c_previous, d_h, d_c = (
            torch.randn(batch, width, generator=generator, dtype=torch.float64) for width in (4 * hidden, *[hidden] * 3)
        )
        for zero_h, zero_c in ((True, False), (False, True), (False, False)):
            from_h, from_c = d_h * (not zero_h), d_c * (not zero_c)
            leaves = [a.clone().requires_grad_(), c_previous.clone().requires_grad_()]
            i, f, g, o = leaves[0].chunk(4, dim=1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * leaves[1] + i * g
            loss = (o * c.tanh() * from_h).sum() + (c * from_c).sum()
            d_a, d_c_previous = torch.autograd.grad(loss, leaves)
            kept = [value.detach().clone() for value in (i, f, g, o, c, c_previous)]
            got = lstm_step_backward(from_h.clone(), from_c.clone(), *kept)
            assert isinstance(got, (tuple, list)) and len(got) == 2, "Return two gradients, d_a and d_c_previous."
            assert tuple(got[0].shape) == (batch, 4 * hidden) and tuple(got[1].shape) == (batch, hidden), (
                f"Expected the shapes {(batch, 4 * hidden)} and {(batch, hidden)}, got {[tuple(d.shape) for d in got]}."
            )
            case = "With d_h = 0" if zero_h else "With d_c = 0" if zero_c else "With d_h and d_c"
            way = {
                "With d_h = 0": "the conveyor alone brings d_c, and o has no part in it",
                "With d_c = 0": "c is reached through h: d_h * o * (1 - tanh(c)**2)",
                "With d_h and d_c": "the two ways to c are added before anything else",
            }[case]
            assert torch.allclose(got[1], d_c_previous), (
                f"{case}: d_c_previous is wrong. It is all that reaches c, times f; {way}."
            )
            for name, block, right in zip("ifgo", got[0].chunk(4, dim=1), d_a.chunk(4, dim=1), strict=True):
                slope = "1 - g**2" if name == "g" else f"{name} * (1 - {name})"
                factor = {"i": "g", "f": "c_previous", "g": "i", "o": "tanh(c)"}[name]
                assert torch.allclose(block, right), (
                    f"{case}: d_a of gate {name} is wrong. It is multiplied with {factor}, its slope is {slope}, "
                    f"and it acts on {'h' if name == 'o' else 'c'}; {way}."
                )


@exercise
def check_update_bias(update_bias):
    """Day 16, exercise 1: ``update_bias(n_steps)``, with which half of a GRU's state is left after so many steps."""
    for n_steps in (1, 2, 5, 40, 1000):
        got = float(update_bias(n_steps))
        z = 0.5 ** (1 / n_steps)
        expected = np.log(z / (1 - z))
        case = f"n_steps = {n_steps}"
        assert np.isfinite(got), f"{case}: got {got}. For one step z is 1/2 and b is 0."
        assert not np.isclose(got, z), (
            f"{case}: {got:.4f} is z. The bias goes through the sigmoid first: which b gives this z?"
        )
        assert expected == 0 or not np.isclose(got, -expected), (
            f"{case}: got {got:.4f}, which has the wrong sign. In PyTorch z = sigmoid(b) is what is kept."
        )
        kept = (1 / (1 + np.exp(-got))) ** n_steps
        assert np.isclose(kept, 0.5, rtol=1e-4), (  # as exact as float32 is
            f"{case}: with b = {got:.4f}, sigmoid(b) ** {n_steps} = {kept:.4f} of the state is left, and it should be half."
        )


@exercise
def check_predict_next(predict_next):
    """Day 16, exercise 2: ``predict_next(model, x)``, with a model that knows only sequences that end in 0."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def model(x):  # not linear, so that no other shift will do, and not right, so that no rule can replace it
        assert x.dim() == 2 and tuple(x.shape) == (4, 6), f"The model wants (batch, time) = (4, 6), got {tuple(x.shape)}."
        assert not torch.allclose(x[:, 0], torch.zeros_like(x[:, 0])), (
            "The sequences that the model gets should end in 0; yours begin with 0."
        )
        ends = x[:, -1].abs().max().item()
        assert ends < 1e-9, (
            f"The sequences that the model gets should end in 0, each of them; one ends in {ends:.4g}. Subtract from each "
            "its own last number."
        )
        return torch.tanh(x[:, -2]) + 0.1 * x[:, 0] ** 2

    for shift in (0.0, 100.0, -1e4):
        x = torch.randn(4, 6, generator=generator, dtype=torch.float64) + shift
        before = x.clone()
        got = predict_next(model, x)
        assert torch.equal(x, before), "Your function changed x itself: x -= ... writes into the caller's tensor."
        assert tuple(got.shape) == (4,), (
            f"Four sequences should give four predictions, (4,), got {tuple(got.shape)}. "
            "(4, 1) and (4,) broadcast to (4, 4)."
        )
        answer = torch.tanh(x[:, -2] - x[:, -1]) + 0.1 * (x[:, 0] - x[:, -1]) ** 2
        assert not torch.allclose(got, answer), "Right so far; now shift the answer back."
        assert torch.allclose(got, x[:, -1] + answer), (
            f"Wrong for sequences near {shift:g}: the answer has to move back by as much as the sequence was moved, "
            "each by its own."
        )


@exercise
def check_keras_to_torch(keras_to_torch):
    """Day 16, exercise 3: ``keras_to_torch(kernel, recurrent_kernel, bias)``, the weights of a GRU, reset after."""
    import torch

    rng = np.random.default_rng(0)

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    for input_size, hidden in ((2, 3), (3, 3), (4, 2)):
        shapes = [(input_size, 3 * hidden), (hidden, 3 * hidden), (2, 3 * hidden)]
        kernel, recurrent_kernel, bias = (rng.normal(size=shape) for shape in shapes)
        x, state = rng.normal(size=(5, 4, input_size)), rng.normal(size=(4, hidden))  # (time, batch, features)

        def by_keras(h, x=x, kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias):
            for x_t in x:
                x_z, x_r, x_n = np.split(x_t @ kernel + bias[0], 3, axis=1)
                h_z, h_r, h_n = np.split(h @ recurrent_kernel + bias[1], 3, axis=1)
                z, n = sigmoid(x_z + h_z), np.tanh(x_n + sigmoid(x_r + h_r) * h_n)
                h = z * h + (1 - z) * n
            return h

        weights = keras_to_torch(kernel.copy(), recurrent_kernel.copy(), bias.copy())
        layer = torch.nn.GRU(input_size, hidden, dtype=torch.float64)
        expected = {name: tuple(value.shape) for name, value in layer.state_dict().items()}
        assert isinstance(weights, dict) and set(weights) == set(expected), f"Return a dict with the keys {list(expected)}."
        weights = {name: torch.as_tensor(value) for name, value in weights.items()}
        got = {name: tuple(weights[name].shape) for name in expected}
        assert got == expected, (
            f"With input_size {input_size} and hidden_size {hidden} the shapes are {expected}, got {got}."
        )

        def blocks(rows):
            z, r, n = np.split(rows, 3, axis=-1)
            return np.concatenate([r, z, n], axis=-1)

        right = {
            "weight_ih_l0": blocks(kernel).T,
            "weight_hh_l0": blocks(recurrent_kernel).T,
            "bias_ih_l0": blocks(bias)[0],
            "bias_hh_l0": blocks(bias)[1],
        }
        for name, source in (("weight_ih_l0", kernel), ("weight_hh_l0", recurrent_kernel)):
            assert not np.allclose(weights[name], source.T), (
                f"{name} has the blocks in Keras's order z, r, n. PyTorch wants r, z, n."
            )
            reshaped = [array.reshape(right[name].shape) for array in (source, blocks(source))]
            assert not any(np.allclose(weights[name], array) for array in reshaped), (
                f"{name} was reshaped, which keeps the numbers in their old sequence. It has to be transposed."
            )
        b_ih, b_hh = weights["bias_ih_l0"].numpy(), weights["bias_hh_l0"].numpy()
        assert not np.allclose(b_ih + b_hh, bias.sum(axis=0)), "The biases, too, need the order r, z, n."
        if not np.allclose(b_ih, right["bias_ih_l0"]) and np.allclose(b_ih + b_hh, blocks(bias).sum(axis=0)):
            swapped = np.allclose(b_ih, right["bias_hh_l0"])
            assert not swapped, "The biases are swapped: the first row of Keras's belongs to the input."
            raise AssertionError(
                "The two biases sum to the right thing, and may not be mixed: that of the candidate in bias_hh stands "
                "inside the product with r."
            )
        layer.load_state_dict(weights)
        with torch.no_grad():
            h_n = layer(torch.from_numpy(x), torch.from_numpy(state)[None])[1][0]
        wrong = [name for name, value in right.items() if not np.allclose(weights[name], value)]
        assert np.allclose(h_n, by_keras(state)), f"The layer gives other states than Keras's: {', '.join(wrong)} differ."


@exercise
def check_is_gru_step(is_gru_step):
    """Day 16, exercise 4: ``is_gru_step(step)``, a test that right steps pass and wrong ones fail."""
    import torch

    linear = torch.nn.functional.linear

    def make(change=None):
        """A step of a GRU, its intermediate values handed to `change`, which returns the new state."""

        def step(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
            assert x.dim() == h.dim() == 2, "step wants batches: x (batch, input_size), h (batch, hidden_size)."
            a, b = linear(x, weight_ih, bias_ih).chunk(3, dim=1), linear(h, weight_hh, bias_hh).chunk(3, dim=1)
            r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
            n = torch.tanh(a[2] + r * b[2])
            return n + z * (h - n) if change is None else change(h, r, z, n, a, b, weight_hh, bias_hh)

        return step

    def reset_before(h, r, z, n, a, b, weight_hh, bias_hh):
        n = torch.tanh(a[2] + linear(r * h, weight_hh.chunk(3)[2], bias_hh.chunk(3)[2]))
        return (1 - z) * n + z * h

    def bias_outside(h, r, z, n, a, b, weight_hh, bias_hh):
        b_n = bias_hh.chunk(3)[2]
        n = torch.tanh(a[2] + r * (b[2] - b_n) + b_n)
        return (1 - z) * n + z * h

    def without_bias_hh(h, r, z, n, a, b, weight_hh, bias_hh):
        b = [part - bias for part, bias in zip(b, bias_hh.chunk(3), strict=True)]
        z = torch.sigmoid(a[1] + b[1])
        return (1 - z) * torch.tanh(a[2] + torch.sigmoid(a[0] + b[0]) * b[2]) + z * h

    def other_order(h, r, z, n, a, b, *_):
        return (1 - r) * torch.tanh(a[2] + z * b[2]) + r * h

    def first_row_for_all(h, r, z, n, *_):
        return (1 - z[:1]) * n + z[:1] * h

    def reset_detached(h, r, z, n, a, b, *_):
        return (1 - z) * torch.tanh(a[2] + r.detach() * b[2]) + z * h

    def input_detached(h, r, z, n, a, b, *_):
        return (1 - z) * torch.tanh(a[2].detach() + r * b[2]) + z * h

    def state_detached(h, r, z, n, *_):
        return (1 - z) * n + z * h.detach()

    def weight_detached(h, r, z, n, a, b, weight_hh, bias_hh):
        b_n = linear(h, weight_hh.chunk(3)[2].detach(), bias_hh.chunk(3)[2])
        return (1 - z) * torch.tanh(a[2] + r * b_n) + z * h

    right = {
        "(1 - z) * n + z * h": make(lambda h, r, z, n, *_: (1 - z) * n + z * h),
        "n + z * (h - n), which rounds otherwise": make(),
    }
    wrong = {
        "the reset gate before the product": (make(reset_before), "a state that is not 0, and more units than one"),
        "z and 1 - z swapped": (make(lambda h, r, z, n, *_: z * n + (1 - z) * h), "values"),
        "n * 1 - z + z * h": (make(lambda h, r, z, n, *_: n * 1 - z + z * h), "values"),
        "h * 1 - u with u = 1 - z": (make(lambda h, r, z, n, *_: (1 - z) * n + h * 1 - (1 - z)), "values"),
        "the gates in the order z, r, n": (make(other_order), "values"),
        "b_hn outside the product with r": (make(bias_outside), "biases that are not 0"),
        "bias_hh left out": (make(without_bias_hh), "biases that are not 0"),
        "the first sequence's z for the whole batch": (make(first_row_for_all), "more sequences than one"),
        "a candidate of 0.999 n": (make(lambda h, r, z, n, *_: 0.999 * (1 - z) * n + z * h), "a small tolerance"),
        "a reset gate that passes no gradient": (make(reset_detached), "gradients"),
        "a kept state that passes no gradient": (make(state_detached), "gradients, that by the state too"),
        "an input that passes no gradient to the candidate": (make(input_detached), "gradients, that by the input too"),
        "a W_hn that gets no gradient": (make(weight_detached), "gradients, those by the parameters too"),
    }
    for name, step in right.items():
        verdict = is_gru_step(step)
        assert isinstance(verdict, (bool, np.bool_)), f"Return True or False, got {type(verdict).__name__}."
        assert verdict, (
            f"Your test refuses a right step, {name}. Equal means equal up to rounding, about 1e-15 in float64 and 1e-7 in "
            "float32."
        )
    for name, (step, needed) in wrong.items():
        assert not is_gru_step(step), f"Your test lets a wrong step through: {name}. It takes {needed} to notice."
