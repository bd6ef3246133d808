"""The checks of architectures.exercises accept a right answer and refuse, with a hint, plausible wrong ones."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from exercise_cases import assert_answers_back

from architectures import exercises

# --- day 6 --------------------------------------------------------------------------------------------------------------


def log_softmax(logits):
    shifted = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    return shifted - tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1, keepdims=True))


def log_of_softmax(logits):
    return tf.math.log(tf.nn.softmax(logits))


def log_softmax_unshifted(logits):
    return logits - tf.math.log(tf.reduce_sum(tf.exp(logits), axis=-1, keepdims=True))


def log_softmax_with_one_maximum_for_all(logits):
    shifted = tf.cast(logits - tf.reduce_max(logits), tf.float64)
    shifted = tf.maximum(shifted, -600.0)  # clipped, so that it stays finite
    return shifted - tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1, keepdims=True))


def log_of_nudged_softmax(logits):
    return tf.math.log(tf.nn.softmax(logits) + 1e-12)


def log_of_clipped_softmax(logits):
    return tf.math.log(tf.clip_by_value(tf.nn.softmax(logits), 1e-30, 1.0))


def log_softmax_over_the_batch(logits):
    return tf.nn.log_softmax(logits, axis=0)


def softmax_without_the_log(logits):
    return tf.nn.softmax(logits)


def top_k_accuracy(y_true, logits, k):
    hits = tf.math.top_k(logits, k).indices == y_true[:, None]
    return tf.reduce_mean(tf.cast(tf.reduce_any(hits, axis=1), tf.float32))


def top_1_accuracy(y_true, logits, k):
    return tf.reduce_mean(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == y_true, tf.float32))


def top_k_of_the_smallest(y_true, logits, k):
    return top_k_accuracy(y_true, -logits, k)


def top_k_mean_of_all_entries(y_true, logits, k):
    return tf.reduce_mean(tf.cast(tf.math.top_k(logits, k).indices == y_true[:, None], tf.float32))


def top_k_hit_for_each_example(y_true, logits, k):
    return tf.cast(tf.reduce_any(tf.math.top_k(logits, k).indices == y_true[:, None], axis=1), tf.float32)


def top_k_divided_by_the_classes(y_true, logits, k):
    return top_k_accuracy(y_true, logits, k) * logits.shape[0] / logits.shape[1]


def gradient(x, y, w, b, l2, *, sign=1.0, mean=True, decay_b=0.0, factor=1.0):
    delta = sign * (tf.nn.softmax(x @ w + b) - tf.one_hot(y, w.shape[1], dtype=x.dtype))
    if mean:
        delta /= x.shape[0]
    return tf.matmul(x, delta, transpose_a=True) + factor * l2 * w, tf.reduce_sum(delta, axis=0) + decay_b * l2 * b


def gradient_reversed(*args):
    return gradient(*args, sign=-1.0)


def gradient_of_the_sum(*args):
    return gradient(*args, mean=False)


def gradient_with_decayed_biases(*args):
    return gradient(*args, decay_b=1.0)


def gradient_without_the_half(*args):
    return gradient(*args, factor=2.0)


def gradient_without_decay(*args):
    return gradient(*args, factor=0.0)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_log_softmax,
            log_softmax,
            {
                log_of_softmax: "cancel them on paper",
                log_softmax_unshifted: "cancel them on paper",
                log_softmax_with_one_maximum_for_all: "own maximum",
                log_of_nudged_softmax: "clipped or nudged",
                log_of_clipped_softmax: "clipped or nudged",
                log_softmax_over_the_batch: "axis -1",
                softmax_without_the_log: "exp of a row should sum to 1",
            },
        ),
        (
            exercises.check_top_k_accuracy,
            top_k_accuracy,
            {
                top_1_accuracy: "k = 2",
                top_k_of_the_smallest: "k largest",
                top_k_mean_of_all_entries: "an example counts once",
                top_k_hit_for_each_example: "one number for the batch",
                top_k_divided_by_the_classes: "k = 1",
            },
        ),
        (
            exercises.check_gradient_with_l2,
            gradient,
            {
                gradient_reversed: "sign is reversed",
                gradient_of_the_sum: "divide by the number of examples",
                gradient_with_decayed_biases: "biases are not decayed",
                gradient_without_the_half: r"l2 \* w",
                gradient_without_decay: r"l2 \* w",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)


# --- day 15 -------------------------------------------------------------------------------------------------------------


def coupled_step(x, h, c, weight_ih, weight_hh, bias):
    f, g, o = (x @ weight_ih.T + h @ weight_hh.T + bias).chunk(3, dim=-1)
    f, g, o = f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * c + (1 - f) * g
    return o * c.tanh(), c


def coupled_step_swapped(*args):
    return coupled_step(*args)[::-1]


def coupled_step_with_swapped_arguments(x, h, c, *parameters):
    return coupled_step(x, c, h, *parameters)


def coupled_step_in_another_order(x, h, c, *parameters):
    parameters = [torch.cat([w.chunk(3)[k] for k in (1, 0, 2)]) for w in parameters]  # reads g, f, o
    return coupled_step(x, h, c, *parameters)


def coupled_step_with_other_arithmetic(keep, show):
    def step(x, h, c, weight_ih, weight_hh, bias):
        f, g, o = (x @ weight_ih.T + h @ weight_hh.T + bias).chunk(3, dim=-1)
        f, g, o = f.sigmoid(), g.tanh(), o.sigmoid()
        new_c = keep(f, g, c)
        return show(o, new_c, c), new_c

    return step


keeps_the_reverse = coupled_step_with_other_arithmetic(
    lambda f, g, c: (1 - f) * c + f * g, lambda o, new, old: o * new.tanh()
)
writes_all = coupled_step_with_other_arithmetic(lambda f, g, c: f * c + g, lambda o, new, old: o * new.tanh())
forgets_the_tanh = coupled_step_with_other_arithmetic(lambda f, g, c: f * c + (1 - f) * g, lambda o, new, old: o * new)
shows_the_old = coupled_step_with_other_arithmetic(lambda f, g, c: f * c + (1 - f) * g, lambda o, new, old: o * old.tanh())
output_gate_first = coupled_step_with_other_arithmetic(
    lambda f, g, c: f * c + (1 - f) * g, lambda o, new, old: (o * new).tanh()
)


def coupled_step_without_bias(x, h, c, weight_ih, weight_hh, bias):
    return coupled_step(x, h, c, weight_ih, weight_hh, torch.zeros_like(bias))


def set_forget_bias(lstm, value, quarter=1, where="", rest=0.0):
    rows = slice(quarter * lstm.hidden_size, (quarter + 1) * lstm.hidden_size)
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            if where in name and name.startswith("bias"):
                parameter[rows] = value if "_ih" in name else rest


def set_forget_bias_in_halves(lstm, value):
    set_forget_bias(lstm, value / 2, rest=value / 2)


def set_both_forget_biases(lstm, value):
    set_forget_bias(lstm, value, rest=value)


def set_one_forget_bias_only(lstm, value):
    set_forget_bias(lstm, value, where="bias_ih")


def set_the_first_quarter(lstm, value):
    set_forget_bias(lstm, value, quarter=0)


def set_the_third_quarter(lstm, value):
    set_forget_bias(lstm, value, quarter=2)


def set_layer_0_only(lstm, value):
    set_forget_bias(lstm, value, where="_l0")


def set_forward_direction_only(lstm, value):
    for layer in range(lstm.num_layers):
        rows = slice(lstm.hidden_size, 2 * lstm.hidden_size)
        getattr(lstm, f"bias_ih_l{layer}").data[rows] = value
        getattr(lstm, f"bias_hh_l{layer}").data[rows] = 0.0


def set_and_clear_the_other_gates(lstm, value):
    for name, parameter in lstm.named_parameters():
        if name.startswith("bias"):
            parameter.data.zero_()
    set_forget_bias(lstm, value)


def set_new_parameters(lstm, value):
    set_forget_bias(lstm, value)
    for name, parameter in list(lstm.named_parameters()):
        setattr(lstm, name, torch.nn.Parameter(parameter.detach().clone()))


def set_while_recording(lstm, value):
    lstm.bias_ih_l0[lstm.hidden_size : 2 * lstm.hidden_size] = value


def set_and_freeze(lstm, value):
    set_forget_bias(lstm, value)
    lstm.requires_grad_(False)


def both_final_states(output, lengths):
    hidden = output.shape[-1] // 2
    return torch.cat([output[lengths - 1, torch.arange(len(lengths)), :hidden], output[0, :, hidden:]], dim=-1)


def last_step(output, lengths):
    return output[-1]


def last_sequence(output, lengths):
    return output[:, -1]


def each_end_for_both_directions(output, lengths):
    return output[lengths - 1, torch.arange(len(lengths))]


def last_step_and_first_step(output, lengths):
    return torch.cat([output[-1, :, :3], output[0, :, 3:]], dim=-1)


def one_step_too_early(output, lengths):
    return torch.cat([output[lengths - 2, torch.arange(len(lengths)), :3], output[0, :, 3:]], dim=-1)


def directions_swapped(output, lengths):
    return both_final_states(output, lengths).roll(3, dims=1)


def backward_state_of_the_last_step(output, lengths):
    return torch.cat([output[lengths - 1, torch.arange(len(lengths)), :3], output[-1, :, 3:]], dim=-1)


def lstm_step_backward(d_h, d_c, i, f, g, o, c, c_previous, *, tanh=True, slope=True, previous=True, add=True, keep=True):
    from_h = d_h * o * (1 - c.tanh() ** 2 if tanh else 1)
    d_c = d_c + from_h if add else from_h
    slopes = [i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)] if slope else [1.0] * 4
    factors = [d_c * g, d_c * (c_previous if previous else c), d_c * i, d_h * c.tanh()]
    d_a = torch.cat([factor * s for factor, s in zip(factors, slopes, strict=True)], dim=-1)
    return d_a, d_c * f if keep else d_c


def backward_with(**mistake):
    return lambda *args: lstm_step_backward(*args, **mistake)


def backward_in_another_order(*args):
    i, f, g, o = (d_a := lstm_step_backward(*args))[0].chunk(4, dim=-1)
    return torch.cat([f, i, g, o], dim=-1), d_a[1]


def backward_with_the_conveyor_into_o(d_h, d_c, *kept):
    return lstm_step_backward(d_h, d_c, *kept)[0] + torch.cat([torch.zeros_like(d_c)] * 3 + [d_c], -1), d_c * kept[1]


def backward_by_one_way_at_a_time(d_h, d_c, *kept):
    return lstm_step_backward(d_h, d_c * (not d_h.any()), *kept)


def backward_along_the_conveyor_only(d_h, d_c, i, f, g, o, c, c_previous):
    return lstm_step_backward(d_h, d_c, i, f, g, o, c, c_previous)[0], d_c * f


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_coupled_step,
            coupled_step,
            {
                coupled_step_swapped: "return h first",
                coupled_step_with_swapped_arguments: "c is wrong",
                coupled_step_in_another_order: "f, g, o in this order",
                keeps_the_reverse: "not the reverse",
                writes_all: "All of g is written",
                forgets_the_tanh: r"not o times c\.",
                shows_the_old: "not the old one",
                output_gate_first: "c is right and h is wrong",
                coupled_step_without_bias: "c is wrong",
                lambda *arguments: coupled_step(*arguments)[1]: "Return two states",
            },
        ),
        (
            exercises.check_set_forget_bias,
            set_forget_bias,
            {
                set_both_forget_biases: "a gate feels the sum",
                set_one_forget_bias_only: "should feel 1.0, the sum",
                set_the_first_quarter: "the second of four quarters",
                set_the_third_quarter: "the second of four quarters",
                set_layer_0_only: "in every layer and direction",
                set_forward_direction_only: "in every layer and direction",
                set_and_clear_the_other_gates: "something else changed in bias",
                set_new_parameters: "parameters were replaced",
                set_while_recording: "Your code stopped with RuntimeError",
                set_and_freeze: "no longer trained",
            },
        ),
        (
            exercises.check_set_forget_bias,
            set_forget_bias_in_halves,
            {
                set_both_forget_biases: "a gate feels the sum",
                set_layer_0_only: "in every layer and direction",
                set_the_first_quarter: "second",
            },
        ),
        (
            exercises.check_both_final_states,
            both_final_states,
            {
                last_step: "padding for the shorter ones",
                last_sequence: "should give",
                each_end_for_both_directions: "Where does it arrive",
                last_step_and_first_step: "padding for the shorter ones",
                one_step_too_early: "ends at index n - 1",
                directions_swapped: "the directions are swapped",
                backward_state_of_the_last_step: "backward half is wrong",
            },
        ),
        (
            exercises.check_lstm_step_backward,
            lstm_step_backward,
            {
                backward_with(tanh=False): "d_c_previous is wrong",
                backward_with(slope=False): "of gate i is wrong",
                backward_with(previous=False): "with c_previous",
                backward_with(add=False): "With d_h = 0: d_c_previous",
                backward_with(keep=False): "times f",
                backward_in_another_order: "of gate i is wrong",
                backward_with_the_conveyor_into_o: "o has no part in it",
                backward_along_the_conveyor_only: "With d_c = 0: d_c_previous",
                backward_by_one_way_at_a_time: "With d_h and d_c: d_c_previous",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check_of_day_15(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)


# --- day 16 -------------------------------------------------------------------------------------------------------------


def update_bias(n_steps):
    z = 0.5 ** (1 / n_steps)
    return np.log(z / (1 - z))


def update_bias_of_the_other_convention(n_steps):
    return -update_bias(n_steps)


def update_bias_without_the_logit(n_steps):
    return 0.5 ** (1 / n_steps)


def update_bias_of_the_time_constant(n_steps):
    return np.log(n_steps)


def update_bias_in_float32(n_steps):
    return torch.logit(torch.tensor(0.5) ** (1 / n_steps))


def update_bias_of_one_step(n_steps):
    return 0.0


def predict_next(model, x):
    return x[:, -1] + model(x - x[:, -1:])


def predict_next_without_the_way_back(model, x):
    return model(x - x[:, -1:])


def predict_next_by_the_first(model, x):
    return x[:, 0] + model(x - x[:, :1])


def predict_next_by_the_mean(model, x):
    mean = x.mean(dim=1)
    return mean + model(x - mean[:, None])


def predict_next_by_one_for_all(model, x):
    return x[0, -1] + model(x - x[0, -1])


def predict_next_broadcast(model, x):
    return x[:, -1:] + model(x - x[:, -1:])


def predict_next_in_place(model, x):
    last = x[:, -1].clone()
    x -= last[:, None]
    return last + model(x)


def predict_next_by_the_mean_on_the_way_back(model, x):
    return x[:, -1].mean() + model(x - x[:, -1:])


def predict_next_unchanged(model, x):
    return model(x)


def keras_to_torch(kernel, recurrent_kernel, bias, *, order=(1, 0, 2), transposed=True, change_biases=None):
    def reordered(array):
        blocks = np.split(array, 3, axis=-1)
        return torch.from_numpy(np.concatenate([blocks[k] for k in order], axis=-1))

    def rows(array):
        return reordered(array).T if transposed else reordered(array).reshape(array.shape[::-1])

    bias_ih, bias_hh = reordered(bias)
    if change_biases:
        bias_ih, bias_hh = change_biases(bias_ih, bias_hh)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return dict(zip(names, (rows(kernel), rows(recurrent_kernel), bias_ih, bias_hh), strict=True))


def keras_to_torch_in_keras_order(*weights):
    return keras_to_torch(*weights, order=(0, 1, 2))


def keras_to_torch_in_another_order(*weights):
    return keras_to_torch(*weights, order=(2, 0, 1))


def keras_to_torch_reshaped(*weights):
    return keras_to_torch(*weights, transposed=False)


def keras_to_torch_untransposed(kernel, recurrent_kernel, bias):
    weights = keras_to_torch(kernel, recurrent_kernel, bias)
    return weights | {"weight_ih_l0": weights["weight_ih_l0"].T, "weight_hh_l0": weights["weight_hh_l0"].T}


def keras_to_torch_with_summed_biases(*weights):
    return keras_to_torch(*weights, change_biases=lambda b_ih, b_hh: (b_ih + b_hh, 0 * b_hh))


def keras_to_torch_with_swapped_biases(*weights):
    return keras_to_torch(*weights, change_biases=lambda b_ih, b_hh: (b_hh, b_ih))


def keras_to_torch_with_biases_in_keras_order(kernel, recurrent_kernel, bias):
    bias_ih, bias_hh = torch.from_numpy(bias)
    return keras_to_torch(kernel, recurrent_kernel, bias) | {"bias_ih_l0": bias_ih, "bias_hh_l0": bias_hh}


def is_gru_step(
    step,
    *,
    sizes=(3, 4),
    batch=5,
    h_scale=1.0,
    biases=True,
    dtype=torch.float64,
    atol=1e-10,
    gradients=True,
    by_state=True,
    by_parameters=True,
    by_input=True,
):
    cell = torch.nn.GRUCell(*sizes, bias=True).to(dtype)
    if not biases:
        for bias in (cell.bias_ih, cell.bias_hh):
            torch.nn.init.zeros_(bias)
    x = torch.randn(batch, sizes[0], dtype=dtype, requires_grad=True)
    h = (h_scale * torch.randn(batch, sizes[1], dtype=dtype)).requires_grad_(by_state)
    arguments = [x, h, *cell.parameters()]
    mixture = torch.randn(batch, sizes[1], dtype=dtype)
    results = []
    for new in (step(*arguments), cell(x, h)):
        chosen = arguments[: None if by_parameters else 2] if by_input else [h, cell.weight_hh]
        by = [argument for argument in chosen if argument.requires_grad]
        found = torch.autograd.grad((mixture * new).sum(), by, materialize_grads=True) if gradients else ()
        results.append([new, *found])
    return all(torch.allclose(ours, theirs, rtol=0, atol=atol) for ours, theirs in zip(*results, strict=True))


def is_gru_step_by_its_shape(step):
    cell = torch.nn.GRUCell(3, 4)
    x, h = torch.randn(5, 3), torch.randn(5, 4)
    return step(x, h, *cell.parameters()).shape == cell(x, h).shape


def is_gru_step_exactly(step):
    return is_gru_step(step, atol=0.0)


def is_gru_step_from_zero_states_without_biases(step):
    return is_gru_step(step, h_scale=0.0, biases=False, gradients=False)


def is_gru_step_of_one_unit_without_biases(step):
    return is_gru_step(step, sizes=(1, 1), biases=False, gradients=False)


def is_gru_step_without_biases(step):
    return is_gru_step(step, biases=False, gradients=False)


def is_gru_step_of_one_sequence(step):
    return is_gru_step(step, batch=1)


def is_gru_step_roughly(step):
    return is_gru_step(step, atol=0.01)


def is_gru_step_in_values(step):
    return is_gru_step(step, gradients=False)


def is_gru_step_but_for_the_gradient_by_the_state(step):
    return is_gru_step(step, by_state=False)


def is_gru_step_but_for_the_gradients_by_the_parameters(step):
    return is_gru_step(step, by_parameters=False)


def is_gru_step_but_for_the_gradients_by_the_input(step):
    return is_gru_step(step, by_input=False)


def is_gru_step_always(step):
    return True


def is_gru_step_never(step):
    return False


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_update_bias,
            update_bias,
            {
                update_bias_of_the_other_convention: "wrong sign",
                update_bias_without_the_logit: "is z",
                update_bias_of_the_time_constant: "should be half",
                update_bias_of_one_step: "should be half",
            },
        ),
        (
            exercises.check_predict_next,
            predict_next,
            {
                predict_next_without_the_way_back: "shift the answer back",
                predict_next_by_the_first: "begin with 0",
                predict_next_by_the_mean: "should end in 0",
                predict_next_by_one_for_all: "its own last number",
                predict_next_broadcast: "broadcast to",
                predict_next_in_place: "changed x itself",
                predict_next_by_the_mean_on_the_way_back: "each by its own",
                predict_next_unchanged: "should end in 0",
            },
        ),
        (
            exercises.check_keras_to_torch,
            keras_to_torch,
            {
                keras_to_torch_in_keras_order: "Keras's order",
                keras_to_torch_in_another_order: "differ",
                keras_to_torch_reshaped: "has to be transposed",
                keras_to_torch_untransposed: "the shapes are",
                keras_to_torch_with_summed_biases: "may not be mixed",
                keras_to_torch_with_swapped_biases: "swapped",
                keras_to_torch_with_biases_in_keras_order: "biases, too",
            },
        ),
        (
            exercises.check_is_gru_step,
            is_gru_step,
            {
                is_gru_step_by_its_shape: "reset gate before",
                is_gru_step_exactly: "refuses a right step",
                is_gru_step_from_zero_states_without_biases: "reset gate before",
                is_gru_step_of_one_unit_without_biases: "reset gate before",
                is_gru_step_without_biases: "biases that are not 0",
                is_gru_step_of_one_sequence: "more sequences than one",
                is_gru_step_roughly: "small tolerance",
                is_gru_step_in_values: "a reset gate that passes no gradient",
                is_gru_step_but_for_the_gradient_by_the_state: "by the state too",
                is_gru_step_but_for_the_gradients_by_the_parameters: "by the parameters too",
                is_gru_step_but_for_the_gradients_by_the_input: "by the input too",
                is_gru_step_always: "reset gate before",
                is_gru_step_never: "refuses a right step",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check_of_day_16(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)


def test_the_update_bias_may_be_computed_in_float32(capsys):
    exercises.check_update_bias(update_bias_in_float32)
    assert capsys.readouterr().out == "Correct.\n"
