"""Attention, and the three families of transformers that differ in what may look at what. Equal to torch.nn's.

One convention for every mask here: True where a query may look at a key, as in torch's scaled_dot_product_attention.
(torch.nn.MultiheadAttention, TransformerEncoderLayer and their padding masks say True where it may *not*.)

Blocks are pre-norm, without dropout. Their parameters have torch's names, so that the weights of a torch.nn layer with
``norm_first=True`` can be loaded, and back.
"""

import math
from functools import partial

import torch
from torch.nn import functional as F

from tensorflow_basics.checks import check_int, check_number


def attention(query, key, value, mask=None):
    """Scaled dot-product attention: every query takes a mean of the values, weighted by how well their keys match.

    ::

        weights = softmax(query key^T / sqrt(head_dim)) over the keys that the mask allows
        output = weights value

    Parameters
    ----------
    query : Tensor
        (..., queries, head_dim).
    key, value : Tensor
        (..., keys, head_dim) and (..., keys, value_dim).
    mask : Tensor of bool, optional
        True where a query may look at a key; broadcast to (..., queries, keys).

    Returns
    -------
    output : Tensor
        (..., queries, value_dim).
    weights : Tensor
        (..., queries, keys). Each row sums to 1.

    Raises
    ------
    TypeError, ValueError
        If the mask is not boolean or lets a query look at no key: such a row has no mean.

    References
    ----------
    A. Vaswani et al.: Attention is all you need, 2017, equation 1.

    Examples
    --------
    >>> x, value = torch.eye(2, dtype=torch.float64), torch.tensor([[10.0], [20.0]], dtype=torch.float64)
    >>> output, weights = attention(query=x, key=x, value=value, mask=torch.tensor([[True, False], [True, True]]))
    >>> weights.numpy().round(4).tolist()
    [[1.0, 0.0], [0.3302, 0.6698]]
    """
    scores = query * (1 / math.sqrt(query.shape[-1])) @ key.transpose(-2, -1)  # (..., queries, keys)
    if mask is not None:
        _check_mask(mask)
        scores = scores.masked_fill(~mask, -math.inf)
    weights = torch.softmax(scores, dim=-1)
    return weights @ value, weights


def causal_mask(queries, keys=None, device=None):
    """The mask of a decoder: a token looks at itself and at what stands before it.

    Parameters
    ----------
    queries : int
        How many tokens look.
    keys : int, optional
        How many there are to look at, the last of which are those that look; by default as many.

    Returns
    -------
    Tensor of bool
        (queries, keys).

    Examples
    --------
    >>> causal_mask(3).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    >>> causal_mask(1, 3).int().tolist()  # the third token, when the first two have been read before
    [[1, 1, 1]]
    """
    keys = queries if keys is None else keys
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


class MultiheadAttention(torch.nn.Module):
    """Attention in several heads, each on its own projection of the features; torch.nn.MultiheadAttention's parameters.

    The batch comes first. The rows of ``in_proj_weight`` hold the projections of query, key and value, in this order.

    Parameters
    ----------
    embed_dim, num_heads : int
        Features of a token; heads, which share them equally.
    bias : bool
        Whether the projections have biases.
    device, dtype
        Of the parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    Examples
    --------
    >>> layer = MultiheadAttention(8, 2)
    >>> x = torch.zeros(5, 3, 8)
    >>> output, weights = layer(x, x, x, causal_mask(3))
    >>> output.shape, weights.shape
    (torch.Size([5, 3, 8]), torch.Size([5, 2, 3, 3]))
    """

    def __init__(self, embed_dim, num_heads, bias=True, device=None, dtype=None):
        super().__init__()
        check_int("embed_dim", embed_dim, 1)
        check_int("num_heads", num_heads, 1)
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim must be a multiple of num_heads = {num_heads}, got {embed_dim}")
        self.embed_dim, self.num_heads = embed_dim, num_heads
        factory = {"device": device, "dtype": dtype}
        self.in_proj_weight = torch.nn.Parameter(torch.empty(3 * embed_dim, embed_dim, **factory))
        self.in_proj_bias = torch.nn.Parameter(torch.zeros(3 * embed_dim, **factory)) if bias else None
        self.out_proj = torch.nn.Linear(embed_dim, embed_dim, bias=bias, **factory)
        torch.nn.init.xavier_uniform_(self.in_proj_weight)
        if bias:
            torch.nn.init.zeros_(self.out_proj.bias)

    def forward(self, query, key, value, mask=None, past=None):
        """Output (batch, queries, embed_dim) and weights (batch, num_heads, queries, keys).

        Parameters
        ----------
        query, key, value : Tensor
            (batch, queries, embed_dim), and twice (batch, keys, embed_dim).
        mask : Tensor of bool, optional
            True where a query may look at a key; broadcast to (batch, num_heads, queries, keys).
        past : list, optional
            Keys and values of earlier calls, which come before those of this call; empty at first. Is extended in place.
        """
        if query.shape[-1] != self.embed_dim:
            raise ValueError(f"query must have embed_dim = {self.embed_dim} features, got {query.shape[-1]}")
        if query is key and key is value:  # one product instead of three
            projected = F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            weights = self.in_proj_weight.chunk(3)
            biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
            projected = map(F.linear, (query, key, value), weights, biases)
        q, k, v = (
            x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in projected
        )  # (batch, heads, time, head_dim)
        if past is not None:
            if past:
                k, v = (torch.cat(pair, dim=2) for pair in zip(past, (k, v), strict=True))
            past[:] = k, v
        output, weights = attention(q, k, v, mask)
        return self.out_proj(output.transpose(1, 2).flatten(2)), weights


class Block(torch.nn.Module):
    """A transformer's layer: tokens look at one another, perhaps at another sequence, and then each is worked on alone.

    Pre-norm: each part reads a normalised copy of x and adds its result to x. The parameters have the names of
    torch.nn.TransformerEncoderLayer, with `cross_attention` those of TransformerDecoderLayer.

    Parameters
    ----------
    d_model, nhead, dim_feedforward : int
        Features of a token; heads; width of the two-layer network that works on each token.
    cross_attention : bool
        Whether there is a second attention, at `memory`.
    activation : {"gelu", "relu"}
        Of the two-layer network.
    device, dtype
        Of the parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range, or `memory` is missing or cannot be looked at.

    References
    ----------
    R. Xiong et al.: On layer normalization in the transformer architecture, 2020 (pre-norm).
    """

    def __init__(self, d_model, nhead, dim_feedforward, cross_attention=False, activation="gelu", device=None, dtype=None):
        super().__init__()
        check_int("dim_feedforward", dim_feedforward, 1)
        if activation not in ("gelu", "relu"):
            raise ValueError(f"activation must be 'gelu' or 'relu', got {activation!r}")
        factory = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, **factory)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **factory) if cross_attention else None
        self.linear1 = torch.nn.Linear(d_model, dim_feedforward, **factory)
        self.linear2 = torch.nn.Linear(dim_feedforward, d_model, **factory)
        self.norm1 = torch.nn.LayerNorm(d_model, **factory)
        self.norm2 = torch.nn.LayerNorm(d_model, **factory)
        self.norm3 = torch.nn.LayerNorm(d_model, **factory) if cross_attention else None
        self.activation = getattr(F, activation)

    def forward(self, x, mask=None, memory=None, memory_mask=None, past=None):
        """x: (batch, time, d_model), memory: (batch, other time, d_model) -> (batch, time, d_model).

        `mask` and `memory_mask` are True where a token may look, at x and at memory; `past` as for MultiheadAttention.
        """
        if (memory is None) != (self.multihead_attn is None):
            raise ValueError("memory is needed with cross_attention=True, and cannot be looked at without it")
        h = self.norm1(x)
        x = x + self.self_attn(h, h, h, mask, past)[0]
        norm = self.norm2
        if self.multihead_attn is not None:
            x = x + self.multihead_attn(self.norm2(x), memory, memory, memory_mask)[0]
            norm = self.norm3
        return x + self.linear2(self.activation(self.linear1(norm(x))))


class Stack(torch.nn.Module):
    """What the three families share: embeddings of tokens and of positions, blocks, and a last normalisation.

    Tokens are scored with the embedding they came in by, transposed (weight tying). Both embeddings start with variance
    1 / d_model, which suits the scores, and are multiplied by sqrt(d_model) on their way in, which suits the blocks.

    Parameters
    ----------
    vocab_size : int
        Number of tokens. Token 0 is padding.
    context : int
        The context window: the most tokens it can take, prompt and completion together.
    d_model, nhead, num_layers, dim_feedforward : int
        Features of a token; heads; blocks; width inside a block, by default 4 * d_model.
    cross_attention : bool
        Whether the blocks also look at another sequence.
    activation : {"gelu", "relu"}
        Of the blocks.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    References
    ----------
    A. Vaswani et al.: Attention is all you need, 2017, section 3.4 (scaled embeddings). O. Press and L. Wolf: Using the
    output embedding to improve language models, 2017 (weight tying). A. Radford et al.: Language models are unsupervised
    multitask learners, 2019 (learned positions, pre-norm).
    """

    is_causal = False

    def __init__(
        self,
        vocab_size,
        context,
        d_model=64,
        nhead=4,
        num_layers=2,
        dim_feedforward=None,
        cross_attention=False,
        activation="gelu",
    ):
        super().__init__()
        sizes = {"vocab_size": vocab_size, "context": context, "d_model": d_model, "nhead": nhead, "num_layers": num_layers}
        for name, size in sizes.items():
            check_int(name, size, 1)
        if d_model % nhead:
            raise ValueError(f"d_model must be a multiple of nhead = {nhead}, got {d_model}")
        dim_feedforward = 4 * d_model if dim_feedforward is None else dim_feedforward
        self.context, self.scale = context, math.sqrt(d_model)
        self.embedding = torch.nn.Embedding(vocab_size, d_model)
        self.position = torch.nn.Embedding(context, d_model)
        for table in (self.embedding, self.position):
            torch.nn.init.normal_(table.weight, std=d_model**-0.5)
        blocks = [Block(d_model, nhead, dim_feedforward, cross_attention, activation) for _ in range(num_layers)]
        self.layers = torch.nn.ModuleList(blocks)
        self.norm = torch.nn.LayerNorm(d_model)

    def states(self, tokens, memory=None, memory_mask=None, cache=None, name="tokens"):
        """What the last block makes of each token, normalised: (batch, time) int64 -> (batch, time, d_model)."""
        _check_tokens(name, tokens, self.embedding.num_embeddings)
        start = cache[0][0].shape[2] if cache and cache[0] else 0  # tokens read before
        end = start + tokens.shape[1]
        if end > self.context:
            raise ValueError(
                f"{name} must fit into the context of {self.context}, got {end}: cut the prompt, or ask for less"
            )
        mask = causal_mask(end - start, end, tokens.device) if self.is_causal else padding_mask(tokens)
        x = (self.embedding(tokens) + self.position.weight[start:end]) * self.scale  # (batch, time, d_model)
        for i, block in enumerate(self.layers):
            x = block(x, mask, memory, memory_mask, past=cache[i] if cache is not None else None)
        return self.norm(x)

    def logits(self, states):
        """Scores of the vocabulary: (..., d_model) -> (..., vocab_size)."""
        return F.linear(states, self.embedding.weight)


class Encoder(Stack):
    """Encoder-only (BERT's family): every token looks at all tokens that are not padding, on both sides.

    See `Stack` for the parameters.

    Examples
    --------
    >>> Encoder(vocab_size=20, context=10)(torch.tensor([[5, 6, 7], [5, 0, 0]])).shape
    torch.Size([2, 3, 20])
    """

    def forward(self, tokens):
        """Logits of each token itself: (batch, time) int64 -> (batch, time, vocab_size)."""
        return self.logits(self.states(tokens))


class Decoder(Stack):
    """Decoder-only (GPT's family): every token looks at itself and the tokens before it.

    Padding may stand at the end only, where no token looks at it. See `Stack` for the parameters.

    Examples
    --------
    >>> model = Decoder(vocab_size=20, context=10)
    >>> model(torch.tensor([[5, 6, 7]])).shape
    torch.Size([1, 3, 20])
    >>> cache = model.empty_cache()  # read the same in two pieces
    >>> first, second = (model(torch.tensor(piece), cache=cache) for piece in ([[5, 6]], [[7]]))
    """

    is_causal = True

    def forward(self, tokens, memory=None, memory_mask=None, cache=None):
        """Logits of the token after each: (batch, time) int64 -> (batch, time, vocab_size).

        With a `cache`, from `empty_cache`, the tokens are read as following those of the calls before. With
        `cross_attention`, `memory` (batch, other time, d_model) is looked at where `memory_mask` is True.
        """
        return self.logits(self.states(tokens, memory, memory_mask, cache))

    def empty_cache(self):
        """For reading piece by piece: keys and values of nothing yet, layer by layer."""
        return [[] for _ in self.layers]


class EncoderDecoder(torch.nn.Module):
    """Encoder-decoder (T5's and BART's family): the encoder reads the source, the decoder writes, looking at it.

    Both share the embedding of tokens. See `Stack` for the parameters; `context` is that of each side.

    Examples
    --------
    >>> model = EncoderDecoder(vocab_size=20, context=10)
    >>> model(source=torch.tensor([[5, 6, 7]]), tokens=torch.tensor([[8, 9]])).shape
    torch.Size([1, 2, 20])
    """

    def __init__(self, vocab_size, context, d_model=64, nhead=4, num_layers=2, dim_feedforward=None, activation="gelu"):
        super().__init__()
        sizes = (vocab_size, context, d_model, nhead, num_layers, dim_feedforward)
        self.encoder = Encoder(*sizes, activation=activation)
        self.decoder = Decoder(*sizes, cross_attention=True, activation=activation)
        self.decoder.embedding = self.encoder.embedding

    def forward(self, source, tokens):
        """Logits of the token after each of `tokens`: (batch, time) int64 -> (batch, time, vocab_size)."""
        return self.decoder(tokens, *self.encode(source))

    def encode(self, source):
        """States of the source, (batch, source time, d_model), and the mask that hides its padding."""
        return self.encoder.states(source, name="source"), padding_mask(source)


def padding_mask(tokens):
    """True where a token is not padding (0), to broadcast over heads and queries: (batch, time) -> (batch, 1, 1, time).

    Raises
    ------
    ValueError
        If a sequence is nothing but padding.

    Examples
    --------
    >>> padding_mask(torch.tensor([[5, 6, 0]])).tolist()
    [[[[True, True, False]]]]
    """
    mask = tokens != 0
    if not mask.any(dim=-1).all():
        raise ValueError("every sequence must have a token that is not padding (0), one has none")
    return mask[:, None, None, :]


def next_token_probabilities(logits, temperature=1.0, top_k=None, top_p=None):
    """How likely each token is to be drawn next, after temperature, top-k and top-p, in this order.

    Parameters
    ----------
    logits : Tensor
        (..., vocab_size).
    temperature : float
        Divides the logits; 0 means greedy: the likeliest token, of equals the first, has probability 1.
    top_k : int, optional
        Only the k likeliest remain, exactly k, of equals the first; 1 to vocab_size.
    top_p : float, optional
        Only the fewest likeliest remain whose probabilities sum to p or more, at least one; above 0, up to 1 (all).

    Returns
    -------
    Tensor
        (..., vocab_size), rows sum to 1.

    Raises
    ------
    TypeError, ValueError
        If a setting has the wrong type or is out of range.

    References
    ----------
    A. Fan, M. Lewis, Y. Dauphin: Hierarchical neural story generation, 2018 (top-k). A. Holtzman et al.: The curious case
    of neural text degeneration, 2020 (top-p, the nucleus).

    Examples
    --------
    >>> logits = torch.tensor([0.5, 0.3, 0.2]).log()
    >>> next_token_probabilities(logits, top_k=2).tolist()
    [0.625, 0.375, 0.0]
    >>> next_token_probabilities(logits, top_p=0.4).tolist()
    [1.0, 0.0, 0.0]
    """
    _check_sampling(temperature, top_k, top_p, logits.shape[-1])
    if temperature == 0:
        return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        kept = logits.sort(dim=-1, descending=True, stable=True).indices[..., :top_k]
        logits = torch.full_like(logits, -math.inf).scatter(-1, kept, logits.gather(-1, kept))
    probabilities = torch.softmax(logits, dim=-1)
    if top_p is None or top_p == 1:
        return probabilities
    ranked, order = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ranked.cumsum(dim=-1) - ranked  # of the likelier ones
    ranked = ranked.masked_fill(before >= top_p, 0)
    probabilities = torch.zeros_like(ranked).scatter(-1, order, ranked)
    return probabilities / probabilities.sum(dim=-1, keepdim=True)


@torch.no_grad()
def generate(
    model,
    prompt,
    max_new_tokens,
    *,
    source=None,
    temperature=1.0,
    top_k=None,
    top_p=None,
    stop=None,
    generator=None,
    use_cache=True,
):
    """Continue a prompt token by token.

    Parameters
    ----------
    model : Decoder or EncoderDecoder
    prompt : Tensor
        (batch, time), int64, without padding, so all of one length; at least one token.
    max_new_tokens : int
        At most so many are added, 1 or more. Prompt and completion together must fit into the model's context.
    source : Tensor, optional
        (batch, source time): what the encoder of an EncoderDecoder reads.
    temperature, top_k, top_p
        See `next_token_probabilities`.
    stop : int, optional
        The token that ends a completion. What comes after it is padding (0).
    generator : torch.Generator, optional
        On the device of the model, to draw with.
    use_cache : bool
        Whether to keep keys and values, so that each step computes those of one token only. Changes nothing but the time.

    Returns
    -------
    Tensor
        (batch, time + new), int64: the prompt and its completion.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range, or if the context is too small.

    Examples
    --------
    >>> model = Decoder(vocab_size=20, context=10)
    >>> prompt = torch.tensor([[5, 6, 7]])
    >>> tokens = generate(model, prompt, max_new_tokens=4, temperature=0)
    >>> tokens.shape, torch.equal(tokens[:, :3], prompt)
    (torch.Size([1, 7]), True)
    """
    stack = model.decoder if isinstance(model, EncoderDecoder) else model
    if not isinstance(model, (Decoder, EncoderDecoder)):
        raise TypeError(f"model must be a Decoder or an EncoderDecoder, got {type(model).__name__}")
    if isinstance(model, EncoderDecoder) != (source is not None):
        raise ValueError("an EncoderDecoder needs a source, a Decoder takes none")
    vocab_size = stack.embedding.num_embeddings
    _check_tokens("prompt", prompt, vocab_size)
    if (prompt[:, [0, -1]] == 0).any():  # padding stands at an end; within, the model may have drawn a 0
        raise ValueError(
            "prompt must hold no padding (0): what is written would follow the padding. Generate for one length at a time"
        )
    check_int("max_new_tokens", max_new_tokens, 1)
    _check_sampling(temperature, top_k, top_p, vocab_size)
    if stop is not None:
        check_int("stop", stop, 0, vocab_size - 1)
    if prompt.shape[1] + max_new_tokens > stack.context:
        raise ValueError(
            f"the context of {stack.context} holds prompt and completion: a prompt of {prompt.shape[1]} leaves room for "
            f"{max(stack.context - prompt.shape[1], 0)} new tokens, got max_new_tokens = {max_new_tokens}"
        )
    read = model
    if source is not None:
        memory, memory_mask = model.encode(source)
        read = partial(stack, memory=memory, memory_mask=memory_mask)
    cache = stack.empty_cache() if use_cache else None
    tokens = unread = prompt
    ended = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
    for _ in range(max_new_tokens):
        logits = read(unread if use_cache else tokens, cache=cache)[:, -1]  # (batch, vocab_size)
        probabilities = next_token_probabilities(logits, temperature, top_k, top_p)
        unread = torch.multinomial(probabilities, 1, generator=generator).masked_fill(ended[:, None], 0)
        tokens = torch.cat([tokens, unread], dim=1)
        if stop is not None:
            ended |= unread[:, 0] == stop
            if ended.all():
                break
    return tokens


def _check_mask(mask):
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"mask must be a tensor of bool, got {getattr(mask, 'dtype', type(mask).__name__)}")
    if not mask.any(dim=-1).all():
        raise ValueError("mask must let every query look at some key, but a row of it is all False")


def _check_tokens(name, tokens, vocab_size):
    if not isinstance(tokens, torch.Tensor) or tokens.dtype != torch.int64:
        raise TypeError(f"{name} must be a tensor of int64, got {getattr(tokens, 'dtype', type(tokens).__name__)}")
    if tokens.dim() != 2 or 0 in tokens.shape:
        raise ValueError(f"{name} must have shape (batch, time), each at least 1, got {tuple(tokens.shape)}")
    low, high = (int(value) for value in tokens.aminmax())
    if low < 0 or high >= vocab_size:
        raise ValueError(f"{name} must lie from 0 to vocab_size - 1 = {vocab_size - 1}, got {low} to {high}")


def _check_sampling(temperature, top_k, top_p, vocab_size):
    check_number("temperature", temperature, 0)
    if top_k is not None:
        check_int("top_k", top_k, 1, vocab_size)
    if top_p is not None:
        check_number("top_p", top_p, 0, 1, above=True)
