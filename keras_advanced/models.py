"""Models of Day 4 that survive saving, on Keras's TensorFlow and PyTorch backends alike, and a picture of any model."""

import itertools

import keras
from keras import ops

from keras_advanced.layers import EuclideanDistance


@keras.saving.register_keras_serializable(package="keras_advanced")
class Siamese(keras.Model):
    """Are two inputs of one kind? One encoder for both, the distance of its codes, and the logit of "yes".

    Parameters
    ----------
    encoder : keras.Model or keras.layers.Layer
        Makes a code of shape (batch, features) out of one input; called on both, so that it learns from both.
    **kwargs
        Of every Keras model: ``name``, ``dtype``, ...

    Raises
    ------
    TypeError
        If `encoder` is not a Keras layer or model.
    ValueError
        When called on anything but two inputs of one shape.

    References
    ----------
    J. Bromley, I. Guyon, Y. LeCun, E. Säckinger, R. Shah: Signature verification using a "Siamese" time delay neural
    network, 1993.

    Examples
    --------
    >>> model = Siamese(keras.layers.Dense(8))
    >>> model([ops.zeros([5, 3]), ops.ones([5, 3])]).shape
    TensorShape([5, 1])
    """

    def __init__(self, encoder, **kwargs):
        super().__init__(**kwargs)
        _check_layer("encoder", encoder)
        self.encoder = encoder
        weight, bias = keras.initializers.Constant(-1.0), keras.initializers.Constant(2.0)
        self.distance = EuclideanDistance(dtype=self.dtype_policy, name="distance")
        # The farther apart, the less alike, and undecided at a distance of 2. With a weight above 0 or no bias at first,
        # training would begin by making all codes equal.
        self.head = keras.layers.Dense(
            1, kernel_initializer=weight, bias_initializer=bias, dtype=self.dtype_policy, name="head"
        )

    def build(self, input_shape):
        pair = isinstance(input_shape, (tuple, list)) and len(input_shape) == 2
        if not pair or not all(isinstance(shape, (tuple, list)) for shape in input_shape):
            raise ValueError(f"inputs must be a pair [left, right], got shape {input_shape}")
        left, right = input_shape
        if tuple(left[1:]) != tuple(right[1:]):
            raise ValueError(f"left and right must have one shape but for the batch, got {left} and {right}")
        _build(self.encoder, left)
        code_shape = self.encoder.compute_output_shape(left)
        self.distance.build([code_shape, code_shape])
        self.head.build((None, 1))
        self.built = True

    def call(self, inputs, training=None):
        codes = [self.encoder(one, training=training) for one in inputs]  # two of (batch, features)
        return self.head(self.distance(codes))  # (batch, 1), logits

    def get_config(self):
        return super().get_config() | {"encoder": keras.saving.serialize_keras_object(self.encoder)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        encoder = keras.saving.deserialize_keras_object(config.pop("encoder"), custom_objects=custom_objects)
        return cls(encoder, **config)


@keras.saving.register_keras_serializable(package="keras_advanced")
class Ensemble(keras.Model):
    """The mean of what several models predict.

    For a loss that is convex in the prediction (squared error; cross-entropy of probabilities) the mean's loss is at most
    the mean of the members' losses (Jensen's inequality). Average probabilities, not class labels.

    Parameters
    ----------
    members : sequence of keras.Model or keras.layers.Layer
        One or more, with outputs of one shape.
    **kwargs
        Of every Keras model: ``name``, ``dtype``, ...

    Raises
    ------
    TypeError
        If `members` is not a sequence of Keras layers or models.
    ValueError
        If it is empty, or, when called, their outputs differ in shape.

    References
    ----------
    B. Lakshminarayanan, A. Pritzel, C. Blundell: Simple and scalable predictive uncertainty estimation using deep
    ensembles, 2017.

    Examples
    --------
    >>> double, negative = keras.layers.Rescaling(2.0), keras.layers.Rescaling(-1.0)
    >>> Ensemble([double, negative])(ops.array([[3.0]])).numpy().tolist()
    [[1.5]]
    """

    def __init__(self, members, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(members, (tuple, list)):
            raise TypeError(f"members must be a list of layers or models, got {_describe(members)}")
        if not members:
            raise ValueError("members must hold at least one layer or model, got none")
        for i, member in enumerate(members):
            _check_layer(f"members[{i}]", member)
        self.members = list(members)

    def build(self, input_shape):
        for member in self.members:
            _build(member, input_shape)
        shapes = [tuple(member.compute_output_shape(input_shape)) for member in self.members]
        if len(set(shapes)) > 1:
            raise ValueError(f"members must have outputs of one shape, got {shapes}")
        self.built = True

    def call(self, inputs, training=None):
        outputs = [member(inputs, training=training) for member in self.members]
        return ops.mean(ops.stack(outputs), axis=0)

    def get_config(self):
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        return super().get_config() | {"members": members}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        members = config.pop("members")
        return cls([keras.saving.deserialize_keras_object(m, custom_objects=custom_objects) for m in members], **config)


def draw(model, ax=None):
    """Draw a model as a graph, from top to bottom: a box for each layer, an arrow for each tensor.

    For a Sequential or functional model the arrows are the graph that Keras holds, a shared layer being one box with an
    arrow for each call. A subclassed model holds no graph, only parts: its arrows lead to them.

    Parameters
    ----------
    model : keras.Model
        A Sequential model must be built.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a figure of its own if left out.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `model` is not a Keras model.
    ValueError
        If it is a Sequential model that is not built.
    """
    import matplotlib.pyplot as plt
    import networkx as nx

    graph = nx.MultiDiGraph(_edges(model))
    generations = dict(enumerate(nx.topological_generations(graph)))  # in the order of the layers, not of a set
    places = nx.multipartite_layout(graph, subset_key=generations, align="horizontal")
    places = {name: (x, -y) for name, (x, y) in places.items()}
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 0.9 * len(generations)))
    style = {"boxstyle": "round", "facecolor": "#cfe0f5", "edgecolor": "none"}
    boxes = {
        name: ax.annotate(_label(model, name), place, ha="center", va="center", fontsize=8, bbox=style).get_bbox_patch()
        for name, place in places.items()
    }
    depth = {name: i for i, names in generations.items() for name in names}
    for source, target, k in graph.edges(keys=True):  # drawn after the boxes, whose outlines cut the arrows
        n = graph.number_of_edges(source, target)
        bend = 0.25 * (k - (n - 1) / 2) + (1.0 if depth[target] - depth[source] > 1 else 0)  # around boxes between
        arrow = {"arrowstyle": "-|>", "color": "0.4", "connectionstyle": f"arc3,rad={bend}"}
        arrow |= {"patchA": boxes[source], "patchB": boxes[target], "shrinkA": 1, "shrinkB": 1}
        ax.annotate("", places[target], places[source], arrowprops=arrow)
    ax.update_datalim(list(places.values()))
    ax.margins(0.3 if len(places) > len(generations) else 0.1, 0.12)
    ax.set_axis_off()
    return ax


_START = "/"  # where a drawing starts that Keras has no layer for; a layer's name cannot hold a slash


def _edges(model):
    """(from, to) for every tensor that passes from one layer of `model` to another, by name."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model, got {_describe(model)}")
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise ValueError(f"model {model.name!r} is not built: call it on data, or build it, first")
        names = [_START, *(layer.name for layer in model.layers)]
        return list(itertools.pairwise(names))
    config = model.get_config()
    if "input_layers" not in config:  # subclassed: the order of its calls stands in its code
        return [(_START, layer.name) for layer in model.layers]
    return [
        (source, layer["name"])
        for layer in config["layers"]
        for node in layer["inbound_nodes"]
        for source in _sources(node)
    ]


def _sources(node):
    """Names of the layers whose tensors occur anywhere in the arguments of a call, as Keras serializes them."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            yield node["config"]["keras_history"][0]
        else:
            for value in node.values():
                yield from _sources(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _sources(value)


def _label(model, name):
    layers = {layer.name: layer for layer in model.layers}
    if name == _START:
        sequential = isinstance(model, keras.Sequential)
        return f"input\n{tuple(model.input_shape)}" if sequential else f"{model.name}\n{type(model).__name__}"
    layer = layers[name]
    try:
        shape = f" {tuple(layer.output.shape)}"
    except (AttributeError, ValueError):  # not called on a symbolic tensor, or several outputs
        shape = ""
    return f"{name}\n{type(layer).__name__}{shape}"


def _check_layer(name, layer):
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(f"{name} must be a Keras layer or model, got {_describe(layer)}")


def _build(layer, input_shape):
    if not layer.built:  # a part may have been trained before
        layer.build(input_shape)


def _describe(value):
    return f"{type(value).__name__} of length {len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__
