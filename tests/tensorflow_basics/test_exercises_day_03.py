"""The checks of day 3 accept a right answer and refuse, with a hint, what a learner may plausibly write."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from exercise_cases import assert_answers_back

from tensorflow_basics import exercises

# --- exercise 1 ---------------------------------------------------------------------------------------------------------


def position(step, n_examples, batch_size):
    return divmod(step, -(-n_examples // batch_size))


def position_without_the_shorter_batch(step, n_examples, batch_size):
    return divmod(step, max(n_examples // batch_size, 1))


def position_of_the_last_step(step, n_examples, batch_size):
    return divmod(step - 1, -(-n_examples // batch_size))


def position_by_examples(step, n_examples, batch_size):
    epoch, example = divmod(step * batch_size, n_examples)
    return epoch, example // batch_size


def position_with_a_fraction(step, n_examples, batch_size):
    per_epoch = n_examples / batch_size
    return step / per_epoch, step % per_epoch


def position_from_one(step, n_examples, batch_size):
    epoch, batch = position(step, n_examples, batch_size)
    return epoch + 1, batch


def position_always_one_step_more(step, n_examples, batch_size):
    return divmod(step, n_examples // batch_size + 1)


# --- exercise 2 ---------------------------------------------------------------------------------------------------------


def plateau_variant(
    *,
    better=lambda loss, best, last: loss < best,
    done=lambda waited, patience: waited == patience,
    count_anew=True,
    forget_best=False,
    resets=True,
    change=lambda rate, factor: rate * factor,
    after=True,
):
    """The solution, or with one thing changed."""

    def plateau_rates(losses, rate, patience, factor):
        rates, best, last, waited = [], float("inf"), float("inf"), 0
        for loss in losses:
            if not after:
                rates.append(rate)
            if better(loss, best, last):
                best = loss
                waited = 0 if resets else waited
            else:
                waited += 1
                if done(waited, patience):
                    rate = change(rate, factor)
                    waited = 0 if count_anew else waited
                    best = float("inf") if forget_best else best
            last = loss
            if after:
                rates.append(rate)
        return rates

    return plateau_rates


plateau_rates = plateau_variant()


def plateau_reducing_on_every_epoch_after(losses, rate, patience, factor):
    variant = plateau_variant(done=lambda waited, patience: waited >= patience, count_anew=False)
    return variant(losses, rate, patience, factor)


def plateau_from_the_first_loss(losses, rate, patience, factor):
    later = plateau_variant(better=lambda loss, best, last: loss < min(best, losses[0]))  # False if that is NaN
    return [rate] * len(losses[:1]) + later(losses[1:], rate, patience, factor)


def plateau_of_the_final_rate(losses, rate, patience, factor):
    return plateau_rates(losses, rate, patience, factor)[-1:]


def test_plateau_rates_are_keras_reduce_lr_on_plateau(capsys):
    rng = np.random.default_rng(0)
    for _ in range(30):
        losses = np.round(rng.normal(size=15), 1)  # with ties
        losses[rng.random(15) < 0.1] = np.nan
        patience = int(rng.integers(1, 5))
        model = keras.Sequential([keras.layers.Input([1]), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(8.0), "mse")
        callback = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=patience, min_delta=0)
        callback.set_model(model)
        callback.on_train_begin()
        expected = []
        for epoch, loss in enumerate(losses):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            expected.append(float(model.optimizer.learning_rate))
        assert plateau_rates(losses, 8.0, patience, 0.5) == expected


# --- exercise 3 ---------------------------------------------------------------------------------------------------------


def gradients_of(loss, variables, x, y):
    with tf.GradientTape() as tape:
        value = loss(x, y)
    return tape.gradient(value, variables)


def weighted(loss, variables, pieces, weights):
    each = [gradients_of(loss, variables, x, y) for x, y in pieces]
    return [sum(w * g for w, g in zip(weights, gradients, strict=True)) for gradients in zip(*each, strict=True)]


def accumulated_gradients(loss, variables, pieces):
    sizes = np.array([len(y) for _, y in pieces])
    return weighted(loss, variables, pieces, sizes / sizes.sum())


def one_example_at_a_time(loss, variables, pieces):
    examples = [(x[i : i + 1], y[i : i + 1]) for x, y in pieces for i in range(len(y))]
    return accumulated_gradients(loss, variables, examples)


def plain_mean(loss, variables, pieces):
    return weighted(loss, variables, pieces, [1 / len(pieces)] * len(pieces))


def plain_sum(loss, variables, pieces):
    return weighted(loss, variables, pieces, [1] * len(pieces))


def sum_of_sums(loss, variables, pieces):
    return weighted(loss, variables, pieces, [len(y) for _, y in pieces])


def divided_by_the_first_size(loss, variables, pieces):
    n = len(pieces[0][1])
    return weighted(loss, variables, pieces, [len(y) / (n * len(pieces)) for _, y in pieces])


def only_the_last(loss, variables, pieces):
    return gradients_of(loss, variables, *pieces[-1])


def all_at_once(loss, variables, pieces):
    return gradients_of(loss, variables, *(tf.concat(parts, axis=0) for parts in zip(*pieces, strict=True)))


def one_tape_for_all(loss, variables, pieces):
    with tf.GradientTape() as tape:
        total = sum(loss(x, y) * len(y) for x, y in pieces) / sum(len(y) for _, y in pieces)
    return tape.gradient(total, variables)


def one_lasting_tape(loss, variables, pieces):
    sizes = np.array([len(y) for _, y in pieces])
    with tf.GradientTape(persistent=True) as tape:
        each = [tape.gradient(loss(x, y) * (len(y) / sizes.sum()), variables) for x, y in pieces]
    return [sum(gradients) for gradients in zip(*each, strict=True)]


def only_the_first_variable(loss, variables, pieces):
    return accumulated_gradients(loss, variables[:1], pieces)


def nothing(loss, variables, pieces):
    accumulated_gradients(loss, variables, pieces)


def losses_in_numpy(loss, variables, pieces):
    total = tf.Variable(tf.zeros([], tf.float64))
    with tf.GradientTape() as tape:
        for x, y in pieces:
            total.assign_add(loss(x, y) * len(y))
        value = total / sum(len(y) for _, y in pieces)
    return tape.gradient(value, variables)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_position,
            position,
            {
                position_without_the_shorter_batch: "a shorter batch, which is a step too",
                position_of_the_last_step: "Nothing is done yet",
                position_by_examples: "a shorter batch, which is a step too",
                position_with_a_fraction: "two whole numbers",
                position_from_one: "counted from 0",
                position_always_one_step_more: "4 steps are an epoch",
            },
        ),
        (
            exercises.check_plateau_rates,
            plateau_rates,
            {
                plateau_variant(done=lambda waited, patience: waited > patience): "at the patience-th epoch",
                plateau_variant(done=lambda waited, patience: waited == patience - 1): "at the patience-th epoch",
                plateau_variant(better=lambda loss, best, last: loss < last): "not than the last one",
                plateau_variant(better=lambda loss, best, last: loss <= best): "it has to be smaller",
                plateau_variant(better=lambda loss, best, last: not loss >= best): "NaN is no progress",
                plateau_from_the_first_loss: "must not become the best loss",
                plateau_variant(count_anew=False): "count anew from 0",
                plateau_reducing_on_every_epoch_after: "count anew from 0",
                plateau_variant(forget_best=True): "the best loss stays the best",
                plateau_variant(resets=False): "sets the count",
                plateau_variant(change=lambda rate, factor: rate - factor): r"expected \[8, 8, 4, 4\]",
                plateau_variant(change=lambda rate, factor: rate / 2): "Multiply the rate by factor",
                plateau_variant(after=False): r"expected \[8, 8, 4, 4\]",
                plateau_of_the_final_rate: "one for each epoch",
            },
        ),
        (
            exercises.check_accumulated_gradients,
            accumulated_gradients,
            {
                plain_mean: "as much as it has examples",
                plain_sum: "not the sum",
                sum_of_sums: "not the sum",
                divided_by_the_first_size: "as much as it has examples",
                only_the_last: "each piece counts",
                all_at_once: "one piece at a time",
                one_tape_for_all: "a tape held the intermediate results",
                one_lasting_tape: "a tape held the intermediate results",
                only_the_first_variable: "one gradient for each variable",
                nothing: "return a list",
                losses_in_numpy: "None means",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)


def test_another_right_answer_is_accepted(capsys):
    exercises.check_accumulated_gradients(one_example_at_a_time)
    assert capsys.readouterr().out == "Correct.\n"
