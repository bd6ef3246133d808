"""Train, save, load in a fresh process, train on: the numbers are those of one uninterrupted training, on both backends.

The tests run this file as a script too, ``python test_saving.py FOLDER first second``, with KERAS_BACKEND set. On Linux
its process only imports the libraries, and each part is run by a fork of it: imports cost more than the training.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_advanced import losses
from keras_advanced.layers import EuclideanDistance, ResizeConv2D
from keras_advanced.losses import BinaryFocal, Contrastive, Huber, LossWrapper, Pinball
from keras_advanced.metrics import F1, MatthewsCorrelation
from keras_advanced.models import Ensemble, Siamese

register = keras.saving.register_keras_serializable(package="test_saving")


# --- what is trained: functions without arguments that return a compiled model, its inputs and its targets --------------
# Without XLA, which takes longer to compile than these models to train.


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def coins(*shape):
    return (np.random.default_rng(1).random(shape) < 0.5).astype("float32")


def siamese():
    encoder = keras.Sequential([keras.Input((4, 3)), layers.Flatten(), layers.Dense(8, "tanh")])
    model = Siamese(encoder)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
    return model, list(random(2, 48, 4, 3)), coins(48, 1)


def ensemble():
    model = Ensemble([keras.Sequential([layers.Dense(4, "relu"), layers.Dense(2)]), layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", jit_compile=False)
    return model, random(48, 3), coins(48, 2)


def resize_and_distance():
    inputs = keras.Input((4, 5, 2))
    enlarged = [
        ResizeConv2D(3, 3, factor=2, interpolation="bilinear", activation="tanh")(inputs),
        ResizeConv2D(3, 2, factor=2)(inputs),
    ]
    model = keras.Model(inputs, EuclideanDistance(epsilon=0.1)([layers.Flatten()(picture) for picture in enlarged]))
    model.compile("adam", "mse", jit_compile=False)
    return model, random(48, 4, 5, 2), coins(48, 1)


def losses_and_metrics():
    """A layer with an output for each loss, and metrics on the last."""
    wrapped = LossWrapper(register(losses.binary_focal), gamma=1.5, from_logits=True)
    outputs = {
        "huber": (None, Huber(delta=0.3)),
        "pinball": (None, Pinball(quantile=0.9)),
        "focal": ("softplus", BinaryFocal(3.0, from_logits=True)),
        "contrastive": ("softplus", Contrastive(2.0)),
        "wrapped": ("softplus", wrapped),
        "answer": ("sigmoid", BinaryFocal()),
    }
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {name: layers.Dense(2, how, name=name)(inputs) for name, (how, _) in outputs.items()})
    named_losses = {name: loss for name, (_, loss) in outputs.items()}
    named_metrics = {"answer": [F1(0.4, 2, "micro"), MatthewsCorrelation(0.6, 2)]}
    model.compile("adam", named_losses, metrics=named_metrics, jit_compile=False)
    return model, random(48, 3), {name: coins(48, 2) for name in outputs}


CASES = [siamese, ensemble, resize_and_distance, losses_and_metrics]


# --- the processes ------------------------------------------------------------------------------------------------------


def fit(model, x, y):
    """Losses and metrics of two epochs, by name."""
    return model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history


def trained(part, folder):
    """For each case: losses and metrics of the third and fourth epoch, and then the predictions."""
    report = {}
    for case in CASES:
        keras.utils.set_random_seed(0)
        model, x, y = case()
        file = Path(folder, f"{case.__name__}.keras")
        if part == "first":
            fit(model, x, y)
            model.save(file)
        else:
            model = keras.saving.load_model(file)  # no custom_objects: the registration has to do
        history = fit(model, x, y)
        predictions = [ops.convert_to_numpy(tensor).tolist() for tensor in keras.tree.flatten(model(x))]
        report[case.__name__] = {"history": history, "predictions": predictions}
    return report


def computed():
    """Values of all losses with their gradients, of the metrics, and of the layers with given weights."""
    y_true, y_pred, distances = coins(6, 2), 3 * random(6, 2), np.abs(random(6, 2))
    values = {
        "pinball": value_and_gradient(lambda p: losses.pinball(y_true, p, 0.8), y_pred),
        "huber": value_and_gradient(lambda p: losses.huber(y_true, p, 0.7), y_pred),
        "focal": value_and_gradient(lambda p: losses.binary_focal(y_true, p, 1.5, from_logits=True), y_pred),
        "contrastive": value_and_gradient(lambda p: losses.contrastive(y_true, p, 1.5), distances),
        "kinks": value_and_gradient(lambda p: losses.pinball(p * 0, p, 0.8) + losses.huber(p * 0, p), np.eye(2)),
    }
    for kind in (F1, MatthewsCorrelation):
        for average in ("macro", "micro", None):
            metric = kind(0.2, num_outputs=2, average=average)
            for part in (slice(2), slice(2, 6)):
                metric.update_state(y_true[part], y_pred[part], np.arange(6.0)[part])
            values[f"{kind.__name__} {average}"] = [metric.result()]
    with_weights = {
        "distance": (EuclideanDistance(0.1), [y_true, y_pred]),
        "resize": (ResizeConv2D(2, 3, activation="gelu"), random(2, 3, 4, 2)),
        "siamese": (Siamese(layers.Dense(3)), [y_true, y_pred]),
        "ensemble": (Ensemble([layers.Dense(3), layers.Dense(3)]), y_pred),
    }
    for name, (layer, x) in with_weights.items():
        layer(x)
        layer.set_weights([np.linspace(-1, 2, w.size).reshape(w.shape) for w in layer.get_weights()])
        values[name] = [layer(x)]
    refuses_and_counts()
    return {name: [ops.convert_to_numpy(value).tolist() for value in pair] for name, pair in values.items()}


def refuses_and_counts():
    """Bad shapes have messages of ours on both backends, and the counts are exact."""
    metric = F1()
    with pytest.raises(ValueError, match=r"broadcasts to \(2, 1\), got \(3,\)"):
        metric.update_state([1, 0], [0.9, 0.1], sample_weight=[1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"got \(1, 2\) and \(3, 2\)"):
        EuclideanDistance()([random(1, 2), random(3, 2)])
    with pytest.raises(ValueError, match=r"at least two axes, got \(2,\)"):
        Huber()([0.0, 0.0], [1.0, 10.0])
    for weight in (2.0**24, 1.0):
        metric.update_state([1], [0.9], weight)
    assert float(metric.counts[0][0]) == 2**24 + 1


def value_and_gradient(loss, y_pred):
    if keras.backend.backend() == "torch":
        y_pred = ops.convert_to_tensor(y_pred).requires_grad_()
        value = loss(y_pred)
        value.sum().backward()
        return value.detach(), y_pred.grad
    import tensorflow as tf

    y_pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_pred)
    return value, tape.gradient(value, y_pred)


def write_report(folder, part):
    report = {"backend": keras.backend.backend(), "trained": trained(part, folder)}
    if part == "second":
        report["computed"] = computed()
    Path(folder, f"{part}.json").write_text(json.dumps(report))


def main(folder, *parts):
    if keras.backend.backend() == "torch":
        import torch._dynamo  # noqa: F401  # which training would import
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    for part in parts:
        process = context.Process(target=write_report, args=(folder, part))
        process.start()
        process.join()
        assert process.exitcode == 0, part


def in_fresh_processes(folder, *parts, backend):
    ran = subprocess.run(
        [sys.executable, __file__, folder, *parts],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]


# --- the tests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_saved_loaded_in_a_fresh_process_and_trained_on_the_numbers_are_the_same(backend, tmp_path):
    if backend == keras.backend.backend():
        write_report(tmp_path, "first")
        in_fresh_processes(tmp_path, "second", backend=backend)
    else:
        in_fresh_processes(tmp_path, "first", "second", backend=backend)
    first, second = (json.loads((tmp_path / f"{part}.json").read_text()) for part in ("first", "second"))
    assert first["backend"] == second["backend"] == backend
    for case in CASES:
        uninterrupted, loaded = first["trained"][case.__name__], second["trained"][case.__name__]
        history = uninterrupted["history"]
        assert history["loss"][0] != history["loss"][1]  # it does train
        assert loaded["history"].keys() == history.keys()
        for name, values in history.items():
            np.testing.assert_allclose(loaded["history"][name], values, rtol=1e-5, err_msg=f"{case.__name__}, {name}")
        for ours, theirs in zip(loaded["predictions"], uninterrupted["predictions"], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6, err_msg=case.__name__)

    here = computed()
    assert here.keys() == second["computed"].keys()
    for name, pair in here.items():  # the backends agree
        for ours, theirs in zip(second["computed"][name], pair, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=f"{name} on {backend}")


if __name__ == "__main__":
    main(*sys.argv[1:])
