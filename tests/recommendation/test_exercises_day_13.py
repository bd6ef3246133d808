"""The checks of Day 13 accept a right answer and refuse, with a hint, plausible wrong ones."""

import math

import numpy as np
import pytest
from exercise_cases import assert_answers_back

from recommendation import exercises


def is_future(time, test_size):
    moment = np.sort(time)[-max(1, round(test_size * len(time)))]
    return time >= moment


def last_rows_when_sorted(time, test_size):
    mask = np.zeros(len(time), bool)
    mask[np.argsort(time, kind="stable")[-round(test_size * len(time)) :]] = True
    return mask


def last_rows(time, test_size):
    return np.arange(len(time)) >= len(time) - round(test_size * len(time))


def at_random(time, test_size):
    return np.random.default_rng(1).random(len(time)) < test_size


def strictly_later(time, test_size):
    return time > np.sort(time)[-max(1, round(test_size * len(time)))]


def cut_off(time, test_size):
    return time >= np.sort(time)[-max(1, int(test_size * len(time)))]


def rounded_up(time, test_size):
    return time >= np.sort(time)[-math.ceil(test_size * len(time))]


def from_the_quantile(time, test_size):
    return time >= np.quantile(time, 1 - test_size)


def by_the_range_of_time(time, test_size):
    return time >= time.max() - test_size * (time.max() - time.min()) * 1.5


def discounted(gains, shift=2, log=np.log2):
    gains = np.asarray(gains, float)
    return np.sum(gains / log(np.arange(shift, len(gains) + shift)))


def ndcg(gains, all_gains, k):
    return discounted(gains[:k]) / discounted(sorted(all_gains, reverse=True)[:k])


def ndcg_with_natural_logarithm(gains, all_gains, k):
    return discounted(gains[:k], log=np.log) / discounted(sorted(all_gains, reverse=True)[:k], log=np.log)


def ndcg_from_log_of_one(gains, all_gains, k):
    with np.errstate(divide="ignore", invalid="ignore"):
        return discounted(gains[:k], 1) / discounted(sorted(all_gains, reverse=True)[:k], 1)


def ndcg_one_step_late(gains, all_gains, k):
    return discounted(gains[:k], 3) / discounted(sorted(all_gains, reverse=True)[:k], 3)


def ndcg_with_uncut_best(gains, all_gains, k):
    return discounted(gains[:k]) / discounted(sorted(all_gains, reverse=True))


def ndcg_with_best_of_the_list(gains, all_gains, k):
    best = discounted(sorted(gains, reverse=True)[:k])
    return discounted(gains[:k]) / best if best else 0.0


def ndcg_with_unsorted_best(gains, all_gains, k):
    return discounted(gains[:k]) / discounted(all_gains[:k])


def dcg_alone(gains, all_gains, k):
    return discounted(gains[:k])


def ndcg_with_exponential_gain(gains, all_gains, k):
    return ndcg(2 ** np.array(gains) - 1, list(2 ** np.array(all_gains) - 1), k)


def expected_precision(scores, relevant, k):
    kth = np.sort(scores)[-k]
    sure, tied = scores > kth, scores == kth
    places = k - sure.sum()
    return (relevant[sure].sum() + relevant[tied].sum() * places / tied.sum()) / k


def precision_of_one_order(scores, relevant, k):
    return relevant[np.argsort(-scores, kind="stable")[:k]].mean()


def precision_of_all_tied(scores, relevant, k):
    return relevant[scores >= np.sort(scores)[-k]].sum() / k


def precision_of_the_sure(scores, relevant, k):
    return relevant[scores > np.sort(scores)[-k]].sum() / k


def precision_over_all_tied(scores, relevant, k):
    return relevant[scores >= np.sort(scores)[-k]].mean()


def hit_rate(recommended, held_out):
    is_hit = (recommended == held_out[:, None]).any(axis=1)
    return is_hit[held_out >= 0].mean()


def hit_rate_of_truth(recommended, held_out):
    hits = [any(set(row) & {item}) for row, item in zip(recommended.tolist(), held_out.tolist(), strict=True)]
    return np.mean(np.array(hits)[held_out >= 0])


def hit_rate_if_item(recommended, held_out):
    return np.mean([bool(item) and item in row for row, item in zip(recommended.tolist(), held_out.tolist(), strict=True)])


def hit_rate_with_empty_places(recommended, held_out):
    return (recommended == held_out[:, None]).any(axis=1).mean()


def hit_rate_over_all_users(recommended, held_out):
    return ((recommended == held_out[:, None]).any(axis=1) & (held_out >= 0)).mean()


def hit_rate_over_places(recommended, held_out):
    return (recommended == held_out[:, None])[held_out >= 0].mean()


def hit_rate_of_anybody(recommended, held_out):
    return np.isin(held_out, recommended).mean()


EXERCISES = [
    (
        exercises.check_is_future,
        is_future,
        {
            last_rows_when_sorted: "same second goes to the same side",
            last_rows: "leakage",
            at_random: "leakage",
            strictly_later: "one of the two parts is empty|only",
            lambda time, test_size: time >= time.min(): "one of the two parts is empty",
            lambda time, test_size: time > time.max(): "one of the two parts is empty",
            by_the_range_of_time: "are held out",
            cut_off: "only 1 are held out. Round test_size",
            rounded_up: "2 are held out, 1 are the fewest that will do. Round test_size",
            from_the_quantile: "2 are held out, 1 are the fewest",
            lambda time, test_size: np.flatnonzero(is_future(time, test_size)): "return a mask",
        },
    ),
    (
        exercises.check_ndcg,
        ndcg,
        {
            ndcg_from_log_of_one: "not by log2",
            ndcg_one_step_late: "expected",
            ndcg_with_uncut_best: "the best list is cut at k as well",
            ndcg_with_best_of_the_list: "all that is relevant to the user",
            ndcg_with_unsorted_best: "expected",
            dcg_alone: "expected",
            ndcg_with_exponential_gain: "expected",
            lambda gains, best, k: ndcg(gains, best, k) if any(gains) else np.nan: "without a hit scores 0",
        },
    ),
    (
        exercises.check_expected_precision,
        expected_precision,
        {
            precision_of_one_order: "the mean over all orders of the ties",
            precision_of_all_tied: "the mean over all orders|More than k items",
            precision_of_the_sure: "in the list for sure",
            precision_over_all_tied: "probability p / m",
            lambda scores, relevant, k: relevant.sum() / k: "More than k items were counted",
            lambda scores, relevant, k: [expected_precision(scores, relevant, k)]: "expected one number",
            lambda scores, relevant, k: k * expected_precision(scores, relevant, k): "More than k|the mean over all",
        },
    ),
    (
        exercises.check_hit_rate,
        hit_rate,
        {
            hit_rate_of_truth: "any",
            hit_rate_if_item: "any",
            hit_rate_with_empty_places: "has nothing to find",
            hit_rate_over_all_users: "has nothing to find",
            hit_rate_over_places: "average over users",
            hit_rate_of_anybody: "Row i belongs to user i",
            lambda recommended, held_out: (recommended == held_out[:, None]).any(axis=1): "expected one number",
        },
    ),
]


@pytest.mark.parametrize(("check", "right", "wrong"), EXERCISES, ids=[row[0].__name__ for row in EXERCISES])
def test_check(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)


def test_the_base_of_the_logarithm_is_free(capsys):
    exercises.check_ndcg(ndcg_with_natural_logarithm)
    assert capsys.readouterr().out == "Correct.\n"
