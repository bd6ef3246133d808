"""RNN, LSTM and GRU equal torch.nn's: outputs, final states and every gradient, over random shapes, padded and packed."""

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from architectures import recurrent
from architectures.gru import GRU, GRUCell
from architectures.lstm import LSTM, LSTMCell
from architectures.rnn import RNN, RNNCell

KINDS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}
VARIANTS = [
    {},
    {"num_layers": 3},
    {"bidirectional": True},
    {"bidirectional": True, "num_layers": 2},
    {"bias": False},
    {"batch_first": True},
    {"dropout": 0.5, "num_layers": 2},  # in eval mode
]
CASES = [(kind, variant) for kind in KINDS for variant in VARIANTS]
CASES += [("RNN", {"nonlinearity": "relu"}), ("RNN", {"nonlinearity": "relu", "bidirectional": True})]
CASES += [("LSTM", {"proj_size": 3}), ("LSTM", {"proj_size": 2, "bidirectional": True, "num_layers": 2})]


def case_id(value):
    return value if isinstance(value, str) else ",".join(f"{k}={v}" for k, v in value.items()) or "plain"


def twins(kind, variant, input_size, hidden_size, dtype=torch.float64):
    """torch's layer and ours with the same weights, in eval mode."""
    theirs = getattr(torch.nn, kind)(input_size, hidden_size, dtype=dtype, **variant).eval()
    ours = KINDS[kind](input_size, hidden_size, dtype=dtype, **variant).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def random_states(layer, batch, generator):
    """Initial states for `layer` as forward takes them, and their list."""
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    widths = [layer.proj_size or layer.hidden_size] + [layer.hidden_size] * (layer.mode == "LSTM")
    dtype = layer.weight_ih_l0.dtype
    states = [torch.randn(count, batch, width, dtype=dtype, generator=generator, requires_grad=True) for width in widths]
    return (tuple(states) if layer.mode == "LSTM" else states[0]), states


def results(layer, input, hx, leaves):
    """Output and final states, and the gradients of a random combination of them by `leaves` and the weights."""
    output, final = layer(input, hx)
    values = [output.data if hasattr(output, "batch_sizes") else output, *(final if isinstance(final, tuple) else [final])]
    generator = torch.Generator().manual_seed(1)
    dtype = values[0].dtype
    loss = sum((value * torch.randn(value.shape, dtype=dtype, generator=generator)).sum() for value in values)
    return [*values, *torch.autograd.grad(loss, [*leaves, *layer.parameters()], retain_graph=True)]


@pytest.mark.parametrize(("kind", "variant"), CASES, ids=case_id)
@pytest.mark.parametrize("form", ["padded", "packed", "packed_unsorted"])
def test_values_states_and_gradients_equal_torch(kind, variant, form):
    generator = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    for _ in range(3):
        batch, length, input_size, hidden_size = (
            int(rng.integers(low, high)) for low, high in [(1, 9), (1, 51), (1, 9), (4, 12)]
        )
        theirs, ours = twins(kind, variant, input_size, hidden_size)
        hx, states = random_states(theirs, batch, generator)
        if form == "padded":
            shape = (batch, length) if variant.get("batch_first") else (length, batch)
            input = torch.randn(*shape, input_size, dtype=torch.float64, generator=generator, requires_grad=True)
            leaves = [input, *states]
        else:
            lengths = rng.integers(1, length + 1, size=batch)
            lengths = lengths if form == "packed_unsorted" else np.sort(lengths)[::-1]
            sequences = [
                torch.randn(int(n), input_size, dtype=torch.float64, generator=generator, requires_grad=True)
                for n in lengths
            ]
            input = pack_sequence(sequences, enforce_sorted=form == "packed")
            leaves = [*sequences, *states]
        for their, our in zip(results(theirs, input, hx, leaves), results(ours, input, hx, leaves), strict=True):
            np.testing.assert_allclose(our.detach(), their.detach(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_equals_torch_to_1e_5(kind):
    generator = torch.Generator().manual_seed(0)
    theirs, ours = twins(kind, {"num_layers": 2, "bidirectional": True}, 6, 16, torch.float32)
    hx, states = random_states(theirs, 5, generator)
    input = torch.randn(40, 5, 6, generator=generator, requires_grad=True)
    leaves = [input, *states]
    for their, our in zip(results(theirs, input, hx, leaves), results(ours, input, hx, leaves), strict=True):
        scale = float(their.detach().abs().max())
        np.testing.assert_allclose(our.detach() / scale, their.detach() / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_unbatched_input_and_default_states(kind):
    theirs, ours = twins(kind, {"num_layers": 2, "bidirectional": True, "batch_first": True}, 3, 4)
    input = torch.randn(7, 3, dtype=torch.float64)
    for their, our in zip(results(theirs, input, None, []), results(ours, input, None, []), strict=True):
        assert our.shape == their.shape
        np.testing.assert_allclose(our.detach(), their.detach(), rtol=0, atol=1e-12)
    hx = torch.randn(4, 4, dtype=torch.float64)
    hx = (hx, hx + 1) if kind == "LSTM" else hx
    np.testing.assert_allclose(ours(input, hx)[0].detach(), theirs(input, hx)[0].detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "variant"), CASES, ids=case_id)
def test_an_empty_batch_gives_torchs_shapes_and_gradients_of_zero(kind, variant):
    input = torch.zeros((0, 7, 3) if variant.get("batch_first") else (7, 0, 3), dtype=torch.float64, requires_grad=True)
    for their, our in zip(*(results(layer, input, None, [input]) for layer in twins(kind, variant, 3, 5)), strict=True):
        assert our.shape == their.shape and not our.any()


@pytest.mark.parametrize("make", [GRU, GRUCell])
def test_repr_shows_where_the_reset_gate_acts(make):
    assert repr(make(3, 5, bias=False, reset_after=False)) == f"{make.__name__}(3, 5, bias=False, reset_after=False)"


@pytest.mark.parametrize(("kind", "variant"), CASES, ids=case_id)
def test_the_same_keys_shapes_and_initial_values_as_torch(kind, variant):
    torch.manual_seed(3)
    theirs = getattr(torch.nn, kind)(5, 6, **variant)
    torch.manual_seed(3)
    ours = KINDS[kind](5, 6, **variant)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    theirs.load_state_dict(ours.state_dict())  # and back
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_nothing(kind, bidirectional):
    """Whatever stands in the padding: values, final states and gradients are those of each sequence alone."""
    torch.manual_seed(0)
    layer = KINDS[kind](3, 5, bidirectional=bidirectional, dtype=torch.float64)
    lengths = [4, 9, 1, 6]
    sequences = [torch.randn(n, 3, dtype=torch.float64) for n in lengths]
    expected = []
    for sequence in sequences:
        output, final = layer(sequence)
        expected.append((output, *(final if isinstance(final, tuple) else (final,))))
    loss = sum(value.square().sum() for values in expected for value in values)
    alone = torch.autograd.grad(loss, list(layer.parameters()))
    for filling in (0.0, 1e6):
        padded = torch.full((9, 4, 3), filling, dtype=torch.float64)
        for j, sequence in enumerate(sequences):
            padded[: lengths[j], j] = sequence
        padded.requires_grad_()
        packed, final = layer(pack_padded_sequence(padded, lengths, enforce_sorted=False))
        output, _ = pad_packed_sequence(packed)
        final = final if isinstance(final, tuple) else (final,)
        for j, values in enumerate(expected):
            np.testing.assert_allclose(output[: lengths[j], j].detach(), values[0].detach(), rtol=0, atol=1e-12)
            for together, single in zip(final, values[1:], strict=True):
                np.testing.assert_allclose(together[:, j].detach(), single.detach(), rtol=0, atol=1e-12)
        loss = sum(value.square().sum() for value in (packed.data, *final))
        d_padded, *together = torch.autograd.grad(loss, [padded, *layer.parameters()])
        for j, length in enumerate(lengths):
            assert not d_padded[length:, j].any()
        for gradient, of_each in zip(together, alone, strict=True):
            np.testing.assert_allclose(gradient, of_each, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("kind", "variant"),
    [
        ("RNN", {}),
        ("RNN", {"nonlinearity": "relu"}),
        ("LSTM", {}),
        ("LSTM", {"proj_size": 2}),
        ("GRU", {}),
        ("GRU", {"reset_after": False}),
    ],
    ids=case_id,
)
def test_gradients_by_finite_differences(kind, variant):
    torch.manual_seed(0)
    layer = KINDS[kind](3, 4, num_layers=2, bidirectional=True, dtype=torch.float64, **variant)
    names = [name for name, _ in layer.named_parameters()]
    sequences = [torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (2, 5, 3)]

    def run(*values):
        packed = pack_sequence(values[:3], enforce_sorted=False)
        output, final = torch.func.functional_call(layer, dict(zip(names, values[3:], strict=True)), (packed,))
        return output.data, *(final if isinstance(final, tuple) else (final,))

    # fast_mode: the whole Jacobian in random directions; the tests above compare each entry with torch.nn's.
    assert torch.autograd.gradcheck(run, (*sequences, *layer.parameters()), fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_lines_run_on_torch_tensors(kind, monkeypatch):
    """Off the CPU the kernels get torch in place of NumPy; forced here, so that a machine without a GPU proves it."""
    theirs, ours = twins(kind, {"num_layers": 2, "bidirectional": True}, 3, 5)
    monkeypatch.setattr(recurrent, "runs_in_numpy", lambda tensor: False)
    sequences = [torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (4, 2, 7)]
    packed = pack_sequence(sequences, enforce_sorted=False)
    for their, our in zip(results(theirs, packed, None, sequences), results(ours, packed, None, sequences), strict=True):
        np.testing.assert_allclose(our.detach(), their.detach(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_runs(kind):
    layer = KINDS[kind](3, 4, dtype=torch.bfloat16)
    output, _ = layer(torch.randn(5, 2, 3, dtype=torch.bfloat16))
    output.sum().backward()
    assert output.dtype == torch.bfloat16 and torch.isfinite(layer.weight_hh_l0.grad).all()


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "GRU, reset before"])
def test_weights_from_keras_give_keras_s_outputs(kind):
    """Keras has the transposed weights, z before r in the GRU, and one bias, or two in one array (GRU, reset after)."""
    import keras

    after = kind == "GRU"
    theirs = {
        "SimpleRNN": keras.layers.SimpleRNN,
        "LSTM": keras.layers.LSTM,
        "GRU": keras.layers.GRU,
        "GRU, reset before": lambda *args, **kwargs: keras.layers.GRU(*args, **kwargs, reset_after=False),
    }[kind](5, return_sequences=True)
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    theirs.build(x.shape)
    rng = np.random.default_rng(1)
    theirs.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in theirs.get_weights()])
    kernel, recurrent_kernel, bias = theirs.get_weights()
    bias_ih, bias_hh = bias if after else (bias, np.zeros_like(bias))
    weights = [kernel.T, recurrent_kernel.T, bias_ih, bias_hh]
    if kind.startswith("GRU"):
        weights = [np.concatenate([weight[5:10], weight[:5], weight[10:]]) for weight in weights]  # z, r, n to r, z, n
        ours = GRU(3, 5, batch_first=True, reset_after=after)
    else:
        ours = {"SimpleRNN": RNN, "LSTM": LSTM}[kind](3, 5, batch_first=True)
    ours.load_state_dict({name: torch.tensor(weight) for name, weight in zip(ours.state_dict(), weights, strict=True)})
    np.testing.assert_allclose(ours(torch.from_numpy(x))[0].detach(), theirs(x), rtol=0, atol=1e-5)


def test_gru_with_the_reset_gate_before_the_product_is_the_papers():
    torch.manual_seed(0)
    layer = GRU(3, 4, reset_after=False, dtype=torch.float64)
    x, h = torch.randn(6, 2, 3, dtype=torch.float64), torch.zeros(2, 4, dtype=torch.float64)
    w_ir, w_iz, w_in = layer.weight_ih_l0.chunk(3)
    w_hr, w_hz, w_hn = layer.weight_hh_l0.chunk(3)
    b_r, b_z, b_n = (layer.bias_ih_l0 + layer.bias_hh_l0).chunk(3)
    for t in range(6):
        r = torch.sigmoid(x[t] @ w_ir.T + h @ w_hr.T + b_r)
        z = torch.sigmoid(x[t] @ w_iz.T + h @ w_hz.T + b_z)
        n = torch.tanh(x[t] @ w_in.T + (r * h) @ w_hn.T + b_n)
        h = (1 - z) * n + z * h
    np.testing.assert_allclose(layer(x)[1][0].detach(), h.detach(), rtol=0, atol=1e-12)


def test_dropout_between_layers_only_and_only_in_training():
    torch.manual_seed(0)
    layer = RNN(3, 50, num_layers=2, dropout=1.0)
    x = torch.randn(4, 2, 3)
    _, h_n = layer(x)
    without_input = RNN(50, 50)
    without_input.load_state_dict(
        {name.replace("l1", "l0"): value for name, value in layer.state_dict().items() if "l1" in name}
    )
    torch.testing.assert_close(h_n[1], without_input(torch.zeros(4, 2, 50))[1][0])  # everything below is dropped
    assert not torch.equal(layer.eval()(x)[1][1], h_n[1])


@pytest.mark.parametrize(
    ("kind", "variant"), [("RNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False})], ids=case_id
)
def test_a_second_derivative_is_refused(kind, variant):
    layer = KINDS[kind](3, 4, **variant)
    x = torch.randn(2, 1, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="cannot be differentiated: leave out create_graph=True"):
        torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)


def test_lengths_that_cannot_be_packed_are_refused():
    padded = torch.zeros(5, 2, 3)
    with pytest.raises(RuntimeError, match="greater than 0"):
        pack_padded_sequence(padded, [5, 0])
    with pytest.raises(RuntimeError, match="enforce_sorted"):
        pack_padded_sequence(padded, [3, 5])


@pytest.mark.parametrize("kind", KINDS)
def test_torch_func_is_refused_by_the_layer_and_served_by_the_cell(kind):
    layer, cell = KINDS[kind](3, 4), CELLS[kind](3, 4)
    with pytest.raises(RuntimeError, match="functorch"):
        torch.func.grad(lambda x: layer(x)[0].sum())(torch.zeros(5, 2, 3))
    assert torch.func.grad(lambda x: torch.stack(as_tuple(cell(x))).sum())(torch.zeros(2, 3)).shape == (2, 3)


@pytest.mark.parametrize(("kind", "share"), [("RNN", 1.02), ("GRU", 0.8), ("LSTM", 0.5)])
def test_what_is_kept_for_the_backward_pass_is_less_than_torch_keeps(kind, share):
    """Measured: 1.57, 5.7 and 7.8 states of all steps, against 1.55, 7.6 and 17."""
    theirs, ours = twins(kind, {}, 64, 128, torch.float32)
    x = torch.randn(100, 32, 64)
    assert kept_for_backward(ours, x) < share * kept_for_backward(theirs, x)


def kept_for_backward(layer, x):
    storages = {}

    def keep(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _output = layer(x)  # kept alive, so that no address is used twice
    return sum(storages.values())


CELLS = {"RNN": RNNCell, "LSTM": LSTMCell, "GRU": GRUCell}


def as_tuple(states):
    return states if isinstance(states, tuple) else (states,)


@pytest.mark.parametrize(
    ("kind", "variant"),
    [(kind, variant) for kind in KINDS for variant in ({}, {"bias": False})] + [("RNN", {"nonlinearity": "relu"})],
    ids=case_id,
)
@pytest.mark.parametrize("batch", [(), (5,)])
def test_cells_equal_torch_in_values_and_gradients(kind, variant, batch):
    torch.manual_seed(3)
    theirs = getattr(torch.nn, kind + "Cell")(3, 4, dtype=torch.float64, **variant)
    torch.manual_seed(3)
    ours = CELLS[kind](3, 4, dtype=torch.float64, **variant)
    assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    x = torch.randn(*batch, 3, dtype=torch.float64, requires_grad=True)
    states = [torch.randn(*batch, 4, dtype=torch.float64, requires_grad=True) for _ in range(2 if kind == "LSTM" else 1)]
    for hx in (None, tuple(states) if kind == "LSTM" else states[0]):
        got = []
        for cell in (theirs, ours):
            values = as_tuple(cell(x, hx))
            loss = sum((k * value**2).sum() for k, value in enumerate(values, 1))
            got.append([*values, *torch.autograd.grad(loss, [x, *([] if hx is None else states), *cell.parameters()])])
        for their, our in zip(*got, strict=True):
            np.testing.assert_allclose(our.detach(), their.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "variant"), [("RNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False})], ids=case_id
)
def test_a_loop_over_the_cell_is_the_layer_and_can_be_differentiated_twice(kind, variant):
    torch.manual_seed(0)
    layer, cell = KINDS[kind](3, 4, dtype=torch.float64, **variant), CELLS[kind](3, 4, dtype=torch.float64, **variant)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, hx, outputs = torch.randn(6, 2, 3, dtype=torch.float64), None, []
    for x_t in x:
        hx = cell(x_t, hx)
        outputs.append(as_tuple(hx)[0])
    np.testing.assert_allclose(torch.stack(outputs).detach(), layer(x)[0].detach(), rtol=0, atol=1e-12)
    x_0 = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x_0: as_tuple(cell(x_0)), x_0)


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_of_a_cell_is_refused_by_name(kind):
    cell, state = CELLS[kind](3, 4), torch.zeros(2, 4)
    hx = (state, state) if kind == "LSTM" else state
    bad_hx = (state, state[:1]) if kind == "LSTM" else state[:1]
    for input, states, error, message in [
        (torch.zeros(2, 2), hx, ValueError, "input must have input_size = 3 features, got 2"),
        (torch.zeros(2, 2, 3), hx, ValueError, "input must have 1 axis"),
        (torch.zeros(2, 3).double(), hx, ValueError, "input must have dtype"),
        ([0.0], hx, TypeError, "input must be a tensor"),
        (torch.zeros(2, 3), bad_hx, ValueError, r"[hc] must have shape \(2, 4\), got \(1, 4\)"),
        (torch.zeros(2, 3), 0.0, TypeError, "hx must be a pair|h must be a tensor"),
    ]:
        with pytest.raises(error, match=message):
            cell(input, states)
    with pytest.raises(ValueError, match="hidden_size must be at least 1"):
        CELLS[kind](3, 0)


X = torch.zeros(5, 2, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("input", "hx", "error", "message"),
    [
        (X[..., :2], None, ValueError, "input must have input_size = 3 features, got 2"),
        (X[0, 0], None, ValueError, "input must have 2 axes"),
        (X[None], None, ValueError, "input must have 2 axes"),
        (X[:0], None, ValueError, "at least one step"),
        (X.double(), None, ValueError, "input must have dtype and device of the weights"),
        (X.to("meta"), None, ValueError, "torch.float32 on cpu, got torch.float32 on meta"),
        (X.numpy(), None, TypeError, "input must be a tensor or a PackedSequence"),
        (X, torch.zeros(2, 2, 4), ValueError, r"h_0 must have shape \(1, 2, 4\), got \(2, 2, 4\)"),
        (X, torch.zeros(1, 3, 4), ValueError, "h_0 must have shape"),
        (X, torch.zeros(1, 2, 5), ValueError, "h_0 must have shape"),
        (X[:, 0], torch.zeros(1, 2, 4), ValueError, r"h_0 must have shape \(1, 4\)"),
        (X, torch.zeros(1, 2, 4).double(), ValueError, "h_0 must be torch.float32"),
        (X, torch.zeros(1, 2, 4, device="meta"), ValueError, "h_0 must be torch.float32 on cpu"),
        (X, 0.0, TypeError, "h_0 must be a tensor"),
    ],
)
def test_bad_input_is_refused_by_name(kind, input, hx, error, message):
    if kind == "LSTM" and hx is not None:
        hx = (hx, torch.zeros(1, 2, 4))
    with pytest.raises(error, match=message):
        KINDS[kind](3, 4)(input, hx)


@pytest.mark.parametrize("hx", [torch.zeros(1, 2, 4), (torch.zeros(1, 2, 4),), (torch.zeros(1, 2, 4),) * 3])
def test_lstm_wants_a_pair_of_states(hx):
    with pytest.raises((TypeError, ValueError), match=r"hx must be a pair \(h_0, c_0\)"):
        LSTM(3, 4)(X, hx)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"input_size": 0}, ValueError, "input_size must be at least 1"),
        ({"hidden_size": 2.0}, TypeError, "hidden_size must be an int"),
        ({"num_layers": 0}, ValueError, "num_layers must be at least 1"),
        ({"bias": "no"}, TypeError, "bias must be a bool, got 'no'"),
        ({"batch_first": 1}, TypeError, "batch_first must be a bool"),
        ({"bidirectional": None}, TypeError, "bidirectional must be a bool"),
        ({"dropout": 1.5}, ValueError, "dropout must be at least 0 and at most 1"),
        ({"dropout": -0.1}, ValueError, "dropout"),
        ({"dropout": True}, TypeError, "dropout must be a number"),
        ({"dropout": 1j}, TypeError, "dropout must be a number"),
    ],
)
def test_bad_arguments_are_refused_by_name(kind, arguments, error, message):
    with pytest.raises(error, match=message):
        KINDS[kind](**{"input_size": 3, "hidden_size": 4} | arguments)
    if arguments.keys() <= {"input_size", "hidden_size", "bias"}:
        with pytest.raises(error, match=message):
            CELLS[kind](**{"input_size": 3, "hidden_size": 4} | arguments)


def test_bad_arguments_of_one_kind():
    with pytest.raises(ValueError, match="nonlinearity must be 'tanh' or 'relu'"):
        RNN(3, 4, nonlinearity="gelu")
    for make in (GRU, GRUCell):
        with pytest.raises(TypeError, match="reset_after must be a bool, got 'no'"):
            make(3, 4, reset_after="no")
    with pytest.raises(ValueError, match="proj_size must be from 0 to 3, got 4"):
        LSTM(3, 4, proj_size=4)
    with pytest.raises(TypeError, match="proj_size must be an int"):
        LSTM(3, 4, proj_size="2")
