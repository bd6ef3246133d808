"""The LSTM layer, equal to torch.nn.LSTM."""

import torch

from architectures.recurrent import RecurrentCell, RecurrentLayer, arrays, refuse_second_derivative


class LSTM(RecurrentLayer):
    """Long short-term memory, a drop-in replacement for torch.nn.LSTM.

    ::

        i_t = sigmoid(W_ii x_t + b_ii + W_hi h_(t-1) + b_hi)        what to write
        f_t = sigmoid(W_if x_t + b_if + W_hf h_(t-1) + b_hf)        what to keep
        g_t = tanh(W_ig x_t + b_ig + W_hg h_(t-1) + b_hg)           what could be written
        o_t = sigmoid(W_io x_t + b_io + W_ho h_(t-1) + b_ho)        what to show
        c_t = f_t * c_(t-1) + i_t * g_t
        h_t = o_t * tanh(c_t)              with proj_size: W_hr (o_t * tanh(c_t))

    The rows of the weights hold the gates in this order: i, f, g, o.

    Parameters
    ----------
    proj_size : int
        If above 0, h has this many features, a projection by ``weight_hr``.
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        See `RecurrentLayer`.

    References
    ----------
    S. Hochreiter and J. Schmidhuber: Long short-term memory, 1997. F. A. Gers, J. Schmidhuber, F. Cummins: Learning to
    forget, 2000 (the forget gate). H. Sak, A. Senior, F. Beaufays: Long short-term memory recurrent neural network
    architectures for large scale acoustic modeling, 2014 (the projection).

    Examples
    --------
    >>> layer = LSTM(3, 5, bidirectional=True)
    >>> output, (h_n, c_n) = layer(torch.zeros(7, 2, 3))
    >>> output.shape, h_n.shape
    (torch.Size([7, 2, 10]), torch.Size([2, 2, 5]))
    """

    n_gates, n_states = 4, 2

    def walk(self, steps, data, states, parameters):
        weight_ih, weight_hh = parameters["weight_ih"], parameters["weight_hh"]
        bias = parameters["bias_ih"] + parameters["bias_hh"] if self.bias else data.new_zeros(4 * self.hidden_size)
        return _Walk.apply(steps, data, *states, weight_ih, weight_hh, bias, parameters["weight_hr"])


class LSTMCell(RecurrentCell):
    """One step of LSTM, equal to torch.nn.LSTMCell: takes and returns the pair (h, c), h first.

    Parameters
    ----------
    input_size, hidden_size, bias, device, dtype
        See `RecurrentCell`.

    Examples
    --------
    >>> cell = LSTMCell(3, 5)
    >>> h, c = cell(torch.zeros(2, 3))
    >>> h.shape, c.shape
    (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    n_gates, n_states = 4, 2

    def step(self, from_input, h, c):
        gates = from_input + torch.nn.functional.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class _Walk(torch.autograd.Function):
    """One direction, and its backward pass by hand: backpropagation through time.

    With a for what stands inside a gate's activation, the loss reaches h_t from the output and through W_hh from
    a_(t+1), and c_t from h_t and through the forget gate from c_(t+1)::

        dL/dc_t = dL/dh_t * o_t * (1 - tanh(c_t)^2) + dL/dc_(t+1) * f_(t+1)
        dL/da_i = dL/dc_t * g_t * i_t (1 - i_t)              dL/da_g = dL/dc_t * i_t * (1 - g_t^2)
        dL/da_f = dL/dc_t * c_(t-1) * f_t (1 - f_t)          dL/da_o = dL/dh_t * tanh(c_t) * o_t (1 - o_t)

    Everything that does not depend on dL is computed for all steps before the loop, and what the weights need is one
    product over all steps after it.
    """

    @staticmethod
    def forward(ctx, steps, data, h_0, c_0, weight_ih, weight_hh, bias, weight_hr):
        # sigma(a) = (tanh(a / 2) + 1) / 2: with the rows of i, f and o halved, one tanh serves all four gates.
        half = bias.new_tensor([0.5, 0.5, 1.0, 0.5]).repeat_interleave(c_0.shape[1])
        shift = bias.new_tensor([0.5, 0.5, 0.0, 0.5]).repeat_interleave(c_0.shape[1])
        gates = torch.addmm(bias * half, data, (weight_ih * half[:, None]).t())  # (rows, 4 hidden)
        rows, hidden = len(gates), c_0.shape[1]
        cell, squashed = gates.new_empty(rows, hidden), gates.new_empty(rows, hidden)
        output = gates.new_empty(rows, h_0.shape[1])
        inner = output if weight_hr is None else gates.new_empty(rows, hidden)
        xp, a, c, tanh_c, h, m, h_start, c_start, w_hh, scale, offset = arrays(
            gates, cell, squashed, output, inner, h_0, c_0, (weight_hh * half[:, None]).t().contiguous(), half, shift
        )
        w_hr = None if weight_hr is None else arrays(weight_hr)[1]
        for t in steps.order:
            r = steps.rows[t]
            gate = a[r]
            gate += xp.matmul(steps.previous(xp, h, h_start, t), w_hh)
            xp.tanh(gate, out=gate)
            gate *= scale
            gate += offset
            i, f, g, o = (
                gate[:, :hidden],
                gate[:, hidden : 2 * hidden],
                gate[:, 2 * hidden : 3 * hidden],
                gate[:, 3 * hidden :],
            )
            xp.multiply(f, steps.previous(xp, c, c_start, t), out=c[r])
            c[r] += i * g
            xp.tanh(c[r], out=tanh_c[r])
            xp.multiply(o, tanh_c[r], out=m[r])
            if w_hr is not None:
                xp.matmul(m[r], w_hr.T, out=h[r])
        ctx.steps = steps
        ctx.save_for_backward(data, h_0, c_0, weight_ih, weight_hh, weight_hr, gates, cell, squashed, output)
        return output, steps.final(output), steps.final(cell)

    @staticmethod
    def backward(ctx, d_output, d_h_n, d_c_n):
        refuse_second_derivative()
        data, h_0, c_0, weight_ih, weight_hh, weight_hr, gates, cell, squashed, output = ctx.saved_tensors
        steps, hidden = ctx.steps, cell.shape[1]
        i, f, g, o = gates.chunk(4, dim=1)
        local = torch.empty_like(gates)  # d(c or h) / d(gate before its activation)
        local_i, local_f, local_g, local_o = local.chunk(4, dim=1)
        torch.mul(g, i * (1 - i), out=local_i)
        torch.mul(steps.all_previous(cell, c_0), f * (1 - f), out=local_f)
        torch.mul(i, 1 - g * g, out=local_g)
        torch.mul(squashed, o * (1 - o), out=local_o)
        through = o * (1 - squashed * squashed)  # dh / dc
        d_gates, d_h, d_c = local, d_h_n.clone(), d_c_n.clone()
        d_all_h = None if weight_hr is None else torch.empty_like(output)
        xp, d_out, d_a, thru, forget, w_hh, dh, dc = arrays(d_output, d_gates, through, f, weight_hh, d_h, d_c)
        w_hr, d_h_rows = (None, None) if weight_hr is None else arrays(weight_hr, d_all_h)[1:]
        for t in reversed(steps.order):
            r, size = steps.rows[t], steps.batch_sizes[t]
            d, e = dh[:size], dc[:size]
            d += d_out[r]
            if w_hr is None:
                d_m = d
            else:
                d_h_rows[r] = d
                d_m = xp.matmul(d, w_hr)
            e += d_m * thru[r]
            first, last = d_a[r, : 3 * hidden].reshape(size, 3, hidden), d_a[r, 3 * hidden :]
            first *= e[:, None]
            last *= d_m
            e *= forget[r]
            xp.matmul(d_a[r], w_hh, out=d)
        needs = ctx.needs_input_grad
        d_w_hr = None if weight_hr is None else d_all_h.t() @ (o * squashed)
        return (
            None,
            d_gates @ weight_ih if needs[1] else None,
            d_h,
            d_c,
            d_gates.t() @ data,
            d_gates.t() @ steps.all_previous(output, h_0),
            d_gates.sum(dim=0),
            d_w_hr,
        )
