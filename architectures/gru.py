"""The GRU layer, equal to torch.nn.GRU, and the original paper's variant of it."""

import torch

from architectures.recurrent import RecurrentCell, RecurrentLayer, arrays, by_gate, refuse_second_derivative
from tensorflow_basics.checks import check_bool


class GRU(RecurrentLayer):
    """Gated recurrent unit, a drop-in replacement for torch.nn.GRU.

    ::

        r_t = sigmoid(W_ir x_t + b_ir + W_hr h_(t-1) + b_hr)        what of the past the candidate sees
        z_t = sigmoid(W_iz x_t + b_iz + W_hz h_(t-1) + b_hz)        what to keep
        n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_(t-1) + b_hn))   the candidate
        h_t = (1 - z_t) * n_t + z_t * h_(t-1)

    The rows of the weights hold the gates in this order: r, z, n. The reset gate acts *after* the product with W_hn, as in
    PyTorch, cuDNN and Keras's default. With ``reset_after=False`` it acts before, as in the paper::

        n_t = tanh(W_in x_t + b_in + W_hn (r_t * h_(t-1)) + b_hn)

    The two are different functions of the same weights.

    Parameters
    ----------
    reset_after : bool
        Where the reset gate acts; torch.nn.GRU knows only True.
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        See `RecurrentLayer`.

    References
    ----------
    K. Cho et al.: Learning phrase representations using RNN encoder-decoder for statistical machine translation, 2014.

    Examples
    --------
    >>> layer = GRU(3, 5)
    >>> output, h_n = layer(torch.zeros(7, 2, 3))
    >>> torch.equal(output[-1], h_n[0])
    True
    """

    n_gates = 3

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
        *,
        reset_after=True,
    ):
        check_bool("reset_after", reset_after)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype
        )
        self.reset_after = reset_after

    def extra_repr(self):
        """As `RecurrentLayer`'s, and the reset gate's place where it is not torch.nn's."""
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")

    def walk(self, steps, data, states, parameters):
        zero = data.new_zeros(3 * self.hidden_size)
        biases = (parameters["bias_ih"], parameters["bias_hh"]) if self.bias else (zero, zero)
        apply = _WalkResetAfter.apply if self.reset_after else _WalkResetBefore.apply
        return apply(steps, data, *states, parameters["weight_ih"], parameters["weight_hh"], *biases)


class GRUCell(RecurrentCell):
    """One step of GRU, equal to torch.nn.GRUCell.

    Parameters
    ----------
    reset_after : bool
        Where the reset gate acts, see `GRU`.
    input_size, hidden_size, bias, device, dtype
        See `RecurrentCell`.

    Examples
    --------
    >>> cell = GRUCell(3, 5)
    >>> cell(torch.zeros(2, 3)).shape
    torch.Size([2, 5])
    """

    n_gates = 3

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None, *, reset_after=True):
        check_bool("reset_after", reset_after)
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.reset_after = reset_after

    def extra_repr(self):
        """As `RecurrentCell`'s, and the reset gate's place where it is not torch.nn's."""
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")

    def step(self, from_input, h):
        linear = torch.nn.functional.linear
        w_rz, w_n = self.weight_hh.split([2 * self.hidden_size, self.hidden_size])
        b_rz, b_n = self.bias_hh.split([2 * self.hidden_size, self.hidden_size]) if self.bias else (None, None)
        x_rz, x_n = from_input.split([2 * self.hidden_size, self.hidden_size], dim=-1)
        r, z = torch.sigmoid(x_rz + linear(h, w_rz, b_rz)).chunk(2, dim=-1)
        n = torch.tanh(x_n + (r * linear(h, w_n, b_n) if self.reset_after else linear(r * h, w_n, b_n)))
        return (1 - z) * n + z * h


class _WalkResetAfter(torch.autograd.Function):
    """One direction, and its backward pass by hand, with a for what stands inside an activation::

    dL/da_n = dL/dh_t * (1 - z_t) * (1 - n_t^2)          dL/da_z = dL/dh_t * (h_(t-1) - n_t) * z_t (1 - z_t)
    dL/da_r = dL/da_n * (W_hn h_(t-1) + b_hn) * r_t (1 - r_t)
    dL/dh_(t-1) = dL/dh_t * z_t + W_hr^T dL/da_r + W_hz^T dL/da_z + W_hn^T (dL/da_n * r_t)
    """

    @staticmethod
    def forward(ctx, steps, data, h_0, weight_ih, weight_hh, bias_ih, bias_hh):
        hidden = h_0.shape[1]
        half = data.new_tensor([0.5, 0.5, 1.0])  # sigma(a) = (tanh(a / 2) + 1) / 2
        # b_hr and b_hz may be added at once; b_hn stands inside the product with r.
        bias = bias_ih.clone()
        bias[: 2 * hidden] += bias_hh[: 2 * hidden]
        gates = data.new_empty(3, len(data), hidden)
        output, candidate = data.new_empty(len(data), hidden), data.new_empty(len(data), hidden)
        xp, a, h, hn, start, b_hn, x, w_ih, w_hh, b = arrays(
            *(gates, output, candidate, h_0, bias_hh[2 * hidden :], data),
            *(by_gate(rows, half) for rows in (weight_ih, weight_hh, bias[:, None])),
        )
        xp.matmul(x, w_ih, out=a)
        a += b
        for t in steps.order:
            rows = steps.rows[t]
            previous = steps.previous(xp, h, start, t)
            recurrent = xp.matmul(previous, w_hh)  # (3, size, hidden)
            rz, n = a[:2, rows], a[2, rows]
            rz += recurrent[:2]
            xp.tanh(rz, out=rz)
            rz *= 0.5
            rz += 0.5
            r, z = rz
            xp.add(recurrent[2], b_hn, out=hn[rows])
            n += r * hn[rows]
            xp.tanh(n, out=n)
            xp.subtract(previous, n, out=h[rows])
            h[rows] *= z
            h[rows] += n
        ctx.steps = steps
        ctx.save_for_backward(data, h_0, weight_ih, weight_hh, gates, candidate, output)
        return output, steps.final(output)

    @staticmethod
    def backward(ctx, d_output, d_h_n):
        refuse_second_derivative()
        data, h_0, weight_ih, weight_hh, gates, candidate, output = ctx.saved_tensors
        steps, hidden = ctx.steps, output.shape[1]
        previous = steps.all_previous(output, h_0)
        r, z, n = gates
        d_hidden = gates.new_empty(len(output), 3 * hidden)  # first dh/d(W_hh h + b_hh), then times dL/dh
        to_r, to_z, to_n = d_hidden.chunk(3, dim=1)
        d_new = (1 - z) * (1 - n * n)  # dh / d(n before its tanh)
        torch.mul(d_new * candidate, r * (1 - r), out=to_r)
        torch.mul(previous - n, z * (1 - z), out=to_z)
        torch.mul(d_new, r, out=to_n)
        d_state, keep = d_h_n.clone(), z
        xp, d_out, d_a, kept, w_hh, dh, d_n = arrays(d_output, d_hidden, keep, weight_hh, d_state, d_new)
        for t in reversed(steps.order):
            rows, size = steps.rows[t], steps.batch_sizes[t]
            d = dh[:size]
            d += d_out[rows]
            step = d_a[rows].reshape(size, 3, hidden)
            step *= d[:, None]
            d_n[rows] *= d
            d *= kept[rows]
            d += xp.matmul(d_a[rows], w_hh)
        d_input = torch.cat([d_hidden[:, : 2 * hidden], d_new], dim=1)
        return (
            None,
            d_input @ weight_ih if ctx.needs_input_grad[1] else None,
            d_state,
            d_input.t() @ data,
            d_hidden.t() @ previous,
            d_input.sum(dim=0),
            d_hidden.sum(dim=0),
        )


class _WalkResetBefore(torch.autograd.Function):
    """As above, but W_hn multiplies r_t * h_(t-1), whose gradient W_hn^T dL/da_n goes on to r_t and to h_(t-1)."""

    @staticmethod
    def forward(ctx, steps, data, h_0, weight_ih, weight_hh, bias_ih, bias_hh):
        hidden = h_0.shape[1]
        half = _half(h_0)
        gates = torch.addmm((bias_ih + bias_hh) * half, data, (weight_ih * half[:, None]).t())
        output = gates.new_empty(len(gates), hidden)
        gated = torch.empty_like(output)  # r * h_(t-1)
        scaled = (weight_hh * half[:, None]).t()
        xp, a, h, rh, start, w_rz, w_n = arrays(
            gates, output, gated, h_0, scaled[:, : 2 * hidden].contiguous(), scaled[:, 2 * hidden :].contiguous()
        )
        for t in steps.order:
            r = steps.rows[t]
            previous = steps.previous(xp, h, start, t)
            reset_update, new = a[r, : 2 * hidden], a[r, 2 * hidden :]
            reset_update += xp.matmul(previous, w_rz)
            xp.tanh(reset_update, out=reset_update)
            reset_update *= 0.5
            reset_update += 0.5
            xp.multiply(reset_update[:, :hidden], previous, out=rh[r])
            new += xp.matmul(rh[r], w_n)
            xp.tanh(new, out=new)
            xp.subtract(previous, new, out=h[r])
            h[r] *= reset_update[:, hidden:]
            h[r] += new
        ctx.steps = steps
        ctx.save_for_backward(data, h_0, weight_ih, weight_hh, gates, gated, output)
        return output, steps.final(output)

    @staticmethod
    def backward(ctx, d_output, d_h_n):
        refuse_second_derivative()
        data, h_0, weight_ih, weight_hh, gates, gated, output = ctx.saved_tensors
        steps, hidden = ctx.steps, output.shape[1]
        previous = steps.all_previous(output, h_0)
        r, z, n = gates.chunk(3, dim=1)
        d_gates = torch.empty_like(gates)
        to_r, to_z, to_n = d_gates.chunk(3, dim=1)
        torch.mul(previous, r * (1 - r), out=to_r)  # d(r h) / d(r before its sigmoid)
        torch.mul(previous - n, z * (1 - z), out=to_z)
        torch.mul(1 - z, 1 - n * n, out=to_n)
        d_state = d_h_n.clone()
        xp, d_out, d_a, reset, keep, w_rz, w_n, dh = arrays(
            d_output, d_gates, r, z, weight_hh[: 2 * hidden], weight_hh[2 * hidden :], d_state
        )
        for t in reversed(steps.order):
            rows, size = steps.rows[t], steps.batch_sizes[t]
            d = dh[:size]
            d += d_out[rows]
            update_new = d_a[rows, hidden:].reshape(size, 2, hidden)
            update_new *= d[:, None]
            d_gated = xp.matmul(d_a[rows, 2 * hidden :], w_n)
            d_a[rows, :hidden] *= d_gated
            d *= keep[rows]
            d += d_gated * reset[rows]
            d += xp.matmul(d_a[rows, : 2 * hidden], w_rz)
        d_weight_hh = torch.cat([d_gates[:, : 2 * hidden].t() @ previous, d_gates[:, 2 * hidden :].t() @ gated])
        return (
            None,
            d_gates @ weight_ih if ctx.needs_input_grad[1] else None,
            d_state,
            d_gates.t() @ data,
            d_weight_hh,
            d_gates.sum(dim=0),
            d_gates.sum(dim=0),
        )


def _half(state):
    """1/2 for the rows of r and z, 1 for those of n: sigma(a) = (tanh(a / 2) + 1) / 2."""
    return state.new_tensor([0.5, 0.5, 1.0]).repeat_interleave(state.shape[1])
