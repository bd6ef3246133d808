"""RNN, LSTM and GRU beside torch.nn's: forward without gradients, and forward with backward.

    pytest tests/benchmarks/test_recurrent.py --benchmark-enable -n 0 --benchmark-columns=median,iqr,rounds

The number in parentheses is the ratio to the faster of the two. Without ``--benchmark-enable`` each runs once.
``--threads 2`` gives both sides two threads: only on cores that nothing else uses, or each waits for the other.

What decides is the rate of the matrix products, the same in number on both sides. torch.nn.LSTM has oneDNN's kernels, ours
those of NumPy's OpenBLAS, which on a processor it does not know falls back to AVX2. ``OPENBLAS_CORETYPE=SkylakeX`` names
the AVX-512 ones: on an AMD EPYC of family 26, 160 against 95 billion operations a second.
"""

import os

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from architectures.gru import GRU
from architectures.lstm import LSTM
from architectures.rnn import RNN

SHAPES = {  # batch, time, input_size, hidden_size, arguments
    "A": (32, 100, 64, 128, {}),
    "A2": (32, 100, 64, 128, {"num_layers": 2}),
    "Abi": (32, 100, 64, 128, {"bidirectional": True}),
    "B": (64, 50, 128, 256, {}),
    "C": (1, 200, 32, 64, {}),
    "packed": (32, 100, 64, 128, {}),  # lengths 10 to 100
}


@pytest.mark.parametrize("whose", ["ours", "torch.nn"])
@pytest.mark.parametrize("task", ["forward", "train"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_speed(kind, shape, task, whose, benchmark):
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    batch, time, input_size, hidden_size, arguments = SHAPES[shape]
    make = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[kind] if whose == "ours" else getattr(torch.nn, kind)
    torch.manual_seed(0)
    layer, x = make(input_size, hidden_size, **arguments), torch.randn(time, batch, input_size)
    if shape == "packed":
        x = pack_padded_sequence(x, torch.randint(10, time + 1, (batch,)), enforce_sorted=False)

    def forward():
        with torch.no_grad():
            return layer(x)[0]

    def train():
        layer.zero_grad()
        output, _ = layer(x)
        (output.data if shape == "packed" else output).sum().backward()

    benchmark.group = f"{kind} {shape}, {task}"
    benchmark.pedantic({"forward": forward, "train": train}[task], rounds=15, warmup_rounds=2)
