"""The objectives hide what they say and nothing else, in the shares they say, and can be undone."""

import numpy as np
import pytest
import torch

from architectures.objectives import (
    IGNORE,
    causal,
    infilling,
    masked,
    random_spans,
    span_corruption,
    undo_span_corruption,
)

SENTINELS = list(range(200, 240))


def random_texts(n, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.integers(1, 100, size=rng.integers(2, 120))) for _ in range(n)]


# --- causal and masked --------------------------------------------------------------------------------------------------


def test_causal_targets_are_the_next_tokens():
    tokens = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]])
    inputs, targets = causal(tokens)
    assert inputs.tolist() == [[5, 6, 7], [5, 6, 0]]
    assert targets.tolist() == [[6, 7, 8], [6, IGNORE, IGNORE]]
    assert causal(torch.tensor([5, 1, 7]), padding=1)[1].tolist() == [IGNORE, 7]
    assert causal(torch.tensor([5, 6]))[1].tolist() == [6]
    assert tokens.tolist() == [[5, 6, 7, 8], [5, 6, 0, 0]]  # not changed


def test_masked_has_the_shares_of_the_paper():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(10, 20, (200_000,), generator=generator)
    inputs, targets = masked(tokens, mask=1, vocab_size=20, special=(0, 2), generator=generator)
    chosen = targets != IGNORE
    assert torch.equal(targets[chosen], tokens[chosen])
    assert torch.equal(inputs[~chosen], tokens[~chosen])
    hidden = inputs[chosen] == 1
    stays = inputs[chosen] == tokens[chosen]
    drawn = inputs[chosen][~hidden & ~stays]
    n = chosen.sum()
    assert abs(chosen.double().mean() - 0.15) < 0.004
    assert abs(hidden.sum() / n - 0.8) < 0.01
    # random tokens are 10% of the chosen, and one in 17 of them is the token itself
    assert abs(len(drawn) / n - 0.1 * 16 / 17) < 0.006
    assert set(drawn.tolist()) == set(range(3, 20))  # neither mask nor special


def test_masked_never_chooses_special_tokens_and_repeats_with_its_generator():
    tokens = torch.tensor([[2, 5, 6, 0], [2, 7, 0, 0]])
    for seed in range(20):
        runs = [
            masked(tokens, 1, 9, probability=1.0, special=(0, 2), generator=torch.Generator().manual_seed(seed))
            for _ in range(2)
        ]
        assert torch.equal(runs[0][0], runs[1][0])
        assert runs[0][1].tolist() == [[IGNORE, 5, 6, IGNORE], [IGNORE, 7, IGNORE, IGNORE]]
    assert tokens.tolist() == [[2, 5, 6, 0], [2, 7, 0, 0]]


# --- spans ----------------------------------------------------------------------------------------------------------


def test_the_spans_of_512_tokens_have_the_lengths_of_t5():
    generator = torch.Generator().manual_seed(0)
    spans = random_spans(512, generator=generator)
    inputs, targets = span_corruption(torch.arange(512), spans, range(600, 700))
    assert (len(spans), len(inputs), len(targets)) == (26, 512 - 77 + 26, 77 + 26 + 1)
    whole = infilling(torch.arange(512), spans, mask=600)
    assert (len(whole[0]), len(whole[1])) == (512 - 77 + 26, 512)


def test_random_spans_are_apart_and_of_the_number_asked_for():
    generator = torch.Generator().manual_seed(0)
    for length in (2, 3, 5, 17, 100):
        for density, mean_length in ((0.15, 3.0), (0.5, 1.0), (0.5, 2.0), (0.9, 3.0), (1e-6, 3.0), (1.0, 9.0)):
            spans = random_spans(length, density=density, mean_length=mean_length, generator=generator)
            inside = sum(end - start for start, end in spans)
            assert inside == min(max(round(length * density), 1), length - 1)
            edges = [0, *(edge for span in spans for edge in span)]
            assert all(np.diff(edges) > 0) and edges[-1] == length


def test_random_spans_are_spread_evenly():
    """Five tokens in two spans out of ten: all partitions are equally likely."""
    generator = torch.Generator().manual_seed(0)
    drawn = [random_spans(10, density=0.5, mean_length=2.5, generator=generator) for _ in range(4000)]
    first = np.bincount([spans[0][1] - spans[0][0] for spans in drawn], minlength=5)[1:]
    assert abs(first / 4000 - 0.25).max() < 0.03


def test_span_corruption_can_be_undone():
    generator = torch.Generator().manual_seed(0)
    for tokens in random_texts(50):
        spans = random_spans(len(tokens), density=0.3, mean_length=2.0, generator=generator)
        inputs, targets = span_corruption(tokens, spans, SENTINELS)
        assert torch.equal(undo_span_corruption(inputs, targets, SENTINELS), tokens)
        assert len(inputs) + len(targets) == len(tokens) + 2 * len(spans) + 1
    for spans in ([], [(0, 3)], [(0, 1), (2, 3)]):  # also at the very beginning, and none at all
        inputs, targets = span_corruption(torch.tensor([7, 8, 9]), spans, SENTINELS)
        assert undo_span_corruption(inputs, targets, SENTINELS).tolist() == [7, 8, 9]


def test_the_example_of_the_paper():
    """Figure 2: thank you <X> me to your party <Y> week; <X> for inviting <Y> last <Z>."""
    words = "thank you for inviting me to your party last week".split()
    x, y, z = 100, 101, 102
    inputs, targets = span_corruption(torch.arange(10), [(2, 4), (8, 9)], [x, y, z])
    names = dict(enumerate(words)) | {x: "<X>", y: "<Y>", z: "<Z>"}
    assert " ".join(names[t] for t in inputs.tolist()) == "thank you <X> me to your party <Y> week"
    assert " ".join(names[t] for t in targets.tolist()) == "<X> for inviting <Y> last <Z>"


def test_infilling_asks_for_everything_and_hides_how_much_is_missing():
    tokens = torch.tensor([1, 2, 3, 4, 5])
    assert infilling(tokens, [(1, 4)], 9)[0].tolist() == [1, 9, 5]
    assert infilling(tokens, [(1, 2)], 9)[0].tolist() == [1, 9, 3, 4, 5]
    assert infilling(tokens, [(2, 2), (4, 5)], 9)[0].tolist() == [1, 2, 9, 3, 4, 9]  # an empty span adds a mask
    for spans in ([(1, 4)], [], [(0, 5)]):
        assert infilling(tokens, spans, 9)[1].tolist() == tokens.tolist()


# --- bad input ------------------------------------------------------------------------------------------------------


def test_one_ordinary_token_is_enough():
    inputs, _ = masked(torch.zeros(50, dtype=torch.int64), mask=1, vocab_size=1, special=())
    assert set(inputs.tolist()) <= {0, 1}


TEXT = torch.tensor([1, 2, 3, 4])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: causal(torch.tensor([1])), ValueError, "tokens must be 2 or more"),
        (lambda: causal([1, 2]), TypeError, "tokens must be a tensor of int64, got list"),
        (lambda: causal(torch.zeros(2, 0).long()), ValueError, "tokens must hold at least one token"),
        (lambda: masked(TEXT.double(), 1, 9), TypeError, r"tokens must be a tensor of int64, got torch\.float64"),
        (lambda: masked(TEXT, 1, 9, probability=0), ValueError, "probability must be above 0"),
        (lambda: masked(TEXT, 1, 9, probability="a"), TypeError, "probability must be a number"),
        (lambda: masked(TEXT, 1, 2), ValueError, "vocab_size must leave a token"),
        (lambda: masked(TEXT, -1, 2), ValueError, "mask must be at least 0"),
        (lambda: random_spans(1), ValueError, "length must be at least 2"),
        (lambda: random_spans(9, density=0.0), ValueError, "density must be above 0"),
        (lambda: random_spans(9, density=1.01), ValueError, "density must be above 0 and at most 1"),
        (lambda: random_spans(9, mean_length="3"), TypeError, "mean_length must be a number"),
        (lambda: random_spans(9, mean_length=0.5), ValueError, "mean_length must be at least 1"),
        (lambda: random_spans(9, mean_length=float("nan")), ValueError, "mean_length must be at least 1"),
        (lambda: span_corruption(TEXT, [(1, 1)], SENTINELS), ValueError, "the end of a span must be from 2 to 4"),
        (lambda: span_corruption(TEXT, [(1, 5)], SENTINELS), ValueError, "the end of a span must be from 2 to 4"),
        (
            lambda: span_corruption(TEXT, [(0, 2), (2, 3)], SENTINELS),
            ValueError,
            "spans must be in order with a token between",
        ),
        (lambda: span_corruption(TEXT, [(2, 3), (0, 1)], SENTINELS), ValueError, "spans must be in order"),
        (lambda: span_corruption(TEXT, [(1, 2)], [9]), ValueError, "sentinels must be 2, one for each span and one"),
        (lambda: span_corruption(TEXT, [(1, 2)], [9, 9]), ValueError, "sentinels must differ"),
        (lambda: span_corruption(TEXT, [(1, 2)], [9, 2]), ValueError, r"sentinels must not occur in the text, \[2\] do"),
        (lambda: span_corruption(TEXT[None], [], SENTINELS), ValueError, "tokens must be one text"),
        (
            lambda: span_corruption(TEXT.float(), [], SENTINELS),
            TypeError,
            r"tokens must be a tensor of int64, got torch\.float32",
        ),
        (lambda: infilling(TEXT[:0], [], 9), ValueError, "tokens must hold at least one token"),
        (lambda: infilling(TEXT, [(1, 2)], 3), ValueError, "mask must not occur in the text, 3 does"),
        (lambda: infilling(TEXT, [(1, 2)], -1), ValueError, "mask must be at least 0, got -1"),
        (lambda: infilling(TEXT, [(1, 2), (1, 3)], 9), ValueError, "spans must be in order"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "targets",
    [
        [200, 5],  # the closing sentinel is missing
        [201, 5, 200],
        [200, 5, 201, 6, 202],
        [5, 200, 201],
        [200, 5, 201, 6],
        [200, 5, 200],
    ],
)
def test_targets_that_do_not_belong_to_the_inputs_are_refused(targets):
    with pytest.raises(ValueError, match="targets"):
        undo_span_corruption(torch.tensor([1, 200, 2]), torch.tensor(targets), SENTINELS)
