"""The checks of Day 14 accept a right answer and refuse, with a hint, plausible wrong ones."""

import pytest
import torch
from exercise_cases import assert_answers_back

from architectures import exercises


def final_states(output, lengths):
    return output[lengths - 1, torch.arange(output.shape[1])]


def states_after_the_padding(output, lengths):
    return output[-1]


def states_of_the_last_sequence(output, lengths):
    return output[:, -1]


def states_one_step_late(output, lengths):
    return output[lengths % len(output), torch.arange(output.shape[1])]


def states_of_the_shortest(output, lengths):
    return output[lengths.min() - 1]


def clip_gradients(gradients, max_norm):
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    factor = max_norm / norm if norm > max_norm else 1.0
    return [gradient * factor for gradient in gradients]


def clip_each_tensor(gradients, max_norm):
    return [clip_gradients([gradient], max_norm)[0] for gradient in gradients]


def clip_each_element(gradients, max_norm):
    return [gradient.clamp(-max_norm, max_norm) for gradient in gradients]


def always_normalise(gradients, max_norm):
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return [gradient * max_norm / norm for gradient in gradients]


def clip_by_the_sum_of_the_norms(gradients, max_norm):
    norm = sum(gradient.norm() for gradient in gradients)
    return [gradient * min(1.0, max_norm / (norm + 1e-12)) for gradient in gradients]


def clip_the_signs(gradients, max_norm):
    return [gradient.abs() for gradient in clip_gradients(gradients, max_norm)]


def walk(d_output, output, h_0, weight_hh, slope=lambda h: h > 0, back=lambda w: w, previous=None, transpose=False):
    gradient, d_h = torch.zeros_like(weight_hh), torch.zeros_like(h_0)
    for t in reversed(range(len(output))):
        d_a = (d_output[t] + d_h) * slope(output[t])
        before = (output[t - 1] if t > 0 else h_0) if previous is None else previous(output, h_0, t)
        gradient += before.T @ d_a if transpose else d_a.T @ before
        d_h = d_a @ back(weight_hh)
    return gradient


def with_the_slope_of_tanh(*arguments):
    return walk(*arguments, slope=lambda h: 1 - h**2)


def with_the_weights_transposed(*arguments):
    return walk(*arguments, back=lambda w: w.T)


def with_the_future_forgotten(*arguments):
    return walk(*arguments, back=torch.zeros_like)


def with_the_last_state_as_the_first(*arguments):
    return walk(*arguments, previous=lambda output, h_0, t: output[t - 1])


def with_the_same_step_s_state(*arguments):
    return walk(*arguments, previous=lambda output, h_0, t: output[t])


def with_the_result_transposed(*arguments):
    return walk(*arguments, transpose=True)


def set_identity(layer):
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh"):
            torch.nn.init.eye_(parameter)
        elif name.startswith("bias"):
            torch.nn.init.zeros_(parameter)


def set_identity_in_layer_0(layer):
    torch.nn.init.eye_(layer.weight_hh_l0)
    if layer.bias:
        torch.nn.init.zeros_(layer.bias_ih_l0)
        torch.nn.init.zeros_(layer.bias_hh_l0)


def set_identity_forward_only(layer):
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh") and "reverse" not in name:
            torch.nn.init.eye_(parameter)
        elif name.startswith("bias"):
            torch.nn.init.zeros_(parameter)


def set_one_bias(layer):
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh"):
            torch.nn.init.eye_(parameter)
        elif name.startswith("bias_ih"):
            torch.nn.init.zeros_(parameter)


def set_all_weights(layer):
    for parameter in layer.parameters():
        (torch.nn.init.eye_ if parameter.dim() == 2 else torch.nn.init.zeros_)(parameter)


def set_and_freeze(layer):
    set_identity(layer)
    layer.requires_grad_(False)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            exercises.check_final_states,
            final_states,
            {
                states_after_the_padding: "last step of the padding",
                states_of_the_last_sequence: r"should give \(3, 2\), got \(5, 2\)",
                states_one_step_late: "one step too far",
                states_of_the_shortest: "expected",
            },
        ),
        (
            exercises.check_clip_gradients,
            clip_gradients,
            {
                clip_each_tensor: "one norm, over all tensors",
                clip_each_element: "one norm, over all tensors",
                always_normalise: "division by 0|should stay as they are",
                clip_by_the_sum_of_the_norms: "one norm, over all tensors",
                clip_the_signs: "direction changed",
            },
        ),
        (
            exercises.check_relu_rnn_gradient,
            walk,
            {
                with_the_slope_of_tanh: "slope is that of ReLU",
                with_the_weights_transposed: "comes from the future",
                with_the_future_forgotten: "comes from the future",
                with_the_last_state_as_the_first: "the first step is h_0",
                with_the_same_step_s_state: "the first step is h_0",
                with_the_result_transposed: "That is the transpose",
            },
        ),
        (
            exercises.check_set_identity,
            set_identity,
            {
                set_identity_in_layer_0: "weight_hh_l1 .*not the identity",
                set_identity_forward_only: "weight_hh_l0_reverse .*not the identity",
                set_one_bias: "bias_hh_l0 .*not zero",
                set_all_weights: "weight_ih_l0 should stay",
                set_and_freeze: "can no longer be trained",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check(check, right, wrong, capsys):
    assert_answers_back(check, right, wrong, capsys)
