"""LoRA starts at the base, trains only the update, merges into one Linear, and works inside torch's own layers."""

import copy

import pytest
import torch

from architectures.lora import LoRALinear, add_lora, count_parameters, merge_lora
from architectures.transformer import Decoder, EncoderDecoder


def small_model():
    return torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 4, bias=False))


def trained(model, x, y, steps=20):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize("bias", [True, False])
def test_it_starts_exactly_at_the_base_and_equals_the_formula(bias):
    torch.manual_seed(0)
    linear = torch.nn.Linear(5, 7, bias=bias, dtype=torch.float64)
    layer, x = LoRALinear(linear, rank=3, alpha=6), torch.randn(2, 4, 5, dtype=torch.float64)
    assert torch.equal(layer(x), linear(x))
    with torch.no_grad():
        layer.lora_B.normal_()
    update = 2.0 * layer.lora_B @ layer.lora_A
    torch.testing.assert_close(layer(x), linear(x) + x @ update.T, rtol=0, atol=1e-12)
    assert torch.linalg.matrix_rank(update) == 3
    torch.testing.assert_close(layer.weight, linear.weight + update)


def test_a_is_drawn_as_the_weight_of_a_linear_layer_and_b_is_zero():
    base = torch.nn.Linear(50, 40)
    torch.manual_seed(0)
    layer = LoRALinear(base, rank=3)
    torch.manual_seed(0)
    assert torch.equal(layer.lora_A, torch.nn.Linear(50, 3).weight) and not layer.lora_B.any()


def test_gradients_by_finite_differences_and_only_where_they_belong():
    torch.manual_seed(0)
    layer, x = LoRALinear(torch.nn.Linear(4, 3, dtype=torch.float64), rank=2), torch.randn(5, 4, dtype=torch.float64)
    with torch.no_grad():
        layer.lora_B.normal_()

    def output(a, b):
        return torch.func.functional_call(layer, {"lora_A": a, "lora_B": b}, (x,))

    assert torch.autograd.gradcheck(output, (layer.lora_A, layer.lora_B))
    layer(x).sum().backward()
    assert layer.linear.weight.grad is None and layer.linear.bias.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_merged_equals_unmerged(dtype):
    torch.manual_seed(0)
    model = add_lora(small_model().to(dtype), rank=2, alpha=8)
    x, y = torch.randn(50, 6, dtype=dtype), torch.randn(50, 4, dtype=dtype)
    trained(model, x, y)
    unmerged = model(x)
    merged = merge_lora(copy.deepcopy(model))
    torch.testing.assert_close(merged(x), unmerged, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-12)
    assert [type(layer) for layer in merged] == [torch.nn.Linear, torch.nn.Tanh, torch.nn.Linear]
    assert merged.state_dict().keys() == small_model().state_dict().keys()
    assert merged[2].bias is None and all(p.requires_grad for p in merged.parameters())
    assert merged[0].weight.dtype == dtype


def test_training_moves_the_update_alone():
    torch.manual_seed(0)
    model = small_model()
    x, y = torch.randn(50, 6), torch.randn(50, 4)
    before = copy.deepcopy(model.state_dict())
    first = torch.nn.functional.mse_loss(model(x), y).item()
    add_lora(model, rank=2)
    assert torch.nn.functional.mse_loss(model(x), y).item() == first
    assert trained(model, x, y) < 0.95 * first
    for name, value in before.items():
        layer, kind = name.split(".")
        assert torch.equal(getattr(model[int(layer)].linear, kind), value), name


def test_the_count_is_rank_times_the_sides_of_every_linear_layer():
    model = Decoder(30, 20, d_model=16, nhead=2, num_layers=2)
    total = sum(p.numel() for p in model.parameters())
    assert count_parameters(model) == (total, total)
    add_lora(model, rank=3)
    per_block = 3 * (16 + 16) + 2 * 3 * (16 + 64)  # out_proj, linear1 and linear2
    assert count_parameters(model) == (2 * per_block, total + 2 * per_block)


def test_it_works_inside_our_models_and_torchs():
    torch.manual_seed(0)
    tokens = torch.randint(1, 9, (2, 5))
    layer = torch.nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
    for model, x in (
        (Decoder(9, 5, 8, 2), [tokens]),
        (EncoderDecoder(9, 5, 8, 2), [tokens] * 2),
        (layer, [torch.randn(2, 3, 8)]),
    ):
        expected = model(*x)
        add_lora(model, rank=2)
        torch.testing.assert_close(model(*x), expected, rtol=0, atol=1e-6)
        model(*x).square().sum().backward()
        updates = [m for m in model.modules() if isinstance(m, LoRALinear)]
        assert updates and all(m.lora_B.grad.abs().sum() > 0 for m in updates)
        with torch.no_grad():
            for update in updates:
                update.lora_B.normal_(std=0.1)
        unmerged = model(*x)
        assert not torch.allclose(unmerged, expected, atol=1e-3)
        torch.testing.assert_close(merge_lora(model)(*x), unmerged, rtol=1e-5, atol=1e-5)


def test_a_layer_that_stands_in_two_places_stays_one():
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(4, 4), torch.randn(3, 4)
    model = torch.nn.Sequential(layer, torch.nn.Sequential(layer, torch.nn.Tanh()), layer)
    expected = model(x)
    add_lora(model, rank=2)
    assert isinstance(model[0], LoRALinear) and model[0] is model[1][0] is model[2]
    assert torch.equal(model(x), expected) and count_parameters(model) == (16, 36)
    torch.nn.init.normal_(model[0].lora_B)
    unmerged = model(x)
    merge_lora(model)
    assert type(model[0]) is torch.nn.Linear and model[0] is model[1][0] is model[2]
    torch.testing.assert_close(model(x), unmerged)


def test_merging_a_single_layer_returns_it_merged():
    layer = LoRALinear(torch.nn.Linear(5, 3), rank=2)
    torch.nn.init.normal_(layer.lora_B)
    merged = merge_lora(layer)
    assert type(merged) is torch.nn.Linear and torch.equal(merged.weight, layer.weight)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"linear": torch.nn.ReLU()}, TypeError, r"linear must be a torch\.nn\.Linear, got ReLU"),
        ({"rank": 0}, ValueError, "rank must be at least 1"),
        ({"rank": 2.0}, TypeError, "rank must be an int"),
        ({"rank": 4}, ValueError, r"rank must be at most 3, the smaller side of the layer's weight \(3, 5\), got 4"),
        ({"alpha": 0}, ValueError, "alpha must be above 0"),
        ({"alpha": float("nan")}, ValueError, "alpha must be above 0"),
        ({"alpha": "1"}, TypeError, "alpha must be a number"),
        ({"alpha": float("inf")}, ValueError, "alpha must be above 0 and finite"),
    ],
)
def test_bad_arguments_are_refused_by_name(changed, error, message):
    with pytest.raises(error, match=message):
        LoRALinear(**{"linear": torch.nn.Linear(5, 3), "rank": 2} | changed)


def test_the_rank_may_be_the_smaller_side():
    assert LoRALinear(torch.nn.Linear(5, 3), rank=3).lora_A.shape == (3, 5)


def test_a_model_that_cannot_take_it_stays_as_it_was():
    model = small_model()
    model[0].weight.requires_grad_(False)
    with pytest.raises(ValueError, match="rank must be at most 4"):  # the second layer is smaller
        add_lora(model, rank=5)
    assert [type(layer) for layer in model] == [torch.nn.Linear, torch.nn.Tanh, torch.nn.Linear]
    assert [p.requires_grad for p in model.parameters()] == [False, True, True]
    for nothing in (torch.nn.ReLU(), add_lora(small_model(), rank=1)):
        with pytest.raises(ValueError, match="model must hold linear layers that have no update yet"):
            add_lora(nothing, rank=1)
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        add_lora("model", rank=1)
