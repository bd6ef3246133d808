"""Logistic regression in TensorFlow core: no Keras, no optimiser class, the gradient written down by hand.

Day 6 derives the multiclass model step by step, Day 7 the binary and the multilabel one.
"""

import functools

import numpy as np
import tensorflow as tf

from tensorflow_basics.checks import check_int, check_number


def softmax(logits):
    """Probabilities from logits: ``exp(logits) / sum(exp(logits))`` over the last axis, without overflow.

    The maximum of each row is subtracted first. That changes nothing in the quotient and keeps every exponent at or
    below 0, so that no exp can overflow.

    Parameters
    ----------
    logits : tf.Tensor
        Floating point, shape (..., n_classes).

    Returns
    -------
    tf.Tensor
        Same shape and dtype; no entry is negative, and each row sums to 1.

    Raises
    ------
    TypeError
        If `logits` is not floating point.

    Examples
    --------
    >>> softmax(tf.constant([[1000.0, 1000.0]])).numpy().tolist()
    [[0.5, 0.5]]
    """
    logits = _logits(logits)
    exp = tf.exp(logits - tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True)))
    return exp / tf.reduce_sum(exp, axis=-1, keepdims=True)


def cross_entropy(y_true, logits):
    """Cross-entropy of each example, ``-log(softmax(logits)[y_true])``, computed from the logits.

    The logarithm and the exp of the softmax cancel on paper, so they are cancelled in the code as well:
    ``log(sum(exp(logits))) - logits[y_true]``, shifted by the row's maximum. It stays finite where ``log(softmax(...))``
    gives -inf.

    Parameters
    ----------
    y_true : tf.Tensor
        Integer class indices, shape (n,), 0 to n_classes - 1.
    logits : tf.Tensor
        Floating point and finite, shape (n, n_classes).

    Returns
    -------
    tf.Tensor
        Shape (n,), in nats; take ``tf.reduce_mean`` for the loss of a batch.

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape is wrong, or, outside a graph, a label out of range.

    Examples
    --------
    >>> cross_entropy(tf.constant([1]), tf.constant([[1000.0, 0.0]])).numpy().tolist()
    [1000.0]
    """
    y_true, logits = _labels_and_logits(y_true, logits)
    shifted = logits - tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    # A product with the one-hot labels picks logits[y_true]; with tf.gather(batch_dims=1) training takes a third longer.
    at_label = tf.reduce_sum(shifted * tf.one_hot(y_true, tf.shape(logits)[-1], dtype=logits.dtype), axis=-1)
    return tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1)) - at_label


def cross_entropy_gradient(y_true, logits):
    """Gradient of each example's cross-entropy with respect to its logits: ``softmax(logits) - one_hot(y_true)``.

    Parameters
    ----------
    y_true, logits : tf.Tensor
        As for `cross_entropy`.

    Returns
    -------
    tf.Tensor
        Shape (n, n_classes), dtype of `logits`; every entry lies in [-1, 1] and every row sums to 0.

    References
    ----------
    C. M. Bishop: Pattern Recognition and Machine Learning, 2006, section 4.3.4.
    """
    y_true, logits = _labels_and_logits(y_true, logits)
    return softmax(logits) - tf.one_hot(y_true, tf.shape(logits)[-1], dtype=logits.dtype)


def binary_cross_entropy(y_true, logits):
    """Cross-entropy of each label with the sigmoid of its logit: ``-log(p)`` where the label is 1, ``-log(1 - p)`` where 0.

    Computed from the logits as ``softplus(-z)`` and ``softplus(z)``, ``softplus(a) = log(1 + exp(a))``: finite for every
    logit, and exact where `p` would round to 0 or 1.

    Parameters
    ----------
    y_true : tf.Tensor
        Labels 0 or 1, numbers or booleans, of the shape of `logits`.
    logits : tf.Tensor
        Floating point and finite, any shape.

    Returns
    -------
    tf.Tensor
        Shape and dtype of `logits`, in nats; take ``tf.reduce_mean`` for the loss of a batch.

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape is wrong, or, outside a graph, a label is neither 0 nor 1.

    Examples
    --------
    >>> binary_cross_entropy(tf.constant([0, 1]), tf.constant([1000.0, -20.0])).numpy().tolist()
    [1000.0, 20.0]
    """
    return _signed_loss(*_signs_and_logits(y_true, logits))


def binary_cross_entropy_gradient(y_true, logits):
    """Gradient of each binary cross-entropy with respect to its logit: ``sigmoid(logits) - y_true``.

    Parameters
    ----------
    y_true, logits : tf.Tensor
        As for `binary_cross_entropy`.

    Returns
    -------
    tf.Tensor
        Shape and dtype of `logits`; every entry lies in [-1, 1].

    References
    ----------
    C. M. Bishop: Pattern Recognition and Machine Learning, 2006, section 4.3.2.
    """
    return _signed_gradient(*_signs_and_logits(y_true, logits))


class _AffineModel(tf.Module):
    """One affine map from features to logits, trained by stochastic gradient descent.

    A subclass says what the labels are (`_shape_of_labels`, `_targets`, `_target_spec`), what they count (`_weighted`) and
    what they cost: `_functions`, the loss of each example, its gradient by the logits and the fraction that is right, all
    of targets and logits.
    """

    def __init__(self, n_features, n_outputs, dtype, name):
        super().__init__(name=name)
        check_int("n_features", n_features, 1)
        if dtype not in (tf.float32, tf.float64):
            raise ValueError(f"dtype must be tf.float32 or tf.float64, got {dtype!r}")
        self.w = tf.Variable(tf.zeros([n_features, n_outputs], dtype), name="w")
        self.b = tf.Variable(tf.zeros([n_outputs], dtype), name="b")

    def __call__(self, x):
        """Logits of a batch: shape (n, n_features) to (n, n_outputs), a column for each class or label."""
        return self._examples("x", x) @ self.w + self.b

    def fit(self, x, y, *, epochs=5, batch_size=32, learning_rate=0.8, validation_data=None, seed=0):
        """Stochastic gradient descent, every epoch in one graph.

        The step size falls linearly from `learning_rate` to 0, so that a large first step does not cost a noisy end.
        Training continues from the present weights.

        Parameters
        ----------
        x : array_like
            Examples, floating point (integers are cast), shape (n, n_features).
        y : array_like
            Labels, one row or entry for each example: integers from 0 to n_classes - 1, shape (n,), for a
            `SoftmaxRegression`; 0 or 1, shape (n,) or (n, n_labels), for a `LogisticRegression`.
        epochs, batch_size : int
            Passes over the data and examples a step, at least 1. The last batch of an epoch may be smaller.
        learning_rate : float
            First step size, above 0.
        validation_data : (x_val, y_val), optional
            Evaluated after each epoch, without class weights; never trained on.
        seed : int
            Seed of the shuffling, 0 to 2**31 - 1.

        Returns
        -------
        dict of list of float
            One value an epoch, named as in Keras's history: ``loss``, the mean over the examples, each at the step that met
            it, and with `validation_data` also ``val_loss`` and ``val_accuracy`` after the epoch.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or range; nothing has been trained then.
        """
        x, y = self._labelled("x", x, "y", y)
        check_int("epochs", epochs, 1, 2**31 - 1)
        check_int("batch_size", batch_size, 1)
        batch_size = min(batch_size, len(y))
        check_int("seed", seed, 0, 2**31 - 1)
        check_number("learning_rate", learning_rate, 1e-30, 1e30, above=True, below=True)  # well inside float32
        if validation_data is None:
            x_val, y_val = x[:0], y[:0]
        elif not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise ValueError(f"validation_data must be a pair (x_val, y_val), got {type(validation_data).__name__}")
        else:
            x_val, y_val = validation_data
            x_val, y_val = self._labelled("validation_data[0]", x_val, "validation_data[1]", y_val)

        integers = (tf.constant(int(value), tf.int32) for value in (epochs, batch_size, seed))
        w, b, loss, val_loss, val_accuracy = _train_in_graph(type(self), x.dtype)(
            tf.convert_to_tensor(self.w),
            tf.convert_to_tensor(self.b),
            *(x, self._weighted(y), x_val, y_val),
            *integers,
            tf.constant(float(learning_rate), x.dtype),
        )
        self.w.assign(w)
        self.b.assign(b)
        history = {"loss": loss.numpy().tolist()}
        if validation_data is not None:
            history |= {"val_loss": val_loss.numpy().tolist(), "val_accuracy": val_accuracy.numpy().tolist()}
        return history

    def _weighted(self, targets):
        return targets

    def _examples(self, name, x):
        x = x if tf.is_tensor(x) else _array(name, x)
        dtype = x.dtype if tf.is_tensor(x) else getattr(tf.dtypes, x.dtype.name, tf.string)
        if not (dtype.is_floating or dtype.is_integer):
            raise TypeError(f"{name} must hold numbers, got {x.dtype}")
        if len(x.shape) != 2 or x.shape[-1] != self.w.shape[0]:
            raise ValueError(f"{name} must have shape (n, {self.w.shape[0]}), got {tuple(x.shape)}")
        return tf.cast(x, self.w.dtype)

    def _labelled(self, x_name, x, y_name, y):
        x = self._examples(x_name, x)
        y = _array(y_name, y)
        if y.dtype.kind not in self._label_kinds:
            raise TypeError(f"{y_name} must hold integer labels, got an array of {y.dtype}")
        shape = (x.shape[0], *self._shape_of_labels())
        if y.shape != shape:
            what = "one label for each row" if len(shape) == 1 else "a row of labels for each row"
            raise ValueError(f"{y_name} must have shape {shape}, {what} of {x_name}, got {y.shape}")
        if len(y) == 0:
            raise ValueError(f"{x_name} and {y_name} are empty: at least one example is needed")
        return _finite(x_name, x), self._targets(y_name, y)

    _label_kinds = "iu"  # of NumPy's dtypes: integers

    def _shape_of_labels(self):
        return ()


class SoftmaxRegression(_AffineModel):
    """Multiclass logistic regression: one affine map, a softmax, and the cross-entropy between them and the labels.

    Weights and biases start at zero: the loss is convex, so there is no symmetry to break.

    Parameters
    ----------
    n_features, n_classes : int
        Width of an example, at least 1, and number of classes, at least 2.
    dtype : tf.DType
        ``tf.float32`` or ``tf.float64``.

    Attributes
    ----------
    w, b : tf.Variable
        Weights of shape (n_features, n_classes) and biases of shape (n_classes,).

    Examples
    --------
    >>> model = SoftmaxRegression(n_features=2, n_classes=2)
    >>> history = model.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1], epochs=50)
    >>> model.predict([[0.1, 0.9]]).numpy().tolist()
    [0]
    """

    def __init__(self, n_features, n_classes, dtype=tf.float32, name=None):
        check_int("n_classes", n_classes, 2)
        super().__init__(n_features, n_classes, dtype, name)

    def predict_proba(self, x):
        """Probability of each class: `x` of shape (n, n_features), finite, to (n, n_classes)."""
        return softmax(self(_finite("x", self._examples("x", x))))

    def predict(self, x):
        """Most probable class of each example: `x` as for `predict_proba` to (n,), int64; the lowest index wins a tie."""
        return tf.argmax(self(_finite("x", self._examples("x", x))), axis=-1)

    def score(self, x, y):
        """Accuracy on `x` of shape (n, n_features) with labels `y` of shape (n,), a float from 0 to 1."""
        x, y = self._labelled("x", x, "y", y)
        return float(_accuracy(y, self(x)))

    def _targets(self, name, y):
        n_classes = self.b.shape[0]
        if y.min() < 0 or y.max() >= n_classes:
            raise ValueError(f"{name} must lie in 0..{n_classes - 1}, got labels from {y.min()} to {y.max()}")
        return tf.constant(y, tf.int64)

    @staticmethod
    def _functions():
        return cross_entropy, cross_entropy_gradient, _accuracy

    @staticmethod
    def _target_spec(dtype):
        return tf.TensorSpec([None], tf.int64)


class LogisticRegression(_AffineModel):
    """Binary logistic regression: one affine map, a sigmoid, and the binary cross-entropy. With several labels: one each.

    With ``n_labels=1`` a label says which of two classes an example belongs to. With more, an example may have any number
    of the labels (multilabel): each has a sigmoid of its own, and its weights are those of a model that learned it alone.

    Weights and biases start at zero: the loss is convex, so there is no symmetry to break. There is no regularisation; the
    optimum is that of scikit-learn's ``LogisticRegression(C=np.inf)``. What `fit` minimises is the sum over the labels; the
    loss that it reports is the mean.

    Parameters
    ----------
    n_features, n_labels : int
        Width of an example and number of labels, at least 1.
    class_weight : None, "balanced" or dict
        What an example counts in the loss: ``{0: weight, 1: weight}``, both above 0, or by its class's share of the labels
        given to `fit`, ``n / (2 * count)``, so that both classes count the same; for each label separately.
    pos_weight : float or array_like of shape (n_labels,), optional
        The same as ``class_weight={0: 1, 1: pos_weight}``, but it may differ from label to label. One of the two at most.
    dtype : tf.DType
        ``tf.float32`` or ``tf.float64``.

    Attributes
    ----------
    w, b : tf.Variable
        Weights of shape (n_features, n_labels) and biases of shape (n_labels,).
    coef_, intercept_ : ndarray
        The same as scikit-learn keeps them: shapes (n_labels, n_features) and (n_labels,).

    Examples
    --------
    >>> model = LogisticRegression(n_features=2)
    >>> history = model.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1], epochs=50)
    >>> model.predict([[0.1, 0.9], [0.8, 0.1]]).numpy().tolist()
    [0, 1]
    """

    def __init__(self, n_features, n_labels=1, class_weight=None, pos_weight=None, dtype=tf.float32, name=None):
        check_int("n_labels", n_labels, 1)
        super().__init__(n_features, n_labels, dtype, name)
        if class_weight is not None and pos_weight is not None:
            raise ValueError("class_weight and pos_weight both weigh the positives: give one of them")
        self._pair = (1.0, 1.0)  # weights of the negatives and of the positives of each label, or None for "balanced"
        if isinstance(class_weight, str) and class_weight == "balanced":
            self._pair = None
        elif class_weight is not None:
            if not isinstance(class_weight, dict) or set(class_weight) != {0, 1}:
                raise ValueError(f"class_weight must be 'balanced' or a dict with the keys 0 and 1, got {class_weight!r}")
            self._pair = tuple(_weights(f"class_weight[{k}]", class_weight[k], ()) for k in (0, 1))
        elif pos_weight is not None:
            self._pair = 1.0, _weights("pos_weight", pos_weight, (n_labels,))

    @property
    def coef_(self):
        return self.w.numpy().T

    @property
    def intercept_(self):
        return self.b.numpy()

    def decision_function(self, x):
        """Log-odds of each label: shape (n, n_features) to (n,), or (n, n_labels) if there are several labels."""
        logits = self(_finite("x", self._examples("x", x)))
        return logits[:, 0] if self.b.shape[0] == 1 else logits

    def predict_proba(self, x):
        """Probabilities: of the classes 0 and 1, shape (n, 2), or of each of several labels, shape (n, n_labels)."""
        logits = self.decision_function(x)
        return tf.sigmoid(tf.stack([-logits, logits], axis=-1) if self.b.shape[0] == 1 else logits)

    def predict(self, x, threshold=0.5):
        """Labels 0 or 1, int64: 1 where the probability is at least `threshold`.

        Parameters
        ----------
        x : array_like
            Shape (n, n_features).
        threshold : float or array_like of shape (n_labels,)
            From 0 (everything is 1) to 1 (almost nothing is); one for all labels, or one for each.

        Returns
        -------
        tf.Tensor
            Shape (n,), or (n, n_labels) if there are several labels.
        """
        threshold = _numbers("threshold", threshold, tuple(self.b.shape))
        if not np.all((threshold >= 0) & (threshold <= 1)):
            raise ValueError(f"threshold must lie in [0, 1], got {threshold.tolist()}")
        probabilities = tf.sigmoid(self.decision_function(x))
        return tf.cast(probabilities >= tf.constant(np.squeeze(threshold), self.w.dtype), tf.int64)

    def score(self, x, y):
        """Fraction of the examples of which all labels are predicted right at the threshold 0.5, from 0 to 1.

        With one label that is the accuracy, with several the subset accuracy.
        """
        x, targets = self._labelled("x", x, "y", y)
        return float(_signed_accuracy(targets, self(x)))

    _label_kinds = "iub"  # integers and booleans

    def _shape_of_labels(self):
        n_labels = self.b.shape[0]
        return () if n_labels == 1 else (n_labels,)

    def _targets(self, name, y):
        y = y.reshape(len(y), -1)
        if not np.isin(y, (0, 1)).all():
            raise ValueError(f"{name} must hold the labels 0 and 1, got labels from {y.min()} to {y.max()}")
        return tf.constant(2.0 * y - 1, self.w.dtype)  # (n, n_labels), -1 or 1: see _signed_loss

    def _weighted(self, targets):
        negative, positive = self._pair or _balanced(targets)
        return tf.where(targets > 0, targets * tf.cast(positive, targets.dtype), targets * tf.cast(negative, targets.dtype))

    @staticmethod
    def _functions():
        return _mean_signed_loss, _signed_gradient, _signed_accuracy

    @staticmethod
    def _target_spec(dtype):
        return tf.TensorSpec([None, None], dtype)


@functools.cache
def _train_in_graph(model, dtype):
    """`_train` of a class of models as a graph that is traced once and serves models and data of all sizes."""
    matrix, vector, scalar = (tf.TensorSpec(shape, dtype) for shape in ([None, None], [None], []))
    targets, integer = model._target_spec(dtype), tf.TensorSpec([], tf.int32)
    signature = [matrix, vector, matrix, targets, matrix, targets, integer, integer, integer, scalar]
    return tf.function(functools.partial(_train, *model._functions()), input_signature=signature)


def _train(loss_of, gradient_of, accuracy_of, w, b, x, y, x_val, y_val, epochs, batch_size, seed, learning_rate):
    """All epochs of `fit`, from and to weights as plain tensors."""
    n = tf.shape(x)[0]
    steps = (n + batch_size - 1) // batch_size
    loss, val_loss, val_accuracy = [tf.TensorArray(x.dtype, size=epochs) for _ in range(3)]
    for epoch in tf.range(epochs):
        order = tf.random.experimental.stateless_shuffle(tf.range(n), seed=tf.stack([seed, epoch]))
        total = tf.zeros([], x.dtype)
        for step in tf.range(steps):
            index = order[step * batch_size : (step + 1) * batch_size]
            x_batch, y_batch = tf.gather(x, index), tf.gather(y, index)
            logits = x_batch @ w + b  # (batch, n_outputs)
            total += tf.reduce_sum(loss_of(y_batch, logits))
            rate = learning_rate * (1 - tf.cast(epoch * steps + step, x.dtype) / tf.cast(epochs * steps, x.dtype))
            delta = gradient_of(y_batch, logits) * (rate / tf.cast(tf.size(index), x.dtype))
            w -= tf.matmul(x_batch, delta, transpose_a=True)  # (n_features, batch) @ (batch, n_outputs)
            b -= tf.reduce_sum(delta, axis=0)
        logits = x_val @ w + b
        loss = loss.write(epoch, total / tf.cast(n, x.dtype))
        val_loss = val_loss.write(epoch, tf.reduce_mean(loss_of(y_val, logits)))
        val_accuracy = val_accuracy.write(epoch, tf.cast(accuracy_of(y_val, logits), x.dtype))
    return w, b, loss.stack(), val_loss.stack(), val_accuracy.stack()


def _accuracy(y_true, logits):
    # In float32 9 hits of 10 would be 0.8999999761581421, less than 0.9.
    return tf.reduce_mean(tf.cast(tf.argmax(logits, axis=-1) == y_true, tf.float64))


# A binary label is kept as a signed weight: 1 for a positive, -1 for a negative example, times what it counts. The loss of
# a positive at the logit z is that of a negative at -z, so that one formula serves both, and nothing is subtracted from 1.


def _signed_loss(signed, logits):
    return tf.abs(signed) * tf.math.softplus(-tf.sign(signed) * logits)


def _signed_gradient(signed, logits):
    return -signed * tf.sigmoid(-tf.sign(signed) * logits)


def _mean_signed_loss(signed, logits):
    return tf.reduce_mean(_signed_loss(signed, logits), axis=-1)  # (n, n_labels) -> (n,)


def _signed_accuracy(signed, logits):
    right = tf.reduce_all((tf.sigmoid(logits) >= 0.5) == (signed > 0), axis=-1)
    return tf.reduce_mean(tf.cast(right, tf.float64))


def _signs_and_logits(y_true, logits):
    y_true, logits = tf.convert_to_tensor(y_true), _logits(logits)
    if not (y_true.dtype.is_integer or y_true.dtype.is_floating or y_true.dtype.is_bool):
        raise TypeError(f"y_true must hold the labels 0 and 1, got {y_true.dtype.name}")
    if not y_true.shape.is_compatible_with(logits.shape):
        raise ValueError(f"y_true must have the shape of logits, {logits.shape}, got {y_true.shape}")
    signs = 2 * tf.cast(y_true, logits.dtype) - 1
    if tf.executing_eagerly() and not tf.reduce_all(tf.abs(signs) == 1):
        raise ValueError("y_true must hold the labels 0 and 1, got other values")
    return signs, logits


def _balanced(signs):
    n, positive = signs.shape[0], tf.reduce_sum(tf.cast(signs > 0, signs.dtype), axis=0)  # (n_labels,)
    if tf.reduce_any((positive == 0) | (positive == n)):
        raise ValueError("class_weight 'balanced' needs examples of both classes in y, for every label")
    return n / (2 * (n - positive)), n / (2 * positive)


def _weights(name, values, shape):
    values = _numbers(name, values, shape)
    if not np.all((values > 1e-6) & (values < 1e6)):
        raise ValueError(f"{name} must be above 1e-6 and below 1e6, got {values.tolist()}")
    return values


def _numbers(name, values, shape):
    """`values` as float64, one number or an array of `shape`."""
    values = _array(name, values)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a number or an array of numbers, got {values.dtype}")
    if values.shape not in ((), shape):
        raise ValueError(f"{name} must be one number{f' or have shape {shape}' if shape else ''}, got {values.shape}")
    return values.astype(np.float64)


def _logits(logits):
    logits = tf.convert_to_tensor(logits)
    if not logits.dtype.is_floating:
        raise TypeError(f"logits must be floating point, got {logits.dtype.name}")
    return logits


def _labels_and_logits(y_true, logits):
    y_true, logits = tf.convert_to_tensor(y_true), _logits(logits)
    if not y_true.dtype.is_integer:
        raise TypeError(f"y_true must hold integer labels, got {y_true.dtype.name}")
    y_true = tf.cast(y_true, tf.int64)  # one_hot does not take all integers
    if not y_true.shape.is_compatible_with(logits.shape[:-1]):
        raise ValueError(
            f"y_true must have the shape of logits without its last axis, {logits.shape[:-1]}, got {y_true.shape}"
        )
    if tf.executing_eagerly() and tf.size(y_true) > 0:
        lowest, highest, n_classes = int(tf.reduce_min(y_true)), int(tf.reduce_max(y_true)), logits.shape[-1]
        if lowest < 0 or highest >= n_classes:
            raise ValueError(f"y_true must lie in 0..{n_classes - 1}, got labels from {lowest} to {highest}")
    return y_true, logits


def _finite(name, x):
    if tf.executing_eagerly() and not tf.reduce_all(tf.math.is_finite(x)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return x


def _array(name, values):
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:  # rows of different lengths, a sparse tensor
        raise TypeError(f"{name} must be an array: {error}") from error
