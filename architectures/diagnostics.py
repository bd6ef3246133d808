"""Which layers of a network do not learn, and why: one table and one figure for any Keras model or `tf.Module`.

Day 8 derives the four diseases that the table names, plants each of them, and looks for them with `diagnose`.
"""

import contextlib
import inspect

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

VANISHING = 1e-3
"""A layer's gradient vanishes below this fraction of the largest gradient of a layer that does not explode.

At 1/1000, the layer has moved by a thousandth of the way when the other one has arrived.
"""

EXPLODING = 100.0
"""A layer's gradient explodes above this multiple of its weights (their norm, or 1 if that is smaller).

At 100, one step of a learning rate of 0.01 replaces the weights. Depth is one cause, inputs that were not scaled another.
"""

DEAD = 0.8
"""A layer is dead if more than this fraction of its units gives 0 for every example.

Not 0.5: after many layers all examples look alike, and then half of the units of a healthy layer are off for all of them.
"""

SATURATED = 0.5
"""A layer is saturated if more than this fraction of its values lies where the slope is below `FLAT`."""

FLAT = 0.05
"""A sigmoid or tanh is flat where its slope is below this fraction of the largest: beyond about 4.4 and 2.2."""

COLUMNS = ["activation", "mean", "std", "dead", "saturated", "not_finite", "weights", "gradient", "flags"]
CAN_DIE = {"relu", "relu6", "gelu", "silu", "swish"}
SLOPES = {"sigmoid": lambda a: 4 * a * (1 - a), "tanh": lambda a: 1 - a**2}  # of the output; the largest is 1


def diagnose(model, x, y, loss_fn, *, activations=None, training=True):
    """Statistics of each layer's outputs and gradients for one batch, and what is wrong with them.

    A layer is whatever the model calls that calls no further layer, or that owns variables. A recurrent Keras layer
    counts as one. The model is left as it was: moving averages are put back.

    Parameters
    ----------
    model : keras.Model, keras.Layer or tf.Module
        Called as ``model(x)``. A `tf.Module` consists of modules with a ``__call__``, or is itself the only layer.
    x : array_like or structure of array_like
        One batch, examples along the first axis: the more, the surer is the verdict on dead units.
    y : array_like
        Its targets, as many.
    loss_fn : callable
        ``loss_fn(y, output)``, differentiable, of any shape; its mean is what is differentiated.
    activations : dict of str to str, optional
        Name of the activation for layers, by name, that do not say so in an attribute ``activation``. Others are not
        checked for dead and saturated units.
    training : bool
        Whether Keras layers run as in training (the batch's statistics, dropout) or as afterwards.

    Returns
    -------
    pandas.DataFrame
        A row for each layer, in order of their calls, indexed by name:

        - ``activation``: name, or "" if unknown;
        - ``mean``, ``std``: of its outputs, of those that are finite;
        - ``dead``: fraction of units (last axis) that give 0 for each example; NaN where the activation cannot die;
        - ``saturated``: fraction of values where it is flat; NaN but for sigmoid and tanh;
        - ``not_finite``: fraction of outputs that are infinite or NaN;
        - ``weights``, ``gradient``: Euclidean norms of its trainable variables and of the gradient by them;
          NaN without any;
        - ``flags``: a tuple of ``"vanishing"``, ``"exploding"``, ``"dead"``, ``"saturated"``, ``"not finite"``,
          ``"frozen"`` (has weights, none to train), ``"unconnected"`` (no path from its weights to the loss).
          Empty if all is well. What the last layer's saturation means depends on the loss, so that is not flagged.

        A trainable variable that no called layer owns has a row of its own, with the flag "unconnected".

    Raises
    ------
    TypeError
        If the model is neither, `loss_fn` cannot be called, or `x` or `y` is not numeric.
    ValueError
        If the batch is empty or not finite, `x` and `y` differ in length or do not fit the model and the loss, no layer is
        called, or `activations` names a layer that there is not.

    Notes
    -----
    Not for use in several threads: while it runs, the classes of the layers are watched.

    Examples
    --------
    >>> from tensorflow_basics.modules import MLP
    >>> model = MLP([8, 8, 1], activation="sigmoid", seed=0)
    >>> x = tf.random.stateless_normal([50, 3], seed=[0, 0])
    >>> squares = lambda y, output: (output - y) ** 2
    >>> diagnose(model, x, x[:, :1], squares)["flags"].tolist()
    [(), (), ()]
    >>> model.layers[1].bias.assign_sub(20 * tf.ones([8]))  # doctest: +ELLIPSIS
    <tf.Variable...
    >>> diagnose(model, x, x[:, :1], squares)["flags"].tolist()
    [('vanishing',), ('vanishing', 'saturated'), ()]
    """
    if not isinstance(model, (keras.Layer, tf.Module)):
        raise TypeError(f"model must be a Keras model or a tf.Module, got {type(model).__name__}")
    if not callable(model):
        raise TypeError(f"model must have a __call__, {type(model).__name__} has none")
    if not callable(loss_fn):
        raise TypeError(f"loss_fn must be callable as loss_fn(y, output), got {loss_fn!r}")
    x, y = _checked_batch(x, y)
    records, loss, tape = _run(model, x, y, loss_fn, training)
    records, gradients = _gradients(tape, loss, model, records)
    names = _unique(record.name for record in records)
    _check_activations(activations, names)
    rows = [_row(r, (activations or {}).get(name), gradients) for name, r in zip(names, records, strict=True)]
    owned = {id(variable) for record in records for variable in record.own}
    for variable in model.trainable_variables:
        if id(variable) not in owned:
            names.append(getattr(variable, "path", variable.name))
            norm = _norm([tf.convert_to_tensor(variable)])
            rows.append(dict.fromkeys(COLUMNS, np.nan) | {"activation": "", "weights": norm, "flags": ["unconnected"]})
    _flag_gradients(rows)
    last = max((i for i, record in enumerate(records) if not record.n_inside), default=None)
    for i, row in enumerate(rows):
        if row["saturated"] > SATURATED and i != last:  # what the last one's saturation means depends on the loss
            row["flags"].append("saturated")
    for row in rows:
        row["flags"] = tuple(row["flags"])
    return pd.DataFrame(rows, index=pd.Index(names, name="layer"), columns=COLUMNS)


def plot(report):
    """Draw a report: the gradient and the weights of each layer, and the outputs, those that are flagged in red.

    Parameters
    ----------
    report : pandas.DataFrame
        From `diagnose`.

    Returns
    -------
    matplotlib.figure.Figure
        Left: norms, logarithmic; a gradient of 0 has no point. Right: what fraction is dead or saturated. Flags are written
        beside the names of the layers.

    Raises
    ------
    TypeError
        If `report` is not what `diagnose` returns.
    """
    if not isinstance(report, pd.DataFrame) or list(report.columns) != COLUMNS:
        raise TypeError("report must be what diagnose returns")
    import matplotlib.pyplot as plt

    rows = np.arange(len(report))
    height = 1.2 + 0.28 * len(report)
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, height), sharey=True, layout="constrained")
    for column, style in (("weights", "|"), ("gradient", "o")):
        values = report[column].where(report[column] > 0)
        left.plot(values, rows, style, color="grey" if column == "weights" else "C0", label=column)
    left.set(xlabel="Euclidean norm", title="Weights and their gradient")
    if (report[["weights", "gradient"]] > 0).any(axis=None):
        left.set_xscale("log")
    left.set_yticks(rows, [f"{name}  {', '.join(flags)}" for name, flags in report["flags"].items()])
    for label, flags in zip(left.get_yticklabels(), report["flags"], strict=True):
        label.set_color("tab:red" if flags else "black")
    for shift, (column, color) in enumerate((("dead", "black"), ("saturated", "C1"))):
        right.barh(rows - 0.18 + 0.36 * shift, report[column].fillna(0), 0.34, color=color, label=column)
    right.set(xlabel="fraction of units (dead), of values (saturated)", xlim=(0, 1), title="Outputs")
    left.invert_yaxis()
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return fig


class _Record:
    """A layer that was called: its outputs, and the variables that belong to no layer called inside it."""

    def __init__(self, layer, outputs, own, n_inside):
        self.layer, self.outputs, self.own, self.n_inside = layer, outputs, own, n_inside
        self.name = layer.name


@contextlib.contextmanager
def _watched(model):
    """Collect the calls of layers as a list of [layer, outputs, layers called inside], in the order in which they end.

    Afterwards, what is not trained, such as moving averages, has its old values again.
    """
    calls, stack, state = [], [], {}

    def watch(call):
        def __call__(self, *args, **kwargs):
            again = any(frame[0] is self for frame in stack)  # super().__call__
            if again or any(isinstance(frame[0], keras.layers.RNN) for frame in stack):
                return call(self, *args, **kwargs)
            for variable in self.non_trainable_variables:
                state.setdefault(id(variable), (variable, tf.identity(variable)))
            frame = [self, [], []]
            stack.append(frame)
            try:
                output = call(self, *args, **kwargs)
            finally:
                stack.pop()
            frame[1] = [t for t in tf.nest.flatten(output) if tf.is_tensor(t) and t.dtype.is_floating]
            for outer in stack:
                outer[2].append(self)
            calls.append(frame)
            return output

        return __call__

    modules = (model, *model.submodules) if isinstance(model, tf.Module) else ()
    own_calls = {c for module in modules for c in type(module).__mro__ if "__call__" in vars(c)}
    patched = {c: vars(c)["__call__"] for c in own_calls | {keras.Layer}}
    eager = tf.config.functions_run_eagerly()
    try:
        tf.config.run_functions_eagerly(True)  # inside a graph, tensors have no values
        for c, call in patched.items():
            c.__call__ = watch(call)
        yield calls
    finally:
        for c, call in patched.items():
            c.__call__ = call
        tf.config.run_functions_eagerly(eager)
        for variable, value in state.values():
            variable.assign(value)


def _run(model, x, y, loss_fn, training):
    """Call the model under a tape; return records of its layers, the loss and the tape."""
    options = {}
    if isinstance(model, keras.Layer):
        if "training" in inspect.signature(model.call).parameters:
            options["training"] = training
        if not model.built:
            with contextlib.suppress(Exception):  # what is wrong with x shows below
                model(x)
    with tf.GradientTape() as tape:
        with _watched(model) as calls:
            try:
                output = model(x, **options)
            except Exception as error:
                shapes = ", ".join(str(tuple(value.shape)) for value in tf.nest.flatten(x))
                raise ValueError(f"x of shape {shapes} does not fit the model: {error}") from error
        try:
            loss = tf.reduce_mean(loss_fn(y, output))
        except Exception as error:
            raise ValueError(f"y of shape {tuple(y.shape)} does not fit the model's output and loss_fn: {error}") from error
    return _records(calls), loss, tape


def _records(calls):
    """One record for each layer: a shared one, called several times, has several outputs."""
    records = {}
    for layer, outputs, inside in calls:
        if not outputs:
            continue
        if id(layer) in records:
            records[id(layer)].outputs += outputs
            continue
        not_own = {id(variable) for inner in inside for variable in inner.variables}
        own = [variable for variable in layer.variables if id(variable) not in not_own]
        records[id(layer)] = _Record(layer, list(outputs), own, len(inside))
    kept = [record for record in records.values() if record.own or not record.n_inside]
    kept = [record for record in kept if not isinstance(record.layer, keras.layers.InputLayer)]
    if not kept:
        raise ValueError("model calls no layer: it needs Keras layers or tf.Modules with a __call__")
    return kept


def _gradients(tape, loss, model, records):
    """The records, and each trainable variable's gradient by its id; None where no path leads to the loss."""
    layers = [model, *(record.layer for record in records)]  # a tf.Module does not list the variables of Keras layers
    trainable = {id(variable): variable for layer in layers for variable in layer.trainable_variables}
    found = tape.gradient(loss, list(trainable.values())) if trainable else []
    gradients = dict(zip(trainable, found, strict=True))
    for record in records:
        if record.n_inside:  # what is left to it may belong to a layer that was not called
            record.own = [variable for variable in record.own if gradients.get(id(variable)) is not None]
        record.trainable = [variable for variable in record.own if id(variable) in trainable]
    return [record for record in records if record.own or not record.n_inside], gradients


def _row(record, activation, gradients):
    activation = activation or _activation(record.layer)
    units = [tf.reshape(output, [-1, output.shape[-1]] if output.shape.rank else [1, 1]) for output in record.outputs]
    values = np.concatenate([np.asarray(tf.cast(unit, tf.float64)).ravel() for unit in units])
    finite = values[np.isfinite(values)]
    row = dict.fromkeys(COLUMNS, np.nan) | {"activation": activation, "flags": []}
    row["not_finite"] = 1 - finite.size / values.size if values.size else 0.0
    if finite.size:
        row["mean"], row["std"] = finite.mean(), finite.std()
    if activation in CAN_DIE and len({unit.shape[-1] for unit in units}) == 1:
        row["dead"] = float(np.mean(np.all(np.concatenate(units) == 0, axis=0)))
    if activation in SLOPES and finite.size:
        row["saturated"] = float(np.mean(SLOPES[activation](finite) < FLAT))
    if record.trainable:
        row["weights"] = _norm([tf.convert_to_tensor(variable) for variable in record.trainable])
        own = [gradients[id(variable)] for variable in record.trainable]
        connected = [tf.convert_to_tensor(gradient) for gradient in own if gradient is not None]
        row["gradient"] = _norm(connected) if connected else np.nan
        if not connected:
            row["flags"].append("unconnected")
    elif _is_frozen(record):
        row["flags"].append("frozen")
    if row["not_finite"] or any(not np.isfinite(row[name]) for name in ("weights", "gradient") if record.trainable):
        if "unconnected" not in row["flags"] or row["not_finite"]:
            row["flags"].append("not finite")
    if row["dead"] > DEAD:
        row["flags"].append("dead")
    return row


def _is_frozen(record):
    """Whether it has weights, none of them to train. The state of a dropout's random numbers is no weight."""
    weights = getattr(record.layer, "weights", record.own)  # Keras: without seeds
    own = {id(variable) for variable in record.own}
    return any(id(variable) in own for variable in weights)


def _flag_gradients(rows):
    for row in rows:
        if row["gradient"] > EXPLODING * max(row["weights"], 1):
            row["flags"].insert(0, "exploding")
    calm = [row["gradient"] for row in rows if np.isfinite(row["gradient"]) and "exploding" not in row["flags"]]
    largest = max(calm, default=0.0)
    for row in rows:
        if row["gradient"] == 0 or row["gradient"] < VANISHING * largest:
            row["flags"].insert(0, "vanishing")


def _activation(layer):
    """Name of the activation that a layer's output comes from, "" if it does not say."""
    if isinstance(layer, keras.layers.RNN):
        return ""  # its output is a product of two
    activation = getattr(layer, "activation", None)
    if activation is None:
        activation = layer if isinstance(layer, (keras.layers.ReLU, keras.layers.Softmax)) else ""
    name = getattr(activation, "__name__", "" if activation == "" else type(activation).__name__.lower())
    return {"identity": "linear"}.get(name, name)


def _norm(tensors):
    return float(np.sqrt(sum(np.sum(np.square(np.asarray(tf.cast(tensor, tf.float64)))) for tensor in tensors)))


def _unique(names):
    """Names made different: a, a (2), a (3)."""
    seen, unique = {}, []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _checked_batch(x, y):
    is_one_array = all(np.ndim(value) == 0 for value in tf.nest.flatten(x))  # nested lists of numbers
    x = _tensor("x", x) if is_one_array else tf.nest.map_structure(lambda value: _tensor("x", value), x)
    y = _tensor("y", y)
    named = [*(("x", value) for value in tf.nest.flatten(x)), ("y", y)]
    for name, value in named:
        if value.shape.rank == 0 or value.shape[0] == 0:
            raise ValueError(f"{name} must hold at least one example, got shape {tuple(value.shape)}")
    for name, value in named:
        if value.shape[0] != y.shape[0]:
            raise ValueError(f"x and y must hold as many examples, got {value.shape[0]} and {y.shape[0]}")
        if value.dtype.is_floating and not np.isfinite(value).all():
            bad = np.argwhere(~np.isfinite(value))[0][0]
            raise ValueError(f"{name} must be finite, example {bad} is not: it holds NaN or infinity")
    return x, y


def _tensor(name, value):
    try:
        tensor = tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of numbers: {error}") from error
    if tensor.dtype == tf.string:
        raise TypeError(f"{name} must be an array of numbers, got strings")
    return tensor


def _check_activations(activations, names):
    if activations is not None and not isinstance(activations, dict):
        raise TypeError(f"activations must be a dict of layer to activation, got {activations!r}")
    for name, activation in (activations or {}).items():
        if name not in names:
            raise ValueError(f"activations names the layer {name!r}; there are {', '.join(names)}")
        known = sorted({"linear", *CAN_DIE, *SLOPES})
        if activation not in known:
            raise ValueError(f"activations[{name!r}] must be one of {', '.join(known)}, got {activation!r}")
