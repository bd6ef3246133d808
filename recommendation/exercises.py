"""The checks of the exercises of day 13. Each is called with the learner's answer."""

import itertools

import numpy as np

from tensorflow_basics.exercises import exercise


@exercise
def check_is_future(is_future):
    """Day 13, exercise 1: ``is_future(time, test_size)``, a mask of the ratings to hold out, without leakage."""
    rng = np.random.default_rng(0)
    distinct = rng.permutation(np.arange(100, 150))
    few = np.repeat([3, 1, 2, 4, 5], 4)
    cases = [(distinct, 0.2, 10), (distinct, 0.5, 25), (few, 0.25, 8), (few, 0.1, 4), (np.sort(few), 0.3, 8)]
    cases += [(rng.permutation(7), 0.2, 1), (rng.permutation(7), 0.25, 2)]  # 1.4 and 1.75 ratings
    for time, test_size, n_test in cases:
        got = is_future(time.copy(), test_size)
        got = np.asarray(got)
        case = f"{len(time)} ratings at {len(set(time.tolist()))} different times, test_size {test_size}"
        assert got.shape == time.shape and got.dtype == bool, (
            f"{case}: return a mask of shape {time.shape}, dtype bool, one entry a rating in the given order; got "
            f"{got.dtype} of shape {got.shape}."
        )
        assert got.any() and not got.all(), f"{case}: one of the two parts is empty."
        newest, oldest = time[~got].max(), time[got].min()
        assert newest <= oldest, (
            f"{case}: leakage. The training part has a rating of time {newest}, the test part one of time {oldest}: the "
            "model would learn from the future of what it is asked. Hold out the latest, not any."
        )
        assert newest < oldest, (
            f"{case}: ratings of time {oldest} are on both sides. What happened in the same second goes to the same side: "
            "find the moment first, then compare all times with it."
        )
        assert got.sum() >= test_size * len(time) - 0.5, (
            f"{case}: only {got.sum()} are held out. Round test_size * n to the nearest whole number; if the moment falls "
            "among ratings of one second, hold out all of them."
        )
        assert got.sum() == n_test, (
            f"{case}: {got.sum()} are held out, {n_test} are the fewest that will do. Round test_size * n to the nearest "
            "whole number, and add only what has the same time."
        )


@exercise
def check_ndcg(ndcg):
    """Day 13, exercise 2: ``ndcg(gains, all_gains, k)`` of one list."""
    rng = np.random.default_rng(0)
    cases = [([3.0, 1.0], [1.0, 3.0], 2), ([1.0, 3.0, 0.0], [3.0, 1.0], 3), ([0.0, 0.0, 5.0], [5.0, 4.0, 1.0], 3)]
    for _ in range(6):
        all_gains = rng.integers(1, 6, size=5).astype(float)
        gains = rng.permutation(np.concatenate([all_gains[:3], np.zeros(3)]))
        cases += [(gains.tolist(), all_gains.tolist(), k) for k in (1, 2, 4, 6)]
    cases.append(([2.0], [2.0, 5.0], 10))
    for gains, all_gains, k in cases:
        discount = 1 / np.log2(np.arange(2, 40))
        dcg = np.dot(gains[:k], discount[: len(gains[:k])])
        best = np.sort(all_gains)[::-1][:k]
        expected = dcg / np.dot(best, discount[: len(best)])
        got = np.asarray(ndcg(list(gains), list(all_gains), k))
        case = f"gains {gains}, all_gains {all_gains}, k = {k}"
        assert got.shape == () and np.isfinite(got), (
            f"{case}: expected one finite number, got {got}. The discount of position i is 1 / log2(i + 1), from 1: "
            "the first position divides by log2(2) = 1, not by log2(1) = 0."
        )
        uncut = dcg / np.dot(np.sort(all_gains)[::-1], discount[: len(all_gains)])
        assert np.isclose(got, expected) or not np.isclose(got, uncut), (
            f"{case}: the best list is cut at k as well, or nobody with more than k relevant items can reach 1."
        )
        own = np.sort(gains)[::-1][:k]
        of_own = dcg / np.dot(own, discount[: len(own)]) if np.any(own) else 0.0
        assert np.isclose(got, expected) or not np.isclose(got, of_own), (
            f"{case}: the best list is made from all that is relevant to the user, not only from what was recommended."
        )
        assert np.isclose(got, expected), f"{case}: expected {expected:.4f}, got {got:.4f}."
    assert np.isclose(ndcg([0.0, 0.0], [4.0], 2), 0), "A list without a hit scores 0."


@exercise
def check_expected_precision(expected_precision):
    """Day 13, exercise 3: ``expected_precision(scores, relevant, k)``, the mean over all orders of the ties."""
    rng = np.random.default_rng(0)
    cases = [([5.0, 5.0, 5.0, 1.0], [1, 0, 0, 1], 1), ([5.0, 4.0, 4.0, 4.0, 1.0], [0, 1, 1, 0, 1], 2)]
    cases += [
        (rng.integers(0, 3, size=6).astype(float).tolist(), rng.integers(0, 2, size=6).tolist(), k) for k in (1, 2, 3, 5)
    ]
    cases += [(rng.permutation(6).astype(float).tolist(), [1, 0, 1, 0, 0, 1], k) for k in (1, 3, 6)]
    for scores, relevant, k in cases:
        orders = [
            np.mean([relevant[i] for i in order[:k]])
            for order in itertools.permutations(range(len(scores)))
            if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
        ]
        expected = np.mean(orders)
        got = np.asarray(expected_precision(np.array(scores), np.array(relevant), k))
        case = f"scores {scores}, relevant {relevant}, k = {k}"
        assert got.shape == (), f"{case}: expected one number, got shape {got.shape}."
        assert got <= 1 + 1e-9, (
            f"{case}: a precision of {got:.4f}. More than k items were counted: the ties share the places."
        )
        assert np.isclose(got, expected), (
            f"{case}: expected {expected:.4f}, the mean over all orders of the ties, got {got:.4f}. Items above the k-th "
            "score are in the list for sure; of m that tie for the p places left, each is in it with probability p / m."
        )


@exercise
def check_hit_rate(hit_rate):
    """Day 13, exercise 4: ``hit_rate(recommended, held_out)``, one held-out item for each user, -1 as padding."""
    cases = [
        ([[3, 1, 2], [5, 4, 9]], [2, 7], 0.5),
        ([[2, 3], [3, 2], [1, 4], [9, 8]], [3, 1, 4, 2], 0.5),
        ([[0, 1, 2], [4, 0, 5], [6, 7, 8]], [0, 0, 0], 2 / 3),
        ([[0], [1]], [0, 1], 1.0),
        ([[5, 6], [7, 8]], [7, 5], 0.0),
        ([[1, -1], [-1, -1]], [1, -1], 1.0),
        ([[1, -1], [-1, -1]], [2, -1], 0.0),
        ([[1, -1], [-1, -1], [4, 3]], [0, 2, -1], 0.0),
    ]
    for recommended, held_out, expected in cases:
        got = np.asarray(hit_rate(np.array(recommended), np.array(held_out)))
        case = f"recommended {recommended}, held_out {held_out}"
        assert got.shape == (), f"{case}: expected one number, got shape {got.shape}."
        if np.isclose(got, expected):
            continue
        assert -1 not in held_out, (
            f"{case}: expected {expected:.4f}, got {got:.4f}. A user with held_out -1 has nothing to find: no hit, and not "
            "counted among the users either. -1 in a list is an empty place, not an item."
        )
        assert 0 not in held_out, (
            f"{case}: expected {expected:.4f}, got {got:.4f}. Is item 0 an item for your code? any({{0}}) is False, and "
            "`if item:` skips it."
        )
        raise AssertionError(
            f"{case}: expected {expected:.4f}, got {got:.4f}. Row i belongs to user i; average over users."
        )
