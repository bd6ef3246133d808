"""Attention, blocks and models equal torch.nn's, values and gradients; nothing leaks; the cache changes nothing."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from architectures.transformer import (
    Block,
    Decoder,
    Encoder,
    EncoderDecoder,
    MultiheadAttention,
    Stack,
    attention,
    causal_mask,
    generate,
    next_token_probabilities,
    padding_mask,
)

float64 = torch.float64


def assert_equal(ours, theirs, atol=1e-10):
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-10, atol=atol)


def with_gradients(output, leaves):
    """The output, and the gradients by `leaves` of a random combination of it."""
    weights = torch.randn(output.shape, dtype=output.dtype, generator=torch.Generator().manual_seed(1))
    return [output, *torch.autograd.grad((output * weights).sum(), leaves)]


def random_leaf(*shape):
    return torch.randn(*shape, dtype=float64, requires_grad=True)


def random_mask(*shape):
    """At least one True in each row."""
    mask = torch.rand(*shape) < 0.5
    return mask | F.one_hot(torch.randint(shape[-1], shape[:-1]), shape[-1]).bool()


def random_shapes(n, *bounds, seed=0):
    rng = np.random.default_rng(seed)
    return [tuple(int(rng.integers(low, high)) for low, high in bounds) for _ in range(n)]


def random_weights(module):
    """Also where the initial value is 0 or 1, which would hide a mistake."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    return module


# --- attention ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["no mask", "causal", "random", "random by head"])
def test_attention_is_scaled_dot_product_attention(kind):
    torch.manual_seed(0)
    for batch, heads, queries, keys, dim, value_dim in random_shapes(5, (1, 4), (1, 4), (1, 9), (1, 9), (1, 7), (1, 7)):
        keys = queries if kind == "causal" else keys
        leaves = [random_leaf(batch, heads, *size) for size in ((queries, dim), (keys, dim), (keys, value_dim))]
        mask = {
            "no mask": None,
            "causal": causal_mask(queries),
            "random": random_mask(queries, keys),
            "random by head": random_mask(batch, heads, queries, keys),
        }[kind]
        theirs = F.scaled_dot_product_attention(*leaves, attn_mask=mask)
        output, weights = attention(*leaves, mask)
        assert_equal(with_gradients(output, leaves), with_gradients(theirs, leaves))
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(batch, heads, queries, dtype=float64))
        assert mask is None or not weights[~mask.expand_as(weights)].any()


def test_attention_gradients_by_finite_differences():
    torch.manual_seed(0)
    leaves = [random_leaf(2, 3, 4), random_leaf(2, 5, 4), random_leaf(2, 5, 2)]
    assert torch.autograd.gradcheck(lambda *x: attention(*x, random_mask_of_seed())[0], leaves)


def random_mask_of_seed():
    return torch.tensor([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)


def test_causal_mask_is_torchs_and_lets_later_queries_see_all_that_came_before():
    for n in (1, 2, 7):
        theirs = torch.nn.Transformer.generate_square_subsequent_mask(n) == 0
        assert torch.equal(causal_mask(n), theirs)
    assert torch.equal(causal_mask(3, 7), causal_mask(7)[4:])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", ["self", "cross", "key is not value"])
def test_multihead_attention_is_torchs(bias, form):
    torch.manual_seed(0)
    for batch, queries, keys, heads, head_dim in random_shapes(4, (1, 4), (1, 8), (1, 8), (1, 5), (1, 5), seed=1):
        width = heads * head_dim
        theirs = random_weights(torch.nn.MultiheadAttention(width, heads, bias=bias, batch_first=True, dtype=float64))
        ours = MultiheadAttention(width, heads, bias=bias, dtype=float64)
        ours.load_state_dict(theirs.state_dict())
        query = random_leaf(batch, queries, width)
        key = query if form == "self" else random_leaf(batch, keys, width)
        value = random_leaf(batch, keys, width) if form == "key is not value" else key
        mask = random_mask(batch, 1, query.shape[1], key.shape[1])
        not_allowed = ~mask.expand(-1, heads, -1, -1).flatten(0, 1)  # theirs: (batch * heads, queries, keys)
        expected, weights = theirs(query, key, value, attn_mask=not_allowed, average_attn_weights=False)
        got, our_weights = ours(query, key, value, mask)
        leaves = {id(x): x for x in (query, key, value)}.values()
        assert_equal(
            with_gradients(got, [*leaves, *ours.parameters()]), with_gradients(expected, [*leaves, *theirs.parameters()])
        )
        assert_equal([our_weights], [weights])


@pytest.mark.parametrize("make", [torch.nn.MultiheadAttention, torch.nn.TransformerEncoderLayer])
def test_the_same_keys_shapes_and_initial_values_as_torch(make):
    torch.manual_seed(3)
    theirs = make(12, 3)
    torch.manual_seed(3)
    ours = MultiheadAttention(12, 3) if make is torch.nn.MultiheadAttention else Block(12, 3, 2048)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    theirs.load_state_dict(ours.state_dict())  # and back


# --- blocks and stacks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_block_is_torchs_encoder_layer(kind, activation):
    torch.manual_seed(0)
    for batch, time, heads, head_dim, width in random_shapes(4, (1, 4), (2, 9), (1, 5), (1, 5), (3, 12), seed=2):
        arguments = {"dropout": 0.0, "activation": activation, "norm_first": True, "batch_first": True, "dtype": float64}
        theirs = random_weights(torch.nn.TransformerEncoderLayer(heads * head_dim, heads, width, **arguments))
        ours = Block(heads * head_dim, heads, width, activation=activation, dtype=float64)
        ours.load_state_dict(theirs.state_dict())
        x = random_leaf(batch, time, heads * head_dim)
        allowed = padding_mask(random_mask(batch, time).long().index_fill(1, torch.tensor([0]), 1))
        mask = allowed & causal_mask(time) if kind == "causal" else allowed
        their_mask = {"src_mask": ~causal_mask(time)} if kind == "causal" else {}
        expected = theirs(x, src_key_padding_mask=~allowed[:, 0, 0], **their_mask)
        assert_equal(
            with_gradients(ours(x, mask), [x, *ours.parameters()]), with_gradients(expected, [x, *theirs.parameters()])
        )


def test_block_with_cross_attention_is_torchs_decoder_layer():
    torch.manual_seed(0)
    for batch, time, other, heads, head_dim in random_shapes(4, (1, 4), (1, 9), (1, 9), (1, 5), (1, 5), seed=3):
        arguments = {"dropout": 0.0, "activation": "gelu", "norm_first": True, "batch_first": True, "dtype": float64}
        theirs = random_weights(torch.nn.TransformerDecoderLayer(heads * head_dim, heads, 7, **arguments))
        ours = Block(heads * head_dim, heads, 7, cross_attention=True, dtype=float64)
        ours.load_state_dict(theirs.state_dict())
        x, memory = random_leaf(batch, time, heads * head_dim), random_leaf(batch, other, heads * head_dim)
        allowed = random_mask(batch, other)
        expected = theirs(x, memory, tgt_mask=~causal_mask(time), memory_key_padding_mask=~allowed)
        got = ours(x, causal_mask(time), memory, allowed[:, None, None])
        # the order of the parameters differs, that of the names does not
        parameters = [dict(module.named_parameters()) for module in (ours, theirs)]
        names = sorted(parameters[0])
        assert names == sorted(parameters[1])
        assert_equal(
            *(
                with_gradients(y, [x, memory, *(p[name] for name in names)])
                for y, p in zip((got, expected), parameters, strict=True)
            )
        )


def test_a_stack_is_torchs_encoder_on_the_sum_of_the_embeddings():
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(12, 3, 20, 0.0, "gelu", norm_first=True, batch_first=True, dtype=float64)
    norm = torch.nn.LayerNorm(12, dtype=float64)
    theirs = random_weights(torch.nn.TransformerEncoder(layer, 3, norm, enable_nested_tensor=False))
    ours = Encoder(9, 8, 12, 3, num_layers=3, dim_feedforward=20).double()
    missing = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert missing.missing_keys == ["embedding.weight", "position.weight"] and not missing.unexpected_keys
    tokens = torch.tensor([[5, 3, 8, 1, 0, 0], [4, 4, 2, 7, 1, 6]])
    x = (ours.embedding(tokens) + ours.position.weight[:6]) * 12**0.5
    real = tokens != 0
    expected = theirs(x, src_key_padding_mask=~real) @ ours.embedding.weight.T
    assert_equal([ours(tokens)[real]], [expected[real]])


def test_embeddings_begin_with_a_variance_of_one_after_scaling():
    torch.manual_seed(0)
    model = Encoder(vocab_size=2000, context=500, d_model=16, num_layers=1)
    for table in (model.embedding, model.position):
        assert (table.weight * model.scale).std().item() == pytest.approx(1, rel=0.05)


def test_float32_is_close_to_float64():
    torch.manual_seed(0)
    model = Decoder(30, 40, 32, 4)
    tokens = torch.randint(1, 30, (3, 40))
    logits = model(tokens)
    torch.testing.assert_close(logits.double(), model.double()(tokens), rtol=0, atol=1e-5)


# --- who sees what --------------------------------------------------------------------------------------------------


def influence(model, tokens, states):
    """(time, time): does the output at the row depend on the embedding of the token in the column?"""
    embedded = model.embedding(tokens).detach().requires_grad_()
    hook = model.embedding.register_forward_hook(lambda module, arguments, output: embedded)
    out = states(tokens)[0]
    hook.remove()
    rows = [torch.autograd.grad(out[t].square().sum(), embedded, retain_graph=True)[0][0] for t in range(len(out))]
    return torch.stack([row.abs().sum(dim=-1) for row in rows])


def test_no_gradient_comes_from_the_future_of_a_decoder():
    torch.manual_seed(0)
    model = random_weights(Decoder(9, 8, 12, 3, num_layers=3).double())
    tokens = torch.tensor([[5, 3, 8, 1, 2, 4, 4]])
    flow = influence(model, tokens, model)
    assert torch.equal(flow > 0, causal_mask(7))


def test_an_encoder_sees_both_sides_and_no_padding():
    torch.manual_seed(0)
    model = random_weights(Encoder(9, 8, 12, 3).double())
    flow = influence(model, torch.tensor([[5, 3, 8, 1, 0, 0]]), model)
    assert (flow[:, :4] > 0).all() and not flow[:4, 4:].any()


def test_an_encoder_decoder_sees_the_whole_source_and_the_past_of_what_it_writes():
    torch.manual_seed(0)
    model = random_weights(EncoderDecoder(9, 8, 12, 3).double())
    source, tokens = torch.tensor([[5, 3, 8, 0]]), torch.tensor([[4, 1, 2, 6]])
    memory, mask = model.encode(source)
    memory = memory.detach().requires_grad_()
    gradient = torch.autograd.grad(model.decoder(tokens, memory, mask).square().sum(), memory)[0].abs().sum(dim=-1)
    assert (gradient[0, :3] > 0).all() and gradient[0, 3] == 0
    flow = influence(model.decoder, tokens, lambda t: model.decoder(t, memory, mask))
    assert torch.equal(flow > 0, causal_mask(4))


@pytest.mark.parametrize("kind", [Encoder, Decoder])
def test_padding_at_the_end_changes_nothing(kind):
    torch.manual_seed(0)
    model = kind(9, 8, 12, 3).double()
    tokens = torch.tensor([[5, 3, 8]])
    padded = torch.tensor([[5, 3, 8, 0, 0], [4, 4, 4, 4, 4]])
    torch.testing.assert_close(model(padded)[:1, :3], model(tokens), rtol=0, atol=1e-12)


def test_a_decoder_tells_positions_apart():
    torch.manual_seed(0)
    model = Encoder(9, 8, 12, 3).double()
    tokens = torch.tensor([[5, 3, 8]])
    assert not torch.allclose(model(tokens).flip(1), model(tokens.flip(1)))


# --- cache and generation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[1] * 7, [3, 1, 1, 2], [7], [1, 6], [2, 5]])
def test_reading_piece_by_piece_gives_the_same_logits(pieces):
    torch.manual_seed(0)
    model = random_weights(Decoder(9, 7, 12, 3, num_layers=3).double())
    tokens = torch.randint(9, (4, 7))
    cache = model.empty_cache()
    together = torch.cat([model(piece, cache=cache) for piece in tokens.split(pieces, dim=1)], dim=1)
    torch.testing.assert_close(together, model(tokens), rtol=0, atol=1e-12)
    assert len(cache) == 3 and cache[0][0].shape == (4, 3, 7, 4)


@pytest.mark.parametrize("settings", [{"temperature": 0}, {}, {"top_k": 3, "temperature": 0.7}, {"top_p": 0.8}])
def test_the_cache_changes_no_generated_token(settings):
    torch.manual_seed(0)
    decoder, both = Decoder(9, 12, 12, 3).double(), EncoderDecoder(9, 12, 12, 3).double()
    prompt, source = torch.randint(1, 9, (5, 2)), torch.randint(1, 9, (5, 4))
    for model, arguments in ((decoder, {}), (both, {"source": source})):
        random_weights(model)
        runs = [
            generate(model, prompt, 10, use_cache=use, generator=torch.Generator().manual_seed(2), **settings, **arguments)
            for use in (True, False)
        ]
        assert torch.equal(*runs) and runs[0].shape == (5, 12)
        assert torch.equal(runs[0][:, :2], prompt)


def test_greedy_takes_the_likeliest_at_each_step_and_keeps_the_weights():
    torch.manual_seed(0)
    model = random_weights(Decoder(9, 12, 12, 3).double())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tokens = generate(model, torch.tensor([[5, 3]]), 6, temperature=0)
    for t in range(2, 8):
        assert tokens[0, t] == model(tokens[:, :t])[0, -1].argmax()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_completion_ends_at_the_stop_token_and_is_padded():
    model = Decoder(6, 40, 12, 3)
    for seed in range(5):
        torch.manual_seed(seed)
        tokens = generate(model, torch.full((6, 1), 2), 30, stop=3, generator=torch.Generator().manual_seed(seed))
        for row in tokens[:, 1:].tolist():
            if 3 in row:
                assert not any(row[row.index(3) + 1 :])
        assert tokens.shape[1] == 31 or (tokens == 3).any(dim=1).all()
    with torch.no_grad():
        model.embedding.weight[3] = 100 * model.norm(model.position.weight[:40]).mean(dim=0)
    assert generate(model, torch.tensor([[2]]), 30, stop=3, temperature=0).shape[1] <= 31


# --- sampling -------------------------------------------------------------------------------------------------------

P = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=float64)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.5, 0.25, 0.125, 0.125]),
        ({"temperature": 0}, [1, 0, 0, 0]),
        ({"temperature": 0.5}, np.array([16, 4, 1, 1]) / 22),
        ({"top_k": 1}, [1, 0, 0, 0]),
        ({"top_k": 2}, [2 / 3, 1 / 3, 0, 0]),
        ({"top_k": 4}, [0.5, 0.25, 0.125, 0.125]),
        ({"top_p": 1.0}, [0.5, 0.25, 0.125, 0.125]),
        ({"top_p": 1e-9}, [1, 0, 0, 0]),
        ({"top_p": 0.5}, [1, 0, 0, 0]),  # reaches it exactly
        ({"top_p": 0.5 + 1e-9}, [2 / 3, 1 / 3, 0, 0]),
        ({"top_p": 0.75}, [2 / 3, 1 / 3, 0, 0]),
        ({"top_k": 2, "top_p": 0.6}, [1, 0, 0, 0]),  # of the two that top_k leaves
        ({"temperature": 0.5, "top_p": 0.7}, [1, 0, 0, 0]),  # 16 / 22 alone
    ],
)
def test_settings_give_the_distribution_computed_by_hand(settings, expected):
    np.testing.assert_allclose(next_token_probabilities(P.log(), **settings), expected, rtol=1e-12)
    order = torch.tensor([2, 0, 3, 1])  # wherever the tokens stand, and row by row
    rows = next_token_probabilities(torch.stack([P.log(), P.log()[order]]), **settings)
    np.testing.assert_allclose(rows[0], expected, rtol=1e-12)
    np.testing.assert_allclose(rows[1].sort().values, np.sort(expected), rtol=1e-12)


def test_equal_logits_keep_exactly_k_and_impossible_tokens_stay_so():
    for n, k in ((7, 1), (7, 3), (7, 7), (1000, 20)):  # and of equals the first
        kept = next_token_probabilities(torch.zeros(2, n), top_k=k) > 0
        assert kept[:, :k].all() and not kept[:, k:].any()
    assert (next_token_probabilities(torch.zeros(7), top_p=3 / 7 - 0.01) > 0).sum() == 3
    assert next_token_probabilities(torch.zeros(7), temperature=0).tolist() == [1, 0, 0, 0, 0, 0, 0]
    logits = torch.tensor([0.0, -math.inf, 0.0])
    for settings in ({}, {"top_k": 3}, {"top_p": 1.0}, {"top_p": 0.999}):
        assert next_token_probabilities(logits, **settings).tolist() == [0.5, 0, 0.5]
    assert torch.isfinite(next_token_probabilities(torch.tensor([1e4, -1e4]), temperature=1e-3)).all()


def test_top_p_1_keeps_the_long_tail_that_float32_cannot_sum():
    logits = torch.full((50_000,), -16.0)
    logits[0] = 0.0
    assert (next_token_probabilities(logits, top_p=1.0) > 0).all()


def test_drawn_tokens_follow_the_probabilities():
    torch.manual_seed(0)
    model = random_weights(Decoder(5, 4, 8, 2))
    prompt = torch.tensor([[1, 2]])
    expected = next_token_probabilities(model(prompt)[0, -1].detach(), temperature=2.0, top_k=3)
    drawn = generate(
        model, prompt.expand(20_000, 2), 1, temperature=2.0, top_k=3, generator=torch.Generator().manual_seed(0)
    )
    shares = torch.bincount(drawn[:, -1], minlength=5) / 20_000
    np.testing.assert_allclose(shares, expected, atol=0.015)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MultiheadAttention(10, 3), ValueError, "embed_dim must be a multiple of num_heads = 3, got 10"),
        (lambda: MultiheadAttention(0, 1), ValueError, "embed_dim must be at least 1"),
        (lambda: MultiheadAttention(4, 2.0), TypeError, "num_heads must be an int"),
        (
            lambda: MultiheadAttention(4, 2)(*[torch.zeros(1, 2, 5)] * 3),
            ValueError,
            "query must have embed_dim = 4 features",
        ),
        (lambda: Block(4, 2, 0), ValueError, "dim_feedforward must be at least 1"),
        (lambda: Block(4, 2, 4, activation="tanh"), ValueError, "activation must be 'gelu' or 'relu'"),
        (lambda: Stack(0, 4), ValueError, "vocab_size must be at least 1"),
        (lambda: Decoder(9, 0), ValueError, "context must be at least 1"),
        (lambda: Encoder(9, 4, num_layers=0), ValueError, "num_layers must be at least 1"),
        (lambda: Decoder(9, 4, d_model=0), ValueError, "d_model must be at least 1, got 0"),
        (lambda: Decoder(9, 4, 8.0), TypeError, "d_model must be an int"),
        (lambda: EncoderDecoder(9, 4, nhead=0), ValueError, "nhead must be at least 1"),
        (lambda: Encoder(9, 4, 8, nhead=3), ValueError, "d_model must be a multiple of nhead = 3, got 8"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_row_that_may_look_at_nothing_is_refused():
    x = torch.zeros(3, 4)
    mask = causal_mask(3)
    mask[1] = False
    with pytest.raises(ValueError, match="mask must let every query look at some key"):
        attention(x, x, x, mask)
    with pytest.raises(TypeError, match=r"mask must be a tensor of bool, got torch\.float32"):
        attention(x, x, x, torch.zeros(3, 3))
    with pytest.raises(ValueError, match="every sequence must have a token that is not padding"):
        Encoder(9, 4, 8, 2)(torch.tensor([[1, 2], [0, 0]]))
    with pytest.raises(ValueError, match="every sequence must have a token that is not padding"):
        EncoderDecoder(9, 4, 8, 2)(torch.tensor([[0, 0]]), torch.tensor([[1]]))


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        (torch.ones(1, 5).long(), ValueError, "tokens must fit into the context of 4, got 5: cut the prompt"),
        (torch.ones(2, 0).long(), ValueError, r"tokens must have shape \(batch, time\), each at least 1, got \(2, 0\)"),
        (torch.ones(3).long(), ValueError, r"tokens must have shape \(batch, time\)"),
        (torch.ones(1, 3), TypeError, r"tokens must be a tensor of int64, got torch\.float32"),
        ([[1, 2]], TypeError, "tokens must be a tensor of int64, got list"),
        (torch.tensor([[1, 9]]), ValueError, "tokens must lie from 0 to vocab_size - 1 = 8, got 1 to 9"),
        (torch.tensor([[-1, 3]]), ValueError, "tokens must lie from 0"),
    ],
)
def test_bad_tokens_are_refused(tokens, error, message):
    with pytest.raises(error, match=message):
        Decoder(9, 4, 8, 2)(tokens)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (torch.ones(1, 2), TypeError, "source must be a tensor of int64"),
        (torch.tensor([[1, 9]]), ValueError, "source must lie from 0 to vocab_size - 1 = 8"),
        (torch.ones(1, 5).long(), ValueError, "source must fit into the context of 4, got 5"),
    ],
)
def test_a_bad_source_is_refused_as_such(source, error, message):
    with pytest.raises(error, match=message):
        EncoderDecoder(9, 4, 8, 2)(source, torch.ones(1, 2).long())


@pytest.mark.parametrize("cross_attention", [False, True])
def test_memory_goes_with_cross_attention(cross_attention):
    tokens, memory = torch.ones(1, 2).long(), None if cross_attention else torch.zeros(1, 3, 8)
    with pytest.raises(ValueError, match="memory is needed with cross_attention=True, and cannot be looked at without it"):
        Decoder(9, 4, 8, 2, cross_attention=cross_attention)(tokens, memory)


def test_the_cache_counts_towards_the_context():
    model = Decoder(9, 4, 8, 2)
    cache = model.empty_cache()
    model(torch.ones(1, 3).long(), cache=cache)
    with pytest.raises(ValueError, match="tokens must fit into the context of 4, got 5"):
        model(torch.ones(1, 2).long(), cache=cache)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"prompt": torch.ones(1, 0).long()}, ValueError, "prompt must have shape"),
        ({"prompt": torch.ones(1, 1)}, TypeError, "prompt must be a tensor of int64"),
        ({"prompt": torch.tensor([[1, 2], [1, 0]])}, ValueError, r"prompt must hold no padding \(0\)"),
        (
            {"prompt": torch.ones(1, 7).long()},
            ValueError,
            "a prompt of 7 leaves room for 1 new tokens, got max_new_tokens = 2",
        ),
        ({"prompt": torch.ones(1, 9).long()}, ValueError, "leaves room for 0 new tokens"),
        ({"max_new_tokens": 0}, ValueError, "max_new_tokens must be at least 1"),
        ({"temperature": -1.0}, ValueError, "temperature must be at least 0"),
        ({"temperature": float("nan")}, ValueError, "temperature must be at least 0"),
        ({"temperature": "hot"}, TypeError, "temperature must be a number"),
        ({"temperature": None}, TypeError, "temperature must be a number"),
        ({"top_k": 0}, ValueError, "top_k must be from 1 to 9"),
        ({"top_k": 10}, ValueError, "top_k must be from 1 to 9"),
        ({"top_p": 0.0}, ValueError, "top_p must be above 0 and at most 1"),
        ({"top_p": 1.01}, ValueError, "top_p must be above 0 and at most 1"),
        ({"top_p": float("nan")}, ValueError, "top_p must be above 0 and at most 1"),
        ({"top_p": True}, TypeError, "top_p must be a number"),
        ({"stop": 9}, ValueError, "stop must be from 0 to 8"),
        ({"source": torch.ones(1, 1).long()}, ValueError, "a Decoder takes none"),
        ({"model": EncoderDecoder(9, 8, 8, 2)}, ValueError, "an EncoderDecoder needs a source"),
        ({"model": Encoder(9, 8, 8, 2)}, TypeError, "model must be a Decoder or an EncoderDecoder, got Encoder"),
    ],
)
def test_generate_refuses_bad_arguments(changed, error, message):
    arguments = {"model": Decoder(9, 8, 8, 2), "prompt": torch.ones(1, 2).long(), "max_new_tokens": 2} | changed
    with pytest.raises(error, match=message):
        generate(**arguments)
