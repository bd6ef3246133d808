import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from exercise_cases import assert_answers_back
from keras import layers

from keras_advanced import exercises


def test_transposed_size(capsys):
    assert_answers_back(
        exercises.check_transposed_size_torch,
        lambda n, k, s, p, o: (n - 1) * s + k - 2 * p + o,
        {
            lambda n, k, s, p, o: (n - 1) * s + k: "all that was painted",
            lambda n, k, s, p, o: (n - 1) * s + k - p + o: "both sides",
            lambda n, k, s, p, o: n * s + k - 2 * p + o: "first pixel",
            lambda n, k, s, p, o: n * s + max(k - s, 0): "all that was painted|first pixel",
            lambda n, k, s, p, o: (n - 1) * s + k - 2 * p: "all that was painted|first pixel",
        },
        capsys,
    )


def test_the_right_answer_is_the_length_that_torch_gives():
    rng = np.random.default_rng(0)
    for n, k, s, p in rng.integers(1, 6, size=(30, 4)).tolist():
        p, o = min(p, (k - 1) // 2), min(p, s - 1)
        layer = torch.nn.ConvTranspose1d(1, 1, k, s, padding=p, output_padding=o)
        assert layer(torch.zeros(1, 1, n)).shape[-1] == (n - 1) * s + k - 2 * p + o


def gain(start_in="build", tracked=True, config=True, kwargs=True, shape=None):
    """A make_gain, right by default."""

    class Gain(layers.Layer):
        def __init__(self, start, **options):
            super().__init__(**(options if kwargs else {}))
            self.start = start
            if start_in == "init":
                self.make(2)

        def make(self, *sizes):
            if tracked:
                initializer = keras.initializers.Constant(self.start)
                self.gain = self.add_weight(
                    shape=sizes if shape in (None, "all") else shape, initializer=initializer, name="gain"
                )
            else:
                self.gain = tf.Variable(tf.fill(sizes, float(self.start)))

        def build(self, input_shape):
            if start_in == "build":
                self.make(*(input_shape[1:] if shape == "all" else input_shape[-1:]))

        def call(self, inputs):
            if start_in == "call":
                self.make(inputs.shape[-1])
            return inputs * self.gain

        def get_config(self):
            return ({} if config == "own" else super().get_config()) | {"start": self.start if config else 1.0}

    return lambda: Gain


def test_gain(capsys):
    assert_answers_back(
        exercises.check_gain,
        gain(),
        {
            gain(tracked=False): "Keras knows of 0 trainable weights",
            gain(start_in="init"): "make the weight in build",
            gain(start_in="call"): "2 trainable weights|TypeError|stopped with",
            gain(config=False): "get_config must hold the start",
            gain(config="own"): "The name is lost",
            gain(kwargs=False): "Pass .*kwargs",
            gain(shape=()): "one number for each feature",
            gain(shape="all"): "Features are the last axis",
        },
        capsys,
    )


def difference(combine, clone=False):
    def make(encoder, shape):
        first, second = keras.Input(shape), keras.Input(shape)
        other = keras.models.clone_model(encoder) if clone else encoder
        return keras.Model([first, second], combine(encoder(first), other(second)))

    return make


def subtract(a, b):
    return layers.Subtract()([a, b])


def test_difference_model(capsys):
    assert_answers_back(
        exercises.check_difference_model,
        difference(subtract),
        {
            difference(subtract, clone=True): "call the same one twice|used 2 times",
            difference(lambda a, b: layers.Dense(4)(subtract(a, b))): "call the same one twice",
            difference(lambda a, b: subtract(b, a)): "not second minus first",
            difference(lambda a, b: layers.Concatenate()([a, b])): "has shape",
            difference(lambda a, b: keras.ops.abs(subtract(a, b))): "nothing else",
            lambda encoder, shape: encoder: "two inputs",
        },
        capsys,
    )


def test_features_of(capsys):
    def with_a_new_layer(model):
        features = model.layers[-1].input
        return keras.Model(model.inputs, [features, layers.Dense(2)(features)])

    def copied_with_its_weights(model):
        twin = keras.models.clone_model(model)
        twin.set_weights(model.get_weights())
        return keras.Model(twin.inputs, [twin.layers[-1].input, *twin.outputs])

    assert_answers_back(
        exercises.check_features_of,
        lambda model: keras.Model(model.inputs, [model.layers[-1].input, *model.outputs]),
        {
            lambda model: keras.Model(model.inputs, model.layers[-1].input): "two outputs",
            lambda model: keras.Model(model.inputs, [*model.outputs, model.layers[-1].input]): "First the features",
            lambda model: keras.Model(model.inputs, [model.layers[0].output, *model.outputs]): "which layer is the last",
            with_a_new_layer: "model's own",
            copied_with_its_weights: "These are copies",
        },
        capsys,
    )


def test_a_copied_model_gives_other_features():
    def copied(model):
        twin = keras.models.clone_model(model)
        return keras.Model(twin.inputs, [twin.layers[-1].input, *twin.outputs])

    with pytest.raises(AssertionError, match="model's own"):
        exercises.check_features_of(copied)
