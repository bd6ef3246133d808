"""The check on federated averaging accepts right answers and refuses, with a hint, what a learner may plausibly write."""

import numpy as np
import pytest
from exercise_cases import assert_answers_back

from tensorflow_basics import exercises
from tensorflow_basics.federated import federated_average


def add_client(average, n_seen, weights, n):
    share = n / (n_seen + n)
    return [a + share * (w - a) for a, w in zip(average, weights, strict=True)]


def add_client_by_sums(average, n_seen, weights, n):
    return tuple((n_seen * a + n * w) / (n_seen + n) for a, w in zip(average, weights, strict=True))


def add_client_unweighted(average, n_seen, weights, n):
    return [(a + w) / 2 for a, w in zip(average, weights, strict=True)]


def add_client_unweighted_but_the_first(average, n_seen, weights, n):
    return add_client_unweighted(average, n_seen, weights, n) if n_seen else list(weights)


def add_client_without_dividing(average, n_seen, weights, n):
    return [n_seen * a + n * w for a, w in zip(average, weights, strict=True)]


def add_client_divided_by_the_old_number(average, n_seen, weights, n):
    return [a + n / max(n_seen, 1) * (w - a) for a, w in zip(average, weights, strict=True)]


def add_client_first_array_only(average, n_seen, weights, n):
    return [average[0] + n / (n_seen + n) * (weights[0] - average[0])]


def add_client_other_arrays_kept(average, n_seen, weights, n):
    return [*add_client_first_array_only(average, n_seen, weights, n), *average[1:]]


def add_client_in_place(average, n_seen, weights, n):
    for a, w in zip(average, weights, strict=True):
        a += n / (n_seen + n) * (w - a)
    return average


def add_client_scaling_the_client(average, n_seen, weights, n):
    for w in weights:
        w *= n / (n_seen + n)
    return [n_seen / (n_seen + n) * a + w for a, w in zip(average, weights, strict=True)]


def add_client_swapped(average, n_seen, weights, n):
    return add_client(weights, n_seen, average, n)


def add_client_swapped_shares(average, n_seen, weights, n):
    return [(n * a + n_seen * w) / (n_seen + n) for a, w in zip(average, weights, strict=True)]


def add_client_with_the_start_as_a_client(average, n_seen, weights, n):
    return add_client(average, n_seen or 1, weights, n)


def add_client_by_ratio(average, n_seen, weights, n):
    return [(a + n / n_seen * w) / (1 + n / n_seen) for a, w in zip(average, weights, strict=True)]


def all_arrays_in_one(average, n_seen, weights, n):
    return np.mean([a.mean() for a in average])


WRONG = {
    add_client_unweighted: "plain mean",
    add_client_unweighted_but_the_first: "plain mean",
    add_client_without_dividing: "sum to 1",
    add_client_divided_by_the_old_number: "sum to 1",
    add_client_first_array_only: "Average each array with its counterpart",
    add_client_other_arrays_kept: "the second is not",
    add_client_in_place: r"as \+= does",
    add_client_scaling_the_client: r"as \+= does",
    add_client_swapped: "wrong way round",
    add_client_swapped_shares: "wrong way round",
    add_client_with_the_start_as_a_client: "counts for nothing",
    add_client_by_ratio: "stopped with ZeroDivisionError",
    all_arrays_in_one: "stopped with TypeError",
}


@pytest.mark.parametrize("right", [add_client, add_client_by_sums])
def test_check_add_client(right, capsys):
    assert_answers_back(exercises.check_add_client, right, WRONG, capsys)


def test_client_by_client_the_solution_gives_the_federated_average():
    rng = np.random.default_rng(0)
    sizes, average, n_seen = [3, 1, 8, 2], [np.zeros((2, 3)), np.zeros(3)], 0
    clients = [[rng.normal(size=array.shape) for array in average] for _ in sizes]
    for weights, n in zip(clients, sizes, strict=True):
        average, n_seen = add_client(average, n_seen, weights, n), n_seen + n
    for ours, reference in zip(average, federated_average(clients, sizes), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-15)
