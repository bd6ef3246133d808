import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf

from keras_advanced.models import Ensemble, Siamese, draw


def encoder():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh")], name="encoder")


# --- Siamese ------------------------------------------------------------------------------------------------------------


def test_the_logit_is_the_head_of_the_distance_of_the_codes():
    model = Siamese(encoder(), dtype="float64")
    left, right = np.random.default_rng(0).normal(size=(2, 6, 4))
    logits = model([left, right])
    distance = np.linalg.norm(model.encoder(left) - model.encoder(right), axis=1, keepdims=True)
    weight, bias = model.head.get_weights()
    assert weight == -1 and bias == 2  # from a weight above 0 training ends with equal codes for everything
    np.testing.assert_allclose(logits, distance * weight + bias, atol=1e-4)
    np.testing.assert_allclose(logits, model([right, left]), rtol=1e-6)
    assert len(model.encoder.weights) == 2 and len(model.weights) == 4  # one encoder


def test_the_encoder_learns_from_both_sides():
    model = Siamese(encoder())
    left, right = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    model([left, right])
    kernel = model.encoder.layers[0].kernel.value
    with tf.GradientTape(persistent=True) as tape:
        codes = [model.encoder(left), model.encoder(right)]
        loss = tf.reduce_sum(model.head(model.distance(codes)))
        whole = tf.reduce_sum(model([left, right]))
    by_side = [tape.gradient(codes[k], kernel, tape.gradient(loss, codes[k])) for k in (0, 1)]
    np.testing.assert_allclose(tape.gradient(whole, kernel), by_side[0] + by_side[1], rtol=1e-4, atol=1e-5)
    assert all(np.abs(side).max() > 0.01 for side in by_side)


def test_the_training_flag_reaches_the_encoder():
    model = Siamese(keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(3)]))
    x = np.ones((8, 4), "float32")
    np.testing.assert_array_equal(model([x, 2 * x]), model([x, 2 * x]))
    assert not np.allclose(model([x, 2 * x], training=True), model([x, 2 * x], training=True))


def test_a_shape_alone_builds_every_part():
    siamese, ensemble = Siamese(keras.layers.Dense(3)), Ensemble([keras.layers.Dense(3), keras.layers.Dense(3)])
    siamese.build([(None, 4), (None, 4)])
    ensemble.build((None, 4))
    parts = [siamese.encoder, siamese.distance, siamese.head, *ensemble.members]
    assert all(part.built for part in parts) and len(siamese.weights) == len(ensemble.weights) == 4


@pytest.mark.parametrize("inputs", [np.ones((2, 4)), [np.ones((2, 4))], [np.ones((2, 4))] * 3])
def test_it_needs_a_pair(inputs):
    with pytest.raises(ValueError, match=r"a pair \[left, right\]"):
        Siamese(encoder())(inputs)


def test_the_two_must_have_one_shape():
    with pytest.raises(ValueError, match=r"one shape but for the batch, got \(2, 4\) and \(2, 3\)"):
        Siamese(encoder())([np.ones((2, 4)), np.ones((2, 3))])
    with pytest.raises(ValueError, match=r"one shape, \(batch, features\), got \(5, 3\) and \(1, 3\)"):
        Siamese(encoder())([np.ones((5, 4)), np.ones((1, 4))])


# --- Ensemble -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_ensemble_is_the_mean(n):
    members = [keras.layers.Dense(3) for _ in range(n)]
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    got = Ensemble(members)(x)
    np.testing.assert_allclose(got, np.mean([member(x) for member in members], axis=0), atol=1e-6)


def test_members_of_every_kind_train_together():
    inputs = keras.Input((4,))
    functional = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model = Ensemble([encoder_to(2), functional, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 4), "float32"), np.ones((8, 2), "float32")
    losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0] and len(model.trainable_weights) == 8


def encoder_to(units):
    return keras.Sequential([encoder(), keras.layers.Dense(units)])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Ensemble([]), ValueError, "at least one"),
        (lambda: Ensemble(encoder()), TypeError, "members must be a list of layers or models, got Sequential"),
        (lambda: Ensemble([encoder(), abs]), TypeError, r"members\[1\] must be a Keras layer or model"),
        (lambda: Siamese(tf.Module()), TypeError, "encoder must be a Keras layer or model, got Module"),
        (lambda: Siamese(None), TypeError, "encoder must be a Keras layer or model, got NoneType"),
    ],
)
def test_bad_parts_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_outputs_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"outputs of one shape, got \[\(2, 3\), \(2, 1\)\]"):
        Ensemble([keras.layers.Dense(3), keras.layers.Dense(1)])(np.ones((2, 4)))


# --- draw ---------------------------------------------------------------------------------------------------------------


def boxes_and_arrows(ax):
    """Texts of the boxes, and how many arrows there are."""
    texts = [text.get_text() for text in ax.texts]
    return [text for text in texts if text], texts.count("")


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_a_functional_model_has_an_arrow_for_every_tensor(ax):
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = encoder()
    both = keras.layers.Concatenate(name="both")([shared(left), shared(right)])
    model = keras.Model([left, right], keras.layers.Add(name="skip")([both, keras.layers.Dense(6, name="mix")(both)]))
    boxes, n_arrows = boxes_and_arrows(draw(model, ax))
    assert sorted(box.split("\n")[0] for box in boxes) == ["both", "encoder", "left", "mix", "right", "skip"]
    assert n_arrows == 2 + 2 + 1 + 2  # into encoder, both, mix, skip
    assert "mix\nDense (None, 6)" in boxes
    bends = sorted(text.arrow_patch.get_connectionstyle().rad for text in ax.texts if not text.get_text())
    assert bends == [-0.125, 0, 0, 0, 0, 0.125, 1]  # two side by side from encoder to both, one around mix
    place = {text.get_text().split("\n")[0]: text.xy for text in ax.texts if text.get_text()}
    names = {xy: name for name, xy in place.items()}
    arrows = [(names[text.xyann], names[text.xy]) for text in ax.texts if not text.get_text()]  # from, to
    assert sorted(arrows) == [
        ("both", "mix"),
        ("both", "skip"),
        *[("encoder", "both")] * 2,
        ("left", "encoder"),
        ("mix", "skip"),
        ("right", "encoder"),
    ]
    (left_end, right_end), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert all(left_end < x < right_end and bottom < y < top for x, y in place.values())
    (x_left, y_left), (x_right, y_right) = place["left"], place["right"]
    assert x_left < x_right and y_left == y_right
    heights = [place[name][1] for name in ("left", "encoder", "both", "mix", "skip")]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == 5  # from top to bottom


def test_a_layer_called_with_keywords_and_constants_is_drawn(ax):
    x = keras.Input((3, 4), name="x")
    y = keras.layers.MultiHeadAttention(1, 2, name="attention")(query=x, value=x)
    _, n_arrows = boxes_and_arrows(draw(keras.Model(x, y), ax))
    assert n_arrows == 2


def test_a_sequential_model_is_a_chain_and_a_class_a_star(ax):
    boxes, n_arrows = boxes_and_arrows(draw(encoder_to(2), ax))
    assert len(boxes) == 3 and n_arrows == 2
    boxes, n_arrows = boxes_and_arrows(draw(Siamese(encoder())))
    assert len(boxes) == 4 and n_arrows == 3
    plt.close("all")


def test_a_layer_may_be_named_as_what_the_drawing_starts_from(ax):
    named = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="input"), keras.layers.Dense(1, name="out")])
    boxes, n_arrows = boxes_and_arrows(draw(named, ax))
    assert boxes == ["input\n(None, 4)", "input\nDense (None, 3)", "out\nDense (None, 1)"] and n_arrows == 2
    boxes, n_arrows = boxes_and_arrows(draw(Siamese(encoder(), name="head")))
    assert boxes[0] == "head\nSiamese" and "head\nDense" in boxes and n_arrows == 3
    plt.close("all")


def test_draw_refuses_what_it_cannot_draw(ax):
    with pytest.raises(ValueError, match="not built"):
        draw(keras.Sequential([keras.layers.Dense(2)]), ax)
    with pytest.raises(TypeError, match=r"model must be a keras\.Model, got Dense"):
        draw(keras.layers.Dense(2), ax)
