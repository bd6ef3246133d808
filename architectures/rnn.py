"""The simple recurrent layer, equal to torch.nn.RNN."""

import torch

from architectures.recurrent import RecurrentCell, RecurrentLayer, arrays, refuse_second_derivative


class RNN(RecurrentLayer):
    """Elman's recurrent layer, a drop-in replacement for torch.nn.RNN.

    ::

        h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)

    Parameters
    ----------
    nonlinearity : {"tanh", "relu"}
        What the sum passes through.
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        See `RecurrentLayer`.

    References
    ----------
    J. L. Elman: Finding structure in time, 1990.

    Examples
    --------
    >>> layer = RNN(3, 5, batch_first=True)
    >>> output, h_n = layer(torch.zeros(2, 7, 3))
    >>> output.shape, h_n.shape
    (torch.Size([2, 7, 5]), torch.Size([1, 2, 5]))
    """

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        nonlinearity="tanh",
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        check_nonlinearity(nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype
        )
        self.nonlinearity = nonlinearity

    def walk(self, steps, data, states, parameters):
        bias = parameters["bias_ih"] + parameters["bias_hh"] if self.bias else data.new_zeros(self.hidden_size)
        return _Walk.apply(steps, self.nonlinearity, data, *states, parameters["weight_ih"], parameters["weight_hh"], bias)


class RNNCell(RecurrentCell):
    """One step of RNN, equal to torch.nn.RNNCell.

    Parameters
    ----------
    nonlinearity : {"tanh", "relu"}
        What the sum passes through.
    input_size, hidden_size, bias, device, dtype
        See `RecurrentCell`.

    Examples
    --------
    >>> cell = RNNCell(3, 5)
    >>> h = cell(torch.zeros(2, 3))
    >>> h.shape
    torch.Size([2, 5])
    """

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        check_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def extra_repr(self):
        """As torch.nn shows it."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")

    def step(self, from_input, h):
        a = from_input + torch.nn.functional.linear(h, self.weight_hh, self.bias_hh)
        return torch.tanh(a) if self.nonlinearity == "tanh" else torch.relu(a)


def check_nonlinearity(nonlinearity):
    """Raise ValueError unless `nonlinearity` is one that RNN knows."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")


class _Walk(torch.autograd.Function):
    """One direction, and its backward pass by hand: backpropagation through time.

    With a_t for what stands inside the tanh, the loss reaches h_t from the output and, through W_hh, from a_(t+1)::

        dL/dh_t = dL/doutput_t + W_hh^T dL/da_(t+1)        dL/da_t = dL/dh_t * (1 - h_t^2)

    Only this is sequential. What the weights need is one product over all steps, after the loop: dL/dW_hh is the sum over
    t of dL/da_t h_(t-1)^T, and so on.
    """

    @staticmethod
    def forward(ctx, steps, nonlinearity, data, h_0, weight_ih, weight_hh, bias):
        output = torch.addmm(bias, data, weight_ih.t())  # (rows, hidden): W_ih x + b, of all steps at once
        xp, h, start, w_hh = arrays(output, h_0, weight_hh.t().contiguous())
        for t in steps.order:
            now = h[steps.rows[t]]
            now += xp.matmul(steps.previous(xp, h, start, t), w_hh)
            if nonlinearity == "tanh":
                xp.tanh(now, out=now)
            else:
                now *= now > 0
        ctx.steps, ctx.nonlinearity = steps, nonlinearity
        ctx.save_for_backward(data, h_0, weight_ih, weight_hh, output)
        return output, steps.final(output)

    @staticmethod
    def backward(ctx, d_output, d_final):
        refuse_second_derivative()
        data, h_0, weight_ih, weight_hh, output = ctx.saved_tensors
        steps = ctx.steps
        local = 1 - output * output if ctx.nonlinearity == "tanh" else (output > 0).to(output.dtype)
        d_pre, d_state = torch.empty_like(output), d_final.clone()
        xp, d_out, slope, w_hh, d_a, d_h = arrays(d_output, local, weight_hh, d_pre, d_state)
        for t in reversed(steps.order):
            rows, d = steps.rows[t], d_h[: steps.batch_sizes[t]]  # dL/dh_t, of the sequences that run at t
            d += d_out[rows]
            xp.multiply(d, slope[rows], out=d_a[rows])
            xp.matmul(d_a[rows], w_hh, out=d)
        needs = ctx.needs_input_grad
        return (
            None,
            None,
            d_pre @ weight_ih if needs[2] else None,
            d_state,
            d_pre.t() @ data,
            d_pre.t() @ steps.all_previous(output, h_0),
            d_pre.sum(dim=0),
        )
