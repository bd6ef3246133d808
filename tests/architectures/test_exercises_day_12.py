"""The checks of Day 12 accept a right answer and refuse, with a hint, plausible wrong ones."""

import pytest
import torch
from exercise_cases import assert_answers_back
from torch.nn.functional import cross_entropy

from architectures import exercises


def attend(query, key, value, offset=0, dim=-1, scale=None, shift=True):
    queries, keys = query.shape[1], key.shape[1]
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    allowed = torch.ones(queries, keys, dtype=torch.bool).tril((keys - queries if shift else 0) + offset)
    scores = (query @ key.transpose(1, 2) * scale).masked_fill(~allowed, float("-inf"))
    return scores.softmax(dim=dim) @ value


def with_the_future(query, key, value):
    return torch.nn.functional.scaled_dot_product_attention(query, key, value)


def one_too_many(*x):
    return attend(*x, offset=1)


def without_itself(*x):
    return attend(*x, offset=-1)


def without_the_root(*x):
    return attend(*x, scale=1.0)


def over_the_queries(*x):
    return attend(*x, dim=1).nan_to_num()


def masked_after_the_softmax(query, key, value):
    weights = (query @ key.transpose(1, 2) * query.shape[-1] ** -0.5).softmax(dim=-1)
    return weights.tril(key.shape[1] - query.shape[1]) @ value


def queries_are_the_first(*x):
    return attend(*x, shift=False)


def divided_by_d(query, key, value):
    return attend(query, key, value, scale=1 / query.shape[-1])


def t5_example(tokens, spans, sentinels):
    source, target, position = [], [], 0
    for (start, end), sentinel in zip(spans, sentinels, strict=False):
        source += [*tokens[position:start], sentinel]
        target += [sentinel, *tokens[start:end]]
        position = end
    return source + tokens[position:], [*target, sentinels[len(spans)]]


def without_the_closing_sentinel(*x):
    source, target = t5_example(*x)
    return source, target[:-1]


def sentinel_behind_its_span(tokens, spans, sentinels):
    source, _ = t5_example(tokens, spans, sentinels)
    pairs = zip(spans, sentinels, strict=False)
    return source, [token for (start, end), sentinel in pairs for token in (*tokens[start:end], sentinel)]


def one_sentinel_for_all(tokens, spans, sentinels):
    return t5_example(tokens, spans, sentinels[:1] * len(sentinels))


def sentinels_from_the_end(tokens, spans, sentinels):
    return t5_example(tokens, spans, sentinels[::-1])


def the_whole_text(tokens, spans, sentinels):
    return t5_example(tokens, spans, sentinels)[0], tokens


def swapped(*x):
    return t5_example(*x)[::-1]


def without_the_rest(tokens, spans, sentinels):
    end = spans[-1][1] if spans else 0
    return t5_example(tokens[:end], spans, sentinels)


def nucleus(probabilities, p, keep=lambda ranked, p: ranked.cumsum(0) - ranked < p):
    ranked, order = probabilities.sort(descending=True, stable=True)
    kept = torch.zeros_like(probabilities)
    kept[order[keep(ranked, p)]] = ranked[keep(ranked, p)]
    return kept / kept.sum()


def without_the_one_that_reaches_p(probabilities, p):
    return nucleus(probabilities, p, lambda ranked, p: ranked.cumsum(0) <= p)


def one_too_many_at_equality(probabilities, p):
    return nucleus(probabilities, p, lambda ranked, p: ranked.cumsum(0) - ranked <= p)


def in_sorted_order(probabilities, p):
    return nucleus(probabilities, p).sort(descending=True).values


def not_renormalised(probabilities, p):
    return probabilities * (nucleus(probabilities, p) > 0)


def above_a_threshold(probabilities, p):
    kept = probabilities * (probabilities >= 1 - p)
    return kept / kept.sum()


def above_the_last_that_is_needed(probabilities, p):
    cutoff = probabilities[nucleus(probabilities, p) > 0].min()
    kept = probabilities * (probabilities >= cutoff)
    return kept / kept.sum()


def perplexity(logits, targets):
    return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100).exp()


def cross_entropy_itself(logits, targets):
    return perplexity(logits, targets).log()


def to_the_base_2(logits, targets):
    return 2 ** perplexity(logits, targets).log()


def mean_of_the_sentences(logits, targets):
    return torch.stack([perplexity(x[None], y[None]) for x, y in zip(logits, targets, strict=True)]).mean()


def mean_over_sentences_first(logits, targets):
    return torch.stack([perplexity(x[None], y[None]).log() for x, y in zip(logits, targets, strict=True)]).mean().exp()


def padding_is_token_0(logits, targets):
    return perplexity(logits, targets.clamp(min=0))


def divided_by_all_places(logits, targets):
    loss = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")
    return (loss / targets.numel()).exp()


def one_for_each_token(logits, targets):
    return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="none").exp()


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_causal_attention,
            attend,
            {
                with_the_future: "the future is not hidden",
                one_too_many: "off by one. A token may look at itself, and not",
                without_itself: "nothing to look at",
                without_the_root: r"divide the scores by sqrt\(d\)",
                over_the_queries: "wrong axis",
                masked_after_the_softmax: "masked after the softmax",
                queries_are_the_first: "the queries are the last",
                divided_by_d: "wrong values",
                lambda query, key, value: attend(query, key, value)[0]: "expected the shape",
            },
        ),
        (
            exercises.check_t5_example,
            t5_example,
            {
                without_the_closing_sentinel: "does not end",
                sentinel_behind_its_span: "before its span",
                one_sentinel_for_all: "Each span its own|expected the target",
                sentinels_from_the_end: "the first of the list for the first span",
                the_whole_text: "That is BART's",
                swapped: "swapped",
                without_the_rest: "expected the source",
            },
        ),
        (
            exercises.check_nucleus,
            nucleus,
            {
                without_the_one_that_reaches_p: "the token that reaches p belongs to it",
                one_too_many_at_equality: "the first alone reaches p exactly",
                in_sorted_order: "back in its place",
                not_renormalised: "What stays shares 1",
                above_a_threshold: "expected",
                above_the_last_that_is_needed: "Compare ranks",
            },
        ),
        (
            exercises.check_perplexity,
            perplexity,
            {
                cross_entropy_itself: "its exponential",
                to_the_base_2: "it goes with exp",
                mean_of_the_sentences: "mean of the sentences' perplexities",
                mean_over_sentences_first: "mean over sentences",
                padding_is_token_0: "counted as tokens",
                divided_by_all_places: "divide by all places",
                one_for_each_token: "one number",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)
