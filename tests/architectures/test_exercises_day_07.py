"""The checks of Day 7 accept a right answer and refuse, with a hint, plausible wrong ones."""

import numpy as np
import tensorflow as tf
from exercise_cases import assert_answers_back

from architectures import exercises


def weighted_loss(y, z, pos_weight):
    return pos_weight * y * tf.math.softplus(-z) + (1 - y) * tf.math.softplus(z)


def loss_from_log_of_sigmoid(y, z, pos_weight):
    p = tf.sigmoid(z)
    return -pos_weight * y * tf.math.log(p) - (1 - y) * tf.math.log(1 - p)


def loss_of_clipped_probabilities(y, z, pos_weight):
    p = tf.clip_by_value(tf.sigmoid(z), 1e-7, 1 - 1e-7)
    return -pos_weight * y * tf.math.log(p) - (1 - y) * tf.math.log(1 - p)


def loss_with_a_cancellation(y, z, pos_weight):
    return (1 + (pos_weight - 1) * y) * (tf.math.softplus(z) - y * z)


def loss_that_overflows(y, z, pos_weight):
    return pos_weight * y * tf.math.log(1 + tf.exp(-z)) + (1 - y) * tf.math.log(1 + tf.exp(z))


def test_weighted_loss(capsys):
    wrong = {
        loss_from_log_of_sigmoid: "use softplus, not the sigmoid",
        loss_that_overflows: "exp overflows",
        loss_of_clipped_probabilities: "clipped or nudged",
        loss_with_a_cancellation: "rounded away",
        lambda y, z, pos_weight: weighted_loss(1 - y, z, pos_weight): "Yes and no are swapped",
        lambda y, z, pos_weight: weighted_loss(y, z, 1.0): "pos_weight has no effect",
        lambda y, z, pos_weight: pos_weight * weighted_loss(y, z, 1.0): "for the yes only, not for both",
        lambda y, z, pos_weight: pos_weight * weighted_loss(y, z, 1 / pos_weight): "You weigh the no",
        lambda y, z, pos_weight: tf.reduce_mean(weighted_loss(y, z, pos_weight)): "one loss for each entry",
    }
    assert_answers_back(exercises.check_weighted_loss, weighted_loss, wrong, capsys)


def roc_curve(y, p):
    order = np.argsort(-p)
    y, p = y[order], p[order]
    last = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    hits, alarms = np.cumsum(y)[last], np.cumsum(1 - y)[last]
    return np.append(0, alarms / alarms[-1]), np.append(0, hits / hits[-1])


def roc_without_ties(y, p):
    y = y[np.argsort(-p, kind="stable")]
    return np.append(0, np.cumsum(1 - y) / np.sum(1 - y)), np.append(0, np.cumsum(y) / np.sum(y))


def roc_with_the_first_of_each_tie(y, p):
    order = np.argsort(-p, kind="stable")
    y, p = y[order], p[order]
    first = np.append(0, np.flatnonzero(np.diff(p)) + 1)
    return np.append(0, np.cumsum(1 - y)[first] / np.sum(1 - y)), np.append(0, np.cumsum(y)[first] / np.sum(y))


def roc_of_all_examples(y, p):
    fpr, tpr = roc_curve(y, p)
    return fpr * np.mean(y == 0), tpr


def test_roc_curve(capsys):
    wrong = {
        roc_without_ties: "Equal p change sides together",
        roc_with_the_first_of_each_tie: "expected fpr",
        roc_of_all_examples: "fpr divides by the number of no",
        lambda y, p: tuple(array[1:] for array in roc_curve(y, p)): "one point is missing",
        lambda y, p: roc_curve(y, p)[::-1]: "swapped",
        lambda y, p: roc_curve(y, -p): "expected fpr",
    }
    assert_answers_back(exercises.check_roc_curve, roc_curve, wrong, capsys)
    exercises.check_roc_curve(lambda y, p: np.stack(roc_curve(y, p)))
    assert capsys.readouterr().out == "Correct.\n"


def cheapest_threshold(y, p, alarm, miss, grid=None, strict=False):
    thresholds = np.append(np.unique(p), np.inf) if grid is None else grid
    yes = p > thresholds[:, None] if strict else p >= thresholds[:, None]
    costs = alarm * np.sum(yes & (y == 0), axis=1) + miss * np.sum(~yes & (y == 1), axis=1)
    return thresholds[np.argmin(costs)]


def test_cheapest_threshold(capsys):
    wrong = {
        lambda y, p, alarm, miss: 0.5: "the threshold 0.5 costs",
        lambda y, p, alarm, miss: alarm / (alarm + miss): "the threshold .* costs",
        lambda y, p, alarm, miss: cheapest_threshold(y, p, miss, alarm): "Which mistake gets rarer",
        lambda y, p, alarm, miss: cheapest_threshold(y, p, alarm, miss, np.unique(p)): "above the largest p",
        lambda y, p, alarm, miss: cheapest_threshold(y, p, alarm, miss, strict=True): "costs",
        lambda y, p, alarm, miss: cheapest_threshold(
            y, p, alarm, miss, np.append(np.arange(1001) / 1000, np.inf)
        ): "coarse",
        lambda y, p, alarm, miss: cheapest_threshold(y, p, 1, 1): "costs",
    }
    assert_answers_back(exercises.check_cheapest_threshold, cheapest_threshold, wrong, capsys)


def f1(y, answers, axis):
    hits, yes = np.sum(y * answers, axis=axis), np.sum(y + answers, axis=axis)
    return 2 * hits / np.maximum(yes, 1)


def f1_averages(y, answers):
    return tuple(np.mean(f1(y, answers, axis)) for axis in (None, 0, 1))


def f1_with_nan(y, answers):
    with np.errstate(invalid="ignore"):
        return tuple(np.mean(2 * np.sum(y * answers, axis=a) / np.sum(y + answers, axis=a)) for a in (None, 0, 1))


def f1_without_empty_labels(y, answers):
    used = np.sum(y + answers, axis=0) > 0
    return np.mean(f1(y, answers, None)), np.mean(f1(y, answers, 0)[used]), np.mean(f1(y, answers, 1))


def f1_of_an_empty_row_is_1(y, answers):
    rows = np.where(np.sum(y + answers, axis=1) == 0, 1.0, f1(y, answers, 1))
    return np.mean(f1(y, answers, None)), np.mean(f1(y, answers, 0)), np.mean(rows)


def f1_of_the_mean_precision_and_recall(y, answers):
    hits = np.sum(y * answers, axis=0)
    precision = np.mean(hits / np.maximum(np.sum(answers, axis=0), 1))
    recall = np.mean(hits / np.maximum(np.sum(y, axis=0), 1))
    macro = 2 * precision * recall / max(precision + recall, 1e-12)
    return np.mean(f1(y, answers, None)), macro, np.mean(f1(y, answers, 1))


def test_f1_averages(capsys):
    wrong = {
        f1_with_nan: "0/0 counts 0",
        f1_without_empty_labels: "macro wrong",
        f1_of_an_empty_row_is_1: "samples wrong",
        f1_of_the_mean_precision_and_recall: "macro wrong",
        lambda y, answers: tuple(np.array(f1_averages(y, answers))[[0, 2, 1]]): "macro and samples are swapped",
        lambda y, answers: (np.mean(y == answers), *f1_averages(y, answers)[1:]): "micro wrong",
        lambda y, answers: f1_averages(y, answers)[:2]: "three numbers",
    }
    assert_answers_back(exercises.check_f1_averages, f1_averages, wrong, capsys)
    exercises.check_f1_averages(lambda y, answers: np.array(f1_averages(y, answers)))
    assert capsys.readouterr().out == "Correct.\n"
