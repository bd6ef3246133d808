"""SentenceClassifier and fit: reads any text, batches change nothing, equal layers give equal models, it learns."""

import copy

import numpy as np
import pytest
import torch

from architectures.gru import GRU
from architectures.lstm import LSTM
from architectures.rnn import RNN
from architectures.sentence_classifier import SentenceClassifier, _batches_of_similar_length, fit


def classifier(layer):
    return SentenceClassifier("abcdef", layer, num_classes=3)


@pytest.mark.parametrize(
    "make", [RNN, GRU, LSTM, lambda *sizes: LSTM(*sizes, num_layers=2, bidirectional=True, proj_size=3)]
)
def test_a_text_gets_the_same_logits_alone_and_in_any_batch(make):
    model = classifier(make(4, 5).double()).double()
    texts = ["abc", "", "fedcba" * 9, "z", "aé漢"]
    together = model(texts)
    assert together.shape == (5, 3)
    for text, logits in zip(texts, together, strict=True):
        torch.testing.assert_close(model([text])[0], logits, rtol=0, atol=1e-12)
    assert torch.equal(model.predict(texts), together.argmax(dim=1))
    assert torch.equal(model.predict(texts, batch_size=2), together.argmax(dim=1))


def test_predictions_drop_nothing_and_leave_every_mode_as_it_was():
    torch.manual_seed(0)
    model = classifier(RNN(4, 16, num_layers=2, dropout=0.5))
    texts, y = ["abc", "fed", "", "cafe"] * 25, [0, 1, 2, 1] * 25
    model.embedding.eval()
    state = torch.get_rng_state()
    assert torch.equal(model.predict(texts), model.predict(texts))
    torch.testing.assert_close(*(model.predict_while_reading("abc") for _ in range(2)), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training and model.layer.training and not model.embedding.training
    with pytest.raises(TypeError):
        model.predict([None])
    assert model.training
    model.eval()
    history = fit(model, texts, y, epochs=1, validation=(texts, y))
    assert model.layer.training and not torch.equal(model(texts), model(texts))  # it trained with dropout
    assert history["accuracy"] == [(model.predict(texts) == torch.tensor(y)).double().mean().item()]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_layers_of_torch_can_take_our_place(kind):
    models = [
        classifier(make(4, 5, num_layers=2, bidirectional=True))
        for make in ({"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[kind], getattr(torch.nn, kind))
    ]
    models[1].load_state_dict(models[0].state_dict())
    logits = [model(["abc", "de", ""]) for model in models]
    torch.testing.assert_close(*logits, rtol=0, atol=1e-6)


def test_unseen_characters_share_a_vector_and_empty_and_long_texts_are_read():
    model = classifier(GRU(4, 5))
    assert model.embedding.num_embeddings == 6 + 2  # also: any other character, the end
    same = model(["aXb", "a漢b", "a\0b"])
    assert torch.equal(same[0], same[1]) and torch.equal(same[0], same[2])
    assert not torch.allclose(same[0], model(["acb"])[0])
    assert torch.isfinite(model(["", "abc" * 3334, "é" * 10_000])).all()


def test_the_last_probabilities_while_reading_are_those_of_the_text():
    model = classifier(LSTM(4, 5))
    probabilities = model.predict_while_reading("abcz")
    assert probabilities.shape == (5, 3)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(5))
    torch.testing.assert_close(probabilities[-1], torch.softmax(model(["abcz"])[0], dim=0).detach())
    with pytest.raises(ValueError, match="layer must read in one direction only"):
        classifier(RNN(4, 5, bidirectional=True)).predict_while_reading("abc")


def texts_by_their_first_letter(n):
    """The class is the first of three letters; two more say nothing."""
    rng = np.random.default_rng(0)
    letters = rng.integers(0, 3, size=(n, 3))
    return ["".join("abc"[i] for i in row) for row in letters], letters[:, 0]


def test_fit_learns_repeats_itself_and_reports_every_step():
    texts, y = texts_by_their_first_letter(600)
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        model = SentenceClassifier("abc", GRU(8, 16), num_classes=3)
        history = fit(model, texts[:500], y[:500], epochs=9, batch_size=50, validation=(texts[500:], y[500:]))
        runs.append((history, model.state_dict()))
    history = runs[0][0]
    assert len(history["loss"]) == len(history["grad_norm"]) == 90 and len(history["accuracy"]) == 9
    assert history["accuracy"][-1] > 0.95 and history["loss"][-1] < 0.2 < 0.9 < history["loss"][0]
    assert history == runs[1][0]
    assert all(torch.equal(a, b) for a, b in zip(runs[0][1].values(), runs[1][1].values(), strict=True))
    assert fit(classifier(GRU(8, 16)), texts[:500], y[:500], epochs=9, batch_size=50, seed=1)["loss"] != history["loss"]
    assert fit(classifier(RNN(8, 16)), texts[:70], y[:70], epochs=1)["accuracy"] == []


def test_batches_are_cut_from_pools_of_ten_sorted_by_length():
    """Stably: torch's plain sort orders equal lengths as the processor has it, and two computers train differently."""
    sequences = [[0] * (n % 7) for n in range(900)]
    drawn = torch.randperm(900, generator=torch.Generator().manual_seed(3)).tolist()
    pools = [sorted(drawn[i : i + 200], key=lambda n: n % 7) for i in range(0, 900, 200)]
    expected = [pool[i : i + 20] for pool in pools for i in range(0, len(pool), 20)]
    batches = _batches_of_similar_length(sequences, 20, torch.Generator().manual_seed(3))
    assert sorted(batch.tolist() for batch in batches) == sorted(expected)


@pytest.mark.parametrize("steps", [2, 6])
def test_fit_equals_the_plain_loop_where_one_batch_holds_all(steps):
    texts, y = texts_by_their_first_letter(20)
    torch.manual_seed(0)
    model = classifier(GRU(4, 5).double()).double()
    twin = copy.deepcopy(model)
    history = fit(model, texts, y, epochs=steps, batch_size=20, learning_rate=0.1, max_norm=0.2)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
    for step in range(steps):
        loss = torch.nn.functional.cross_entropy(twin(texts), torch.tensor(y))
        twin.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.2)
        optimizer.step()
        schedule.step()
        assert [history["loss"][step], history["grad_norm"][step]] == pytest.approx([loss.item(), norm.item()], rel=1e-9)
    for ours, plain in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-9)


def test_a_single_step_is_taken_at_the_learning_rate():
    model = classifier(GRU(4, 5))
    before = model.output.bias.detach().clone()
    fit(model, ["a", "b"], [0, 1], epochs=1, learning_rate=0.01)
    torch.testing.assert_close(
        (model.output.bias - before).abs(), torch.full((3,), 0.01), rtol=1e-3, atol=0
    )  # Adam's first


def test_clipping_limits_the_step_and_not_the_reported_norm():
    texts, y = texts_by_their_first_letter(50)
    moved = []
    torch.manual_seed(0)
    for max_norm in (1e-12, float("inf")):
        model = classifier(RNN(8, 16))
        before = model.output.weight.detach().clone()
        history = fit(model, texts, y, epochs=1, batch_size=50, max_norm=max_norm, learning_rate=0.1)
        assert history["grad_norm"][0] > 0.01
        moved.append(float((model.output.weight - before).detach().abs().max()))
    assert moved[0] < 1e-3 * moved[1]  # Adam divides by the size of the gradient, plus 1e-8


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alphabet": ["a"]}, TypeError, "alphabet must be a str"),
        ({"alphabet": "aba"}, ValueError, "alphabet must hold each character once"),
        ({"layer": RNN}, TypeError, "layer must be a recurrent layer"),
        ({"layer": torch.nn.Linear(3, 4)}, TypeError, "layer must be a recurrent layer"),
        ({"layer": torch.nn.RNNCell(3, 4)}, TypeError, r"such as RNN\(32, 64\), not a cell, got RNNCell"),
        ({"num_classes": 1}, ValueError, "num_classes must be at least 2"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        SentenceClassifier(**{"alphabet": "ab", "layer": RNN(3, 4), "num_classes": 2} | arguments)


def test_bad_texts_are_refused_by_name():
    model = classifier(RNN(3, 4))
    for texts in ("abc", None, ["a", None]):
        with pytest.raises(TypeError, match="texts must be a list of str"):
            model(texts)
    for read in (model, model.predict):
        with pytest.raises(ValueError, match="texts must hold at least one text"):
            read([])
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        model.predict(["a"], batch_size=0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": [0, 1]}, ValueError, r"y must be 3 int labels, one for each text, got shape \(2,\)"),
        ({"y": [0.0, 1.0, 2.0]}, ValueError, "y must be 3 int labels.*float32"),
        ({"y": [0, 1, 3]}, ValueError, "y must hold classes from 0 to 2"),
        ({"y": [0, -1, 2]}, ValueError, "y must hold classes from 0 to 2"),
        ({"texts": [], "y": []}, ValueError, "y must"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an int"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be above 0"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number"),
        ({"max_norm": -1.0}, ValueError, "max_norm must be above 0"),
        ({"max_norm": float("nan")}, ValueError, "max_norm"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"validation": (["a"], [5])}, ValueError, "validation's y must hold classes"),
        ({"validation": (["a", "b"], [0])}, ValueError, "validation's y must be 2 int labels"),
        ({"validation": (["a"],)}, ValueError, r"validation must be a pair \(texts, y\), got \(\['a'\],\)"),
    ],
)
def test_fit_refuses_bad_arguments_by_name(arguments, error, message):
    model = classifier(RNN(3, 4))
    with pytest.raises(error, match=message):
        fit(model, **{"texts": ["a", "b", "c"], "y": [0, 1, 2]} | arguments)
