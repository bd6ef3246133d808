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
    graph = power.get_concrete_function(tf.constant([2.0]), tf.constant(3)).graph
    assert any("While" in operation.type for operation in graph.get_operations()), (
        "Right numbers, but there is no loop in the graph: multiply by x in a loop over tf.range(n)."
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


@exercise
def check_log1pexp(log1pexp):
    """Day 2, exercise 1: ``log1pexp(x)`` = log(1 + exp(x)), with a value and a gradient that are right for every x."""
    import tensorflow as tf

    ready_made = AssertionError("Right, but that is TensorFlow's own. Write the value and its derivative yourself.")
    numbers = [-1000.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0]
    for dtype, rtol in [(tf.float64, 1e-12), (tf.float32, 1e-5)]:
        x, weights = tf.constant(numbers, dtype), tf.constant([2.0, -3.0, 0.5, 1.0, 7.0, 5.0, -4.0], dtype)
        with (
            mock.patch.object(tf.nn, "softplus", side_effect=ready_made),
            mock.patch.object(tf.math, "softplus", side_effect=ready_made),
            mock.patch.object(tf.math, "log_sigmoid", side_effect=ready_made),
            tf.GradientTape(persistent=True) as second,
        ):
            second.watch(x)
            with tf.GradientTape(persistent=True) as first:
                first.watch(x)
                value = log1pexp(x)
                assert value.dtype == dtype, f"For {dtype.name} the result is {value.dtype.name}; it should keep the dtype."
                total = tf.reduce_sum(weights * value)
            slopes = first.gradient(total, x)
        values = list(zip(numbers, value.numpy().tolist(), np.logaddexp(0, numbers).tolist(), strict=True))
        for number, got, _ in values:
            assert np.isfinite(got), (
                f"log1pexp({number}) = {got}: exp overflows. Take the larger of x and 0 out of the logarithm."
            )
        for number, got, right in values:
            assert np.isclose(got, right, rtol=rtol, atol=0), (
                f"log1pexp({number}) = {got}, expected {right}: 1 + a tiny number loses the digits of the tiny one, and "
                "tf.math.log1p does not."
            )
        assert slopes is not None, "The gradient is None: something on the way left TensorFlow, or stopped the gradient."
        sigmoid = 1 / (1 + np.exp(-np.clip(numbers, -700, 700)))
        assert np.isfinite(slopes).all(), (
            f"The gradient at {numbers} is {np.asarray(slopes).tolist()}: the tape differentiates the detour. Give it your "
            "own derivative with tf.custom_gradient, written so that exp does not overflow."
        )
        assert not np.allclose(slopes, sigmoid, rtol=1e-5), (
            "The gradient ignores what comes after: multiply your derivative by the upstream gradient that it is given."
        )
        for number, got, right in zip(numbers, np.asarray(slopes / weights), sigmoid, strict=True):
            assert np.isclose(got, right, rtol=rtol, atol=1e-30), (
                f"The derivative at {number} is {got}, expected {right}: on paper it is 1 / (1 + exp(-x)), 1/2 at 0."
            )
        curvature, right = second.gradient(slopes, x), weights * sigmoid * (1 - sigmoid)
        assert curvature is not None and np.allclose(curvature, right, rtol=10 * rtol, atol=1e-15), (
            "The second derivative is not sigmoid(x) * (1 - sigmoid(x)): compute your derivative with TensorFlow, so that "
            "a tape can differentiate it again, and without an exp that overflows."
        )


@exercise
def check_divide_and_tanh(scalar_type):
    """Day 2, exercise 2: a subclass of the notebook's ``Scalar`` with ``/`` and ``tanh``."""
    import tensorflow as tf

    def tanh(a):
        return tf.tanh(a) if tf.is_tensor(a) else a.tanh()

    rules = {
        "a / b": "The slope of a / b is 1 / b along a, and -a / b**2 along b.",
        "tanh(a)": "The slope of tanh(a) is 1 - tanh(a)**2.",
        "b / tanh(a)": "The two together fail: each operation passes on what it was given, times its own slope.",
        "a / a": "a is used twice: what its two uses contribute has to be added up.",
        "tanh(a / b) / b": "What your methods return must have these methods too: make it with type(self).",
        "tanh(a) * a + b / tanh(a)": "Values that are used more than once get a contribution from each use; add them up.",
    }
    formulas = {
        "a / b": lambda a, b: a / b,
        "tanh(a)": lambda a, b: tanh(a),
        "b / tanh(a)": lambda a, b: b / tanh(a),
        "a / a": lambda a, b: a / a,
        "tanh(a / b) / b": lambda a, b: tanh(a / b) / b,
        "tanh(a) * a + b / tanh(a)": lambda a, b: tanh(a) * a + b / tanh(a),
    }
    for text, formula in formulas.items():
        for numbers in [(0.5, -2.0), (-1.5, 0.25), (3.0, 4.0)]:
            a, b = tf.constant(numbers[0], tf.float64), tf.constant(numbers[1], tf.float64)
            with tf.GradientTape() as tape:
                tape.watch([a, b])
                expected = formula(a, b)
            slopes = [float(slope) for slope in tape.gradient(expected, [a, b], unconnected_gradients="zero")]
            leaves = [scalar_type(number) for number in numbers]
            result = formula(*leaves)
            case = f"{text} at a = {numbers[0]}, b = {numbers[1]}"
            assert result is not None, f"{case}: your method returns nothing."
            assert np.isclose(result.value, float(expected), rtol=1e-12), (
                f"{case}: the value is {result.value}, expected {float(expected)}."
            )
            result.backward()
            got = [leaf.grad for leaf in leaves]
            assert np.allclose(got, slopes, rtol=1e-12, atol=1e-12), (
                f"{case}: the gradients are {got}, expected {slopes}. {rules[text]}"
            )


@exercise
def check_hessian_vector_product(hessian_vector_product):
    """Day 2, exercise 3: ``hessian_vector_product(f, x, v)`` without the Hessian, in two passes."""
    import sys

    import tensorflow as tf

    rng = np.random.default_rng(0)
    mixing = tf.constant(rng.normal(size=(6, 6)))
    calls, gradient_calls = [], []

    def f(x):
        calls.append(x)
        y = tf.linalg.matvec(mixing, tf.reshape(x, [6]))
        return tf.reduce_sum(tf.sin(y) * y**2)

    gradient = tf.GradientTape.gradient
    whole = AssertionError(
        "The numbers may be right, but that builds the whole Hessian: n * n numbers for n inputs. One product needs the "
        "derivative of the gradient along one direction."
    )

    def counted_gradient(self, *args, **kwargs):
        if not sys._getframe(1).f_globals["__name__"].startswith("tensorflow."):  # forward mode uses tapes inside
            gradient_calls.append(self)
        return gradient(self, *args, **kwargs)

    for shape in ([6], [2, 3]):
        x, v = (tf.constant(rng.normal(size=shape)) for _ in range(2))
        y = mixing.numpy() @ x.numpy().ravel()
        bend = (2 - y**2) * np.sin(y) + 4 * y * np.cos(y)  # second derivative of sin(y) * y**2
        hessian = mixing.numpy().T @ (bend[:, None] * mixing.numpy())  # (6, 6)
        expected = (hessian @ v.numpy().ravel()).reshape(shape)
        calls.clear()
        with (
            mock.patch.object(tf.GradientTape, "jacobian", side_effect=whole),
            mock.patch.object(tf.GradientTape, "batch_jacobian", side_effect=whole),
            mock.patch.object(tf, "hessians", side_effect=whole),
            mock.patch.object(tf.GradientTape, "gradient", counted_gradient),
        ):
            gradient_calls.clear()
            got = hessian_vector_product(f, x, v)
        assert got is not None, (
            "The result is None. The inner tape needs x watched, and the outer one has to see how the gradient is computed."
        )
        got = np.asarray(got)
        assert got.shape == tuple(shape), f"The product has the shape of x, {tuple(shape)}, but yours has {got.shape}."
        assert not np.allclose(got, hessian.sum(axis=0).reshape(shape)), (
            "That is the Hessian times a vector of ones: v is not used. A target that is not a scalar is summed."
        )
        assert np.allclose(got, expected, rtol=1e-4, atol=1e-4), (
            f"For x of shape {tuple(shape)} got {got.round(4).tolist()}, expected {expected.round(4).tolist()}: the "
            "derivative of the gradient in direction v."
        )
        assert np.allclose(got, expected, rtol=1e-11, atol=1e-11), (
            f"Nearly: off by {np.abs(got - expected).max():.0e}. No finite difference and no float32 here; automatic "
            "differentiation is exact to rounding."
        )
        assert len(calls) == 1 and len(gradient_calls) <= 2, (
            f"Right, but f ran {len(calls)} times and tape.gradient {len(gradient_calls)} times. One run of f, with one "
            "reverse pass in it, under one derivative along v, is enough for any number of inputs."
        )


@exercise
def check_standardise(standardise):
    """Day 2, exercise 4: ``Standardise(n_features)``, a module whose ``adapt`` and call survive in a SavedModel."""
    import tempfile

    import tensorflow as tf

    rng = np.random.default_rng(0)
    module = standardise(3)
    assert isinstance(module, tf.Module), "Derive the class from tf.Module, or there is nothing that can be saved."
    for round_, n in enumerate((4, 6)):
        data = tf.constant(rng.normal(loc=5, scale=[1.0, 10.0, 0.1], size=(n, 3)), tf.float32)
        module.adapt(data)
        x = tf.constant(rng.normal(loc=5, size=(n - 2, 3)), tf.float32)
        mean, std = data.numpy().mean(axis=0), data.numpy().std(axis=0)
        expected = (x - mean) / std
        got = np.asarray(module(x))
        frozen = round_ > 0 and not np.allclose(got, expected, rtol=1e-3, atol=1e-3)
        assert not frozen, (
            "After a second adapt the module still uses the first statistics: a Python or NumPy value is frozen when the "
            "function is traced. Keep them in variables, and assign."
        )
        assert got.shape == expected.shape and np.allclose(got, expected, rtol=1e-3, atol=1e-3), (
            "Subtract the mean of each feature (over the rows that adapt was given) and divide by its standard deviation, "
            f"tf.math.reduce_std(..., axis=0): got {got.round(3).tolist()}, expected {expected.numpy().round(3).tolist()}."
        )
    assert len(module.variables) > 0, "The module has no variables: keep the statistics in tf.Variables, made in __init__."
    assert len(module.trainable_variables) == 0, (
        "An optimiser would change your statistics, which come from adapt: make the variables with trainable=False."
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder)
        loaded = tf.saved_model.load(folder)
    assert callable(loaded), "What was loaded cannot be called: only a tf.function is saved. Decorate __call__."
    for n in (1, 7):
        x = tf.constant(rng.normal(loc=5, size=(n, 3)), tf.float32)
        try:
            got = np.asarray(loaded(x))
        except ValueError as error:
            raise AssertionError(
                f"What was loaded cannot take a batch of {n}: it knows only the shapes it was traced with. Leave the first "
                "axis open in an input_signature, tf.TensorSpec([None, None], tf.float32)."
            ) from error
        assert np.allclose(got, (x - mean) / std, rtol=1e-3, atol=1e-3), (
            f"What was loaded gives other numbers than before: {got.round(3).tolist()} for a batch of {n}. The statistics "
            "have to be saved with it, as variables."
        )


@exercise
def check_position(position):
    """Day 3, exercise 1: ``position(step, n_examples, batch_size)``, the epoch and the batch to train on next."""
    for step, n_examples, batch_size, expected in [
        (0, 200, 50, (0, 0)),
        (3, 200, 50, (0, 3)),
        (9, 200, 50, (2, 1)),
        (6, 200, 32, (0, 6)),  # six batches of 32 and one of 8
        (7, 200, 32, (1, 0)),
        (70, 200, 32, (10, 0)),
        (20, 200, 32, (2, 6)),
        (5, 3, 64, (5, 0)),  # fewer examples than a batch holds
    ]:
        case = f"After {step} steps with {n_examples} examples in batches of {batch_size}"
        got = tuple(position(step, n_examples, batch_size))
        assert all(number == int(number) for number in got) and len(got) == 2, (
            f"{case}: got {got}, expected two whole numbers, the epoch and the batch."
        )
        if step == 0:
            assert got == expected, f"{case}: got {got}. Nothing is done yet, and both are counted from 0."
        if n_examples % batch_size == 0:
            assert got == expected, (
                f"{case}: got {got}, expected {expected}: {n_examples // batch_size} steps are an epoch."
            )
        assert got == expected, (
            f"{case}: got {got}, expected {expected}. An epoch ends with a shorter batch, which is a step too: round the "
            "number of steps up."
        )


@exercise
def check_plateau_rates(plateau_rates):
    """Day 3, exercise 2: ``plateau_rates(losses, rate, patience, factor)``, the learning rate after each epoch."""
    nan = float("nan")
    for losses, patience, expected, hint in [
        ([5, 4, 3, 2], 1, [8, 8, 8, 8], "As long as every loss is a new best one, the rate stays."),
        ([5, 6, 6, 4], 2, [8, 8, 4, 4], "The rate falls at the patience-th epoch in a row without progress."),
        ([5, 6, 4, 6, 3], 2, [8] * 5, "Progress sets the count of epochs without progress back to 0."),
        (
            [5, 9, 8, 7],
            3,
            [8, 8, 8, 4],
            "Progress: smaller than the smallest loss so far, not than the last one.",
        ),
        ([5, 5, 5], 2, [8, 8, 4], "A loss equal to the best one is no progress: it has to be smaller."),
        ([5, 6, 6, 6, 6], 2, [8, 8, 4, 4, 2], "Once the rate has fallen, count anew from 0; the best loss stays the best."),
        ([5, 6, 6, 6, 4], 2, [8, 8, 4, 4, 4], "Once the rate has fallen, count anew from 0."),
        ([5, nan, nan, 4], 2, [8, 8, 4, 4], "NaN is no progress: every comparison with it is False; ask loss < best."),
        ([nan, nan, 3, 2], 2, [8, 4, 4, 4], "NaN is no progress, and must not become the best loss: ask loss < best."),
        ([], 2, [], "Without losses there are no rates."),
    ]:
        got = list(plateau_rates(list(losses), 8.0, patience, 0.5))
        case = f"losses {losses}, rate 8, patience {patience}, factor 0.5"
        assert len(got) == len(losses), f"{case}: {len(got)} rates; one for each epoch is wanted."
        assert np.allclose(got, expected), f"{case}: expected {expected}, got {[float(rate) for rate in got]}. {hint}"
    got = list(plateau_rates([1.0, 2.0], 3.0, 1, 0.1))
    assert np.allclose(got, [3.0, 0.3]), f"Multiply the rate by factor: rate 3.0, factor 0.1 give [3.0, 0.3], got {got}."


@exercise
def check_accumulated_gradients(accumulated_gradients):
    """Day 3, exercise 3: ``accumulated_gradients(loss, variables, pieces)``, those of the mean over all examples."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    w, b = tf.Variable(rng.normal(size=(3, 2))), tf.Variable(rng.normal(size=2))
    longest = open_runs = most_open = 0
    records = []  # of the tapes that have answered
    gradient = tf.GradientTape.gradient

    def loss(x, y):
        nonlocal longest, open_runs, most_open
        longest, open_runs = max(longest, len(x)), open_runs + 1
        most_open = max(most_open, open_runs)
        return tf.reduce_mean(tf.reduce_sum((tf.tanh(x @ w + b) - y) ** 2, axis=1))

    def noted_gradient(self, *arguments, **options):
        nonlocal open_runs, most_open
        if open_runs and any(record is self._tape for record in records):  # it holds an earlier piece as well
            most_open = max(most_open, open_runs + 1)
        if self._tape is not None:
            records.append(self._tape)
        open_runs = 0
        return gradient(self, *arguments, **options)

    for lengths in ([4, 4], [7], [6, 2], [2, 6], [5, 1, 1]):
        pieces = [(tf.constant(rng.normal(size=(n, 3))), tf.constant(rng.normal(size=(n, 2)))) for n in lengths]
        everything = [tf.concat(parts, axis=0) for parts in zip(*pieces, strict=True)]
        with tf.GradientTape() as tape:
            value = loss(*everything)
        expected = tape.gradient(value, [w, b])
        longest = open_runs = most_open = 0
        records.clear()
        with mock.patch.object(tf.GradientTape, "gradient", noted_gradient):
            got = accumulated_gradients(loss, [w, b], list(pieces))
        case = f"Pieces of {lengths} examples"
        assert got is not None and len(got) == 2 and all(g is not None for g in got), (
            f"{case}: return a list with one gradient for each variable. None means that the tape did not see the way."
        )
        got = [np.asarray(gradient) for gradient in got]
        right = all(g.shape == e.shape and np.allclose(g, e, rtol=1e-9) for g, e in zip(got, expected, strict=True))
        if len(set(lengths)) == 1:
            assert right, (
                f"{case}: this is not the gradient of the mean over all examples. With equal pieces it is the mean, not "
                "the sum, of the pieces' gradients, and each piece counts."
            )
        assert right, (
            f"{case}: this is not the gradient of the mean over all examples. A piece counts as much as it has "
            "examples, of all that there are."
        )
        assert longest <= max(lengths), (
            f"{case}: right numbers, but loss was given {longest} examples at once. They do not fit on the device: one "
            "piece at a time."
        )
        assert most_open <= 1, (
            f"{case}: right numbers, but a tape held the intermediate results of {most_open} pieces at once. Take the "
            "gradient of each piece before you run the next."
        )


@exercise
def check_add_client(add_client):
    """Day 3, exercise 4: ``add_client(average, n_seen, weights, n)``, the clients' mean with one client more."""
    rng = np.random.default_rng(0)
    for n_seen, n in [(3, 1), (10, 30), (0, 5)]:
        average, weights = ([rng.normal(size=shape) for shape in [(3, 2), (2,)]] for _ in range(2))
        given = [array.copy() for array in (*average, *weights)]
        result = add_client(average, n_seen, weights, n)
        case = f"n_seen = {n_seen}, n = {n}"
        assert all(map(np.array_equal, (*average, *weights), given)), (
            f"{case}: your function changes the arrays that it is given, as += does. Make new ones."
        )
        got = [np.asarray(array) for array in result]
        assert [array.shape for array in got] == [(3, 2), (2,)], (
            f"{case}: a client has arrays of shapes (3, 2) and (2,), the result of {[array.shape for array in got]}. "
            "Average each array with its counterpart."
        )

        def is_mean(share, case_got=got, average=average, weights=weights):
            means = [(1 - share) * old + share * new for old, new in zip(average, weights, strict=True)]
            return [np.allclose(array, mean, rtol=1e-9, atol=1e-12) for array, mean in zip(case_got, means, strict=True)]

        right = is_mean(n / (n_seen + n))
        assert n_seen or all(right), f"{case}: before the first client the average counts for nothing."
        assert right != [True, False], f"{case}: the first array is right, the second is not. Average all arrays."
        assert not all(is_mean(1 / 2)), f"{case}: that is the plain mean. The average stands for {n_seen} examples."
        assert not all(is_mean(n_seen / (n_seen + n))), f"{case}: the shares are the wrong way round."
        assert all(right), (
            f"{case}: the shares of the average and of the client are in the ratio {n_seen} to {n} and sum to 1. If all "
            "weights are equal, so is the mean."
        )
