"""Attention beside torch's, forward and with backward; generation with the cache beside generation without.

    pytest tests/benchmarks/test_transformer.py --benchmark-enable -n 0 --benchmark-columns=median,iqr,rounds

The number in parentheses is the ratio to the faster of the two. Without ``--benchmark-enable`` each runs once.

torch computes attention block by block and never holds the (queries, keys) weights; ours does, to show them. That is the
same work at the lengths of this course, and costs more memory and time the longer the sequence.
"""

import os

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from architectures.transformer import Block, Decoder, MultiheadAttention, attention, causal_mask, generate

SHAPES = {  # batch, time, d_model, heads
    "notebook": (32, 18, 64, 4),
    "short": (16, 64, 128, 4),
    "long": (4, 512, 128, 4),
}


@pytest.fixture(autouse=True)
def threads():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)


@pytest.mark.parametrize("whose", ["ours", "torch"])
@pytest.mark.parametrize("task", ["forward", "train"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["attention", "multi-head", "block"])
def test_speed(kind, shape, task, whose, benchmark):
    batch, time, width, heads = SHAPES[shape]
    x = torch.randn(batch, time, width, requires_grad=True)
    mask = causal_mask(time)
    if kind == "attention":
        heads_of_x = x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (batch, heads, time, head_dim)
        call = {
            "ours": lambda: attention(heads_of_x, heads_of_x, heads_of_x, mask)[0],
            "torch": lambda: scaled_dot_product_attention(heads_of_x, heads_of_x, heads_of_x, is_causal=True),
        }[whose]
    elif kind == "multi-head":
        ours = MultiheadAttention(width, heads)
        theirs = torch.nn.MultiheadAttention(width, heads, batch_first=True)
        call = {
            "ours": lambda: ours(x, x, x, mask)[0],
            "torch": lambda: theirs(x, x, x, attn_mask=~mask, is_causal=True, need_weights=False)[0],
        }[whose]
    else:
        ours = Block(width, heads, 4 * width)
        theirs = torch.nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", norm_first=True, batch_first=True)
        call = {"ours": lambda: ours(x, mask), "torch": lambda: theirs(x, src_mask=~mask, is_causal=True)}[whose]

    def forward():
        with torch.no_grad():
            return call()

    def train():
        x.grad = None
        call().sum().backward(retain_graph=True)

    benchmark.group = f"{kind}, {shape}, {task}"
    benchmark.pedantic({"forward": forward, "train": train}[task], rounds=31, warmup_rounds=3)


@pytest.mark.parametrize("use_cache", [True, False], ids=["cached", "uncached"])
@pytest.mark.parametrize("new_tokens", [16, 128])
def test_generation(new_tokens, use_cache, benchmark):
    model = Decoder(vocab_size=800, context=256, d_model=64, nhead=4, num_layers=2)
    prompt = torch.ones(8, 2, dtype=torch.int64)
    benchmark.group = f"generate {new_tokens} tokens"
    benchmark.pedantic(
        generate, args=(model, prompt, new_tokens), kwargs={"use_cache": use_cache}, rounds=5, warmup_rounds=1
    )
