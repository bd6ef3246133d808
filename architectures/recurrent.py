"""What RNN, LSTM and GRU share: parameters, layers, directions, packing, checks, and the walk along a sequence.

A layer sees every input as a *packed* one: the rows of all steps below one another, step t in `batch_sizes[t]` rows, the
longest sequence first. A padded batch is the special case of equal batch sizes. So there is one loop, in one layout, and
no step is ever spent on padding.

How it comes to be quick: the inputs of all steps are multiplied with W_ih at once, so that the loop keeps only what is
sequential; the loop runs in NumPy, whose calls cost half of torch's and whose tanh a tenth; the sigmoids are written as
tanh, one call for all gates; and the backward pass is derived by hand, with every local derivative computed before its
loop and every weight gradient as one product after it. `tests/benchmarks/test_recurrent.py` measures it beside torch.nn.
"""

import math

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from tensorflow_basics.checks import check_bool, check_int, check_number


class Steps:
    """The order in which a sequence is walked: which rows each step has, and which rows came before.

    Parameters
    ----------
    batch_sizes : list of int
        Number of sequences that run at each step, not increasing.
    reverse : bool
        Whether to walk from the last step to the first. A shorter sequence then joins on the way.
    """

    def __init__(self, batch_sizes, reverse):
        self.batch_sizes, self.reverse = batch_sizes, reverse
        ends = np.cumsum(batch_sizes).tolist()
        self.rows = [slice(end - size, end) for size, end in zip(batch_sizes, ends, strict=True)]
        self.order = range(len(batch_sizes) - 1, -1, -1) if reverse else range(len(batch_sizes))

    def previous(self, xp, states, initial, t):
        """States before step t of the sequences that run at t: a view where possible. `states` is packed like the data."""
        size, before = self.batch_sizes[t], t + 1 if self.reverse else t - 1
        if not 0 <= before < len(self.batch_sizes):
            return initial[:size]
        carried = states[self.rows[before]][:size]
        if len(carried) == size:
            return carried
        return xp.concatenate([carried, initial[len(carried) : size]])  # the others start here

    def all_previous(self, states, initial):
        """States before every row, shape of `states`: what the recurrent weights were multiplied with."""
        return torch.cat([self.previous(torch, states, initial, t) for t in range(len(self.batch_sizes))])

    def final(self, states):
        """State of each sequence after its last step, (batch, features)."""
        if self.reverse or self.batch_sizes[0] == self.batch_sizes[-1]:
            return states[self.rows[self.order[-1]]].clone()
        lengths = (np.array(self.batch_sizes)[:, None] > np.arange(self.batch_sizes[0])).sum(axis=0)
        starts = np.array([rows.start for rows in self.rows])
        last = starts[lengths - 1] + np.arange(self.batch_sizes[0])
        return states[torch.from_numpy(last).to(states.device)]


def arrays(*tensors):
    """The namespace in which the loop over the steps runs, and `tensors` in it, sharing their memory.

    NumPy where it can: its calls cost about half of torch's, and a sequence is many small calls. Else torch, which serves
    every device and dtype. The loops use only names that both have, so the same lines run in either.
    """
    if all(runs_in_numpy(tensor) for tensor in tensors):
        return np, *(tensor.detach().numpy() for tensor in tensors)
    return torch, *(tensor.detach() for tensor in tensors)


def by_gate(rows, scale):
    """Rows of weights or biases gate by gate, scaled: (gates * hidden, features) to (gates, features, hidden).

    A product with it is (gates, rows, hidden): each gate is one block of memory, on which NumPy takes half the time.
    """
    return (rows.unflatten(0, (len(scale), -1)).transpose(1, 2) * scale[:, None, None]).contiguous()


def refuse_second_derivative():
    """Raise in a backward pass that is itself being recorded: what it returned would silently count as constant."""
    if torch.is_grad_enabled():
        raise RuntimeError(
            "the backward pass of this layer cannot be differentiated: leave out create_graph=True, or use torch.nn's"
        )


def runs_in_numpy(tensor):
    """Whether NumPy can work on the tensor's own memory, in its dtype."""
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


def check_features(input, input_size, weight):
    """Raise ValueError unless the last axis of `input` has `input_size` features, in dtype and device of `weight`."""
    if input.shape[-1] != input_size:
        raise ValueError(f"input must have input_size = {input_size} features, got {input.shape[-1]}")
    if input.dtype != weight.dtype or input.device != weight.device:
        raise ValueError(
            f"input must have dtype and device of the weights, {weight.dtype} on {weight.device}, "
            f"got {input.dtype} on {input.device}"
        )


def check_state(name, state, shape, input):
    """Raise TypeError or ValueError unless `state` is a tensor of `shape`, in dtype and device of `input`."""
    if not isinstance(state, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(state).__name__}")
    if tuple(state.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(state.shape)}")
    if state.dtype != input.dtype or state.device != input.device:
        raise ValueError(f"{name} must be {input.dtype} on {input.device} like input, got {state.dtype} on {state.device}")


class RecurrentCell(torch.nn.Module):
    """Base of RNNCell, LSTMCell and GRUCell: one step, its equations written in `step` with torch's own operations.

    Autograd finds the backward pass, so cells can be differentiated twice and work under torch.func.

    Parameters
    ----------
    input_size, hidden_size : int
        Features of an input, and of the state.
    bias : bool
        Whether there are biases, ``bias_ih`` and ``bias_hh``.
    device, dtype
        Of the parameters, as for any torch module.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.
    """

    n_gates = 1
    n_states = 1  # 2 if there is a cell state besides the hidden state

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__()
        check_int("input_size", input_size, 1)
        check_int("hidden_size", hidden_size, 1)
        check_bool("bias", bias)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.n_gates * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            empty = torch.empty(shapes[name], device=device, dtype=dtype) if name in shapes else None
            self.register_parameter(name, None if empty is None else torch.nn.Parameter(empty))
        self.reset_parameters()

    def reset_parameters(self):
        """Draw every parameter from U(-1 / sqrt(hidden_size), 1 / sqrt(hidden_size)), as torch.nn does."""
        reset_parameters(self)

    def extra_repr(self):
        """Sizes, and what differs from the defaults, as torch.nn shows it."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")

    def step(self, from_input, h, *c):
        """One step.

        Parameters
        ----------
        from_input : Tensor
            ``W_ih x + b_ih``, (batch, gates * hidden_size).
        h, c : Tensor
            States before the step, (batch, hidden_size).

        Returns
        -------
        Tensor, or a tuple of two
            States after the step.
        """
        raise NotImplementedError

    def forward(self, input, hx=None):
        """Run one step.

        Parameters
        ----------
        input : Tensor
            (batch, input_size), or (input_size,) for one sequence.
        hx : Tensor, or a pair of them (h, c) for LSTMCell, optional
            State before the step, (batch, hidden_size) or (hidden_size,); zeros if left out.

        Returns
        -------
        Tensor, or (h, c) for LSTMCell
            State after the step, in the shape of `hx`.

        Raises
        ------
        TypeError, ValueError
            If `input` or `hx` has the wrong type, shape, dtype or device.
        """
        if not isinstance(input, torch.Tensor):
            raise TypeError(f"input must be a tensor, got {type(input).__name__}")
        if input.dim() not in (1, 2):
            raise ValueError(f"input must have 1 axis (unbatched) or 2, got shape {tuple(input.shape)}")
        check_features(input, self.input_size, self.weight_ih)
        shape = (*input.shape[:-1], self.hidden_size)
        states = [input.new_zeros(shape)] * self.n_states if hx is None else state_list(hx, self.n_states)
        for name, state in zip(("h", "c"), states, strict=False):
            check_state(name, state, shape, input)
        return self.step(torch.nn.functional.linear(input, self.weight_ih, self.bias_ih), *states)


def reset_parameters(module):
    """Draw every parameter of `module` from U(-1 / sqrt(hidden_size), 1 / sqrt(hidden_size))."""
    bound = 1 / math.sqrt(module.hidden_size)
    for parameter in module.parameters():
        torch.nn.init.uniform_(parameter, -bound, bound)


def state_list(hx, n_states):
    """`hx` as a list of one or two states; TypeError unless it is a pair where two are needed."""
    if n_states == 1:
        return [hx]
    if not (isinstance(hx, (tuple, list)) and len(hx) == 2):
        raise TypeError(f"hx must be a pair (h_0, c_0), got {type(hx).__name__}")
    return list(hx)


class RecurrentLayer(torch.nn.Module):
    """Base of RNN, LSTM and GRU: a subclass says how many gates and states it has, and walks one direction in `walk`.

    Parameters
    ----------
    input_size, hidden_size : int
        Features of a step, and of the state.
    num_layers : int
        Layers on top of one another; each reads the output of the one below.
    bias : bool
        Whether there are biases. As in torch.nn there are two, ``bias_ih`` and ``bias_hh``.
    batch_first : bool
        Whether padded input and output are (batch, time, features) and not (time, batch, features).
    dropout : float
        Probability with which an output is dropped on its way from one layer to the next, in training.
    bidirectional : bool
        Whether a second set of weights walks from the last step to the first; its outputs are appended as features.
    device, dtype
        Of the parameters, as for any torch module.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    Notes
    -----
    Parameters, their names, order and initial values, and what `forward` takes and returns are torch.nn's, so that a
    ``state_dict`` loads either way. There is no second derivative: ``create_graph=True`` raises a RuntimeError.
    """

    n_gates = 1
    n_states = 1  # 2 if there is a cell state besides the hidden state

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        check_int("input_size", input_size, 1)
        check_int("hidden_size", hidden_size, 1)
        check_int("num_layers", num_layers, 1)
        check_int("proj_size", proj_size, 0, hidden_size - 1)
        for name, value in (("bias", bias), ("batch_first", batch_first), ("bidirectional", bidirectional)):
            check_bool(name, value)
        check_number("dropout", dropout, 0, 1)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size

        output_size = proj_size or hidden_size
        width = input_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                shapes = {
                    "weight_ih": (self.n_gates * hidden_size, width),
                    "weight_hh": (self.n_gates * hidden_size, output_size),
                }
                if bias:
                    shapes |= {"bias_ih": (self.n_gates * hidden_size,), "bias_hh": (self.n_gates * hidden_size,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    self.register_parameter(
                        name + suffix, torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    )
            width = output_size * len(self._suffixes(layer))
        self.reset_parameters()

    def _suffixes(self, layer):
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    def reset_parameters(self):
        """Draw every parameter from U(-1 / sqrt(hidden_size), 1 / sqrt(hidden_size)), as torch.nn does."""
        reset_parameters(self)

    def flatten_parameters(self):
        """Nothing to do; here so that code written for torch.nn runs."""

    def extra_repr(self):
        """What differs from the defaults, as torch.nn shows it."""
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        changed = [f"{name}={getattr(self, name)}" for name, default in defaults.items() if getattr(self, name) != default]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])

    def walk(self, steps, data, states, parameters):
        """One direction of one layer.

        Parameters
        ----------
        steps : Steps
        data : Tensor
            Packed rows, (rows, features).
        states : list of Tensor
            Initial states, (batch, hidden_size) each, the longest sequence first.
        parameters : dict of Tensor
            ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh``, ``weight_hr``; None where the layer has none.

        Returns
        -------
        tuple of Tensor
            Output rows, (rows, hidden_size), and the final states, (batch, hidden_size) each.
        """
        raise NotImplementedError

    def forward(self, input, hx=None):
        """Run the sequences.

        Parameters
        ----------
        input : Tensor or PackedSequence
            (time, batch, input_size), or (batch, time, input_size) with ``batch_first``, or (time, input_size) for one
            sequence; or a PackedSequence, sorted or not. The batch may be empty, the time not.
        hx : Tensor, or a pair of them (h_0, c_0) for LSTM, optional
            Initial state, each of shape (num_layers * directions, batch, hidden_size); zeros if left out. With
            ``proj_size``, h_0 has that many features.

        Returns
        -------
        output : Tensor or PackedSequence
            In the form of `input`, with directions * hidden_size features.
        h_n : Tensor, or (h_n, c_n) for LSTM
            Final state, in the shape of `hx`.

        Raises
        ------
        TypeError, ValueError
            If `input` or `hx` has the wrong type, shape, dtype or device.
        """
        weight = self.weight_ih_l0
        is_packed = isinstance(input, PackedSequence)
        data, batch_sizes, sorted_indices, unsorted_indices = input if is_packed else (input, None, None, None)
        if not isinstance(data, torch.Tensor):
            raise TypeError(f"input must be a tensor or a PackedSequence, got {type(input).__name__}")
        if not is_packed and data.dim() not in (2, 3):
            raise ValueError(f"input must have 2 axes (unbatched) or 3, got shape {tuple(data.shape)}")
        check_features(data, self.input_size, weight)
        is_batched = is_packed or data.dim() == 3
        if is_packed:
            sizes = batch_sizes.tolist()
        else:
            data = data if is_batched else data[:, None]  # (time, 1, features)
            data = data.transpose(0, 1) if self.batch_first and is_batched else data
            n_steps, batch = data.shape[:2]
            if n_steps == 0:
                raise ValueError(f"input must hold at least one step, got shape {tuple(input.shape)}")
            sizes = [batch] * n_steps
            data = data.reshape(n_steps * batch, self.input_size)
        states = self._initial_states(hx, sizes[0], is_batched, sorted_indices, data)

        finals = [[] for _ in range(self.n_states)]
        for layer in range(self.num_layers):
            outputs = []
            for direction, suffix in enumerate(self._suffixes(layer)):
                index = len(self._suffixes(layer)) * layer + direction
                parameters = {
                    name: getattr(self, name + suffix, None)
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
                }
                output, *final = self.walk(
                    Steps(sizes, reverse=direction == 1), data, [s[index] for s in states], parameters
                )
                outputs.append(output)
                for collected, state in zip(finals, final, strict=True):
                    collected.append(state)
            data = torch.cat(outputs, dim=1) if self.bidirectional else outputs[0]
            if self.dropout and self.training and layer < self.num_layers - 1:
                data = torch.nn.functional.dropout(data, self.dropout)

        finals = tuple(torch.stack(collected) for collected in finals)  # (layers * directions, batch, features)
        if unsorted_indices is not None:
            finals = tuple(state[:, unsorted_indices] for state in finals)
        if is_packed:
            return PackedSequence(data, batch_sizes, sorted_indices, unsorted_indices), self._as_hx(finals)
        data = data.view(n_steps, batch, data.shape[1])
        if not is_batched:
            return data[:, 0], self._as_hx([state[:, 0] for state in finals])
        return data.transpose(0, 1) if self.batch_first else data, self._as_hx(finals)

    def _as_hx(self, states):
        return tuple(states) if self.n_states == 2 else states[0]

    def _initial_states(self, hx, batch, is_batched, sorted_indices, data):
        count = self.num_layers * (2 if self.bidirectional else 1)
        widths = [self.proj_size or self.hidden_size, self.hidden_size][: self.n_states]
        if hx is None:
            return [data.new_zeros(count, batch, width) for width in widths]
        states = []
        for name, state, width in zip(("h_0", "c_0"), state_list(hx, self.n_states), widths, strict=False):
            check_state(name, state, (count, batch, width) if is_batched else (count, width), data)
            state = state if is_batched else state[:, None]
            states.append(state if sorted_indices is None else state[:, sorted_indices])
        return states
