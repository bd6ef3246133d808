"""What a language model is asked to predict: four ways to turn a text without labels into inputs and targets.

Tokens are 1-D int64 tensors, for `causal` and `masked` of any shape. Targets hold `IGNORE` where nothing is asked, which
cross_entropy leaves out.
"""

import torch

from tensorflow_basics.checks import check_int, check_number

IGNORE = -100  # torch.nn.functional.cross_entropy's ignore_index


def causal(tokens, padding=0):
    """Predict each token from those before it: GPT's objective. Every position but the first is a target.

    Parameters
    ----------
    tokens : Tensor
        (..., time), int64, time at least 2.
    padding : int
        This token is no target.

    Returns
    -------
    inputs, targets : Tensor
        (..., time - 1) each: the target of an input is the token after it.

    References
    ----------
    A. Radford et al.: Improving language understanding by generative pre-training, 2018.

    Examples
    --------
    >>> causal(torch.tensor([5, 6, 7, 0]))
    (tensor([5, 6, 7]), tensor([   6,    7, -100]))
    """
    _check_int64("tokens", tokens)
    if tokens.shape[-1] < 2:
        raise ValueError(f"tokens must be 2 or more, to predict one from another, got {tokens.shape[-1]}")
    targets = tokens[..., 1:]
    return tokens[..., :-1], targets.masked_fill(targets == padding, IGNORE)


def masked(tokens, mask, vocab_size, *, probability=0.15, special=(0,), generator=None):
    """Choose some tokens, hide most of them, and predict what they were: BERT's masked language modelling.

    Of the chosen, 80% become `mask`, 10% a random token, and 10% stay, so that the model cannot rely on what it sees in
    the place of any token.

    Parameters
    ----------
    tokens : Tensor
        (..., time), int64.
    mask : int
        The token that hides another.
    vocab_size : int
        Random tokens are drawn from 0 to vocab_size - 1, without `mask` and `special`.
    probability : float
        With which a token is chosen, above 0 and at most 1.
    special : tuple of int
        Tokens that are never chosen, such as padding.
    generator : torch.Generator, optional
        To draw with.

    Returns
    -------
    inputs, targets : Tensor
        Shape of `tokens`; the targets are IGNORE where no token was chosen.

    References
    ----------
    J. Devlin et al.: BERT: pre-training of deep bidirectional transformers for language understanding, 2019, section 3.1.

    Examples
    --------
    >>> inputs, targets = masked(torch.tensor([5, 6, 7]), mask=1, vocab_size=9, probability=1.0)
    >>> targets
    tensor([5, 6, 7])
    """
    _check_int64("tokens", tokens)
    check_int("mask", mask, 0)
    check_int("vocab_size", vocab_size, 1)
    check_number("probability", probability, 0, 1, above=True)
    ordinary = torch.tensor([token for token in range(vocab_size) if token != mask and token not in special])
    if not len(ordinary):
        raise ValueError(f"vocab_size must leave a token that is neither mask nor special, got {vocab_size}")
    device = tokens.device

    def chance():
        return torch.rand(tokens.shape, generator=generator, device=device)

    chosen = (chance() < probability) & ~torch.isin(tokens, torch.tensor(special, dtype=tokens.dtype, device=device))
    fate = chance()
    drawn = torch.randint(len(ordinary), tokens.shape, generator=generator, device=device)
    inputs = tokens.masked_fill(chosen & (fate < 0.8), mask)
    inputs = torch.where(chosen & (fate >= 0.9), ordinary.to(device)[drawn], inputs)
    return inputs, tokens.masked_fill(~chosen, IGNORE)


def random_spans(length, *, density=0.15, mean_length=3.0, generator=None):
    """Draw spans as T5 does: a fixed number of tokens in a fixed number of spans, whose lengths are a random partition.

    Between two spans, and before the first, stands at least one token that is kept; the last span ends the text.

    Parameters
    ----------
    length : int
        Tokens of the text, 2 or more.
    density : float
        Share of the tokens inside spans, above 0 and at most 1; at least one token, and all but one at most.
    mean_length : float
        Of a span, 1 or more.
    generator : torch.Generator, optional
        To draw with.

    Returns
    -------
    list of (int, int)
        Start and end of each span, the end not included.

    References
    ----------
    C. Raffel et al.: Exploring the limits of transfer learning with a unified text-to-text transformer, 2020, and its
    code, ``random_spans_noise_mask``.

    Examples
    --------
    >>> spans = random_spans(512)
    >>> len(spans), sum(end - start for start, end in spans)
    (26, 77)
    """
    check_int("length", length, 2)
    check_number("density", density, 0, 1, above=True)
    check_number("mean_length", mean_length, 1)
    hidden = min(max(round(length * density), 1), length - 1)
    number = min(max(round(hidden / mean_length), 1), length - hidden)

    def partition(total):
        """`number` lengths of at least 1 that sum to `total`, all equally likely."""
        cuts = torch.randperm(total - 1, generator=generator)[: number - 1].sort().values + 1
        return torch.diff(cuts, prepend=torch.tensor([0]), append=torch.tensor([total])).tolist()

    spans, position = [], 0
    for kept, inside in zip(partition(length - hidden), partition(hidden), strict=True):
        spans.append((position + kept, position + kept + inside))
        position += kept + inside
    return spans


def span_corruption(tokens, spans, sentinels):
    """Replace each span by a sentinel of its own, and ask for the spans alone: T5's objective.

    Parameters
    ----------
    tokens : Tensor
        (time,), int64.
    spans : list of (int, int)
        Start and end (not included) of each, in order, not empty, with a token between one and the next.
    sentinels : list of int
        Different tokens that do not occur in the text, one more than there are spans, or more.

    Returns
    -------
    inputs : Tensor
        The text, each span replaced by the next sentinel.
    targets : Tensor
        Each sentinel followed by the span it stands for, and one more sentinel that closes the last.

    References
    ----------
    C. Raffel et al.: Exploring the limits of transfer learning with a unified text-to-text transformer, 2020, figure 2.

    Examples
    --------
    >>> the, teacher, teaches, student, x, y = range(1, 7)
    >>> text = torch.tensor([the, teacher, teaches, the, student])
    >>> inputs, targets = span_corruption(text, [(2, 4)], sentinels=[x, y])
    >>> inputs.tolist() == [the, teacher, x, student], targets.tolist() == [x, teaches, the, y]
    (True, True)
    """
    _check_text(tokens)
    _check_spans(spans, len(tokens), least=1)
    sentinels = _check_sentinels(sentinels, tokens, len(spans) + 1)
    inputs, targets, position = [], [], 0
    for (start, end), sentinel in zip(spans, sentinels, strict=False):
        inputs += [*tokens[position:start].tolist(), sentinel]
        targets += [sentinel, *tokens[start:end].tolist()]
        position = end
    inputs += tokens[position:].tolist()
    targets.append(sentinels[len(spans)])
    return tokens.new_tensor(inputs), tokens.new_tensor(targets)


def undo_span_corruption(inputs, targets, sentinels):
    """The text that `span_corruption` made `inputs` and `targets` of.

    Raises
    ------
    ValueError
        If the sentinels of the two do not belong together: one is missing, twice there, or out of order.

    Examples
    --------
    >>> undo_span_corruption(torch.tensor([1, 2, 5, 4]), torch.tensor([5, 3, 1, 6]), sentinels=[5, 6])
    tensor([1, 2, 3, 1, 4])
    """
    _check_text(inputs, "inputs")
    _check_text(targets, "targets")
    sentinels = [int(sentinel) for sentinel in sentinels]
    in_inputs, in_targets = ([token for token in x.tolist() if token in sentinels] for x in (inputs, targets))
    number = len(in_inputs)
    if in_inputs != sentinels[:number] or in_targets != sentinels[: number + 1] or len(in_targets) != number + 1:
        raise ValueError(
            f"inputs with the sentinels {in_inputs} need targets with the same and one more, in the order {sentinels}, "
            f"got {in_targets}"
        )
    if targets[0] != sentinels[0] or targets[-1] != sentinels[number]:
        raise ValueError("targets must begin with the first sentinel and end with the closing one")
    spans, texts = {}, targets.tolist()
    for sentinel, following in zip(in_inputs, in_targets[1:], strict=True):
        spans[sentinel] = texts[texts.index(sentinel) + 1 : texts.index(following)]
    tokens = [piece for token in inputs.tolist() for piece in spans.get(token, [token])]
    return inputs.new_tensor(tokens)


def infilling(tokens, spans, mask):
    """Replace each span, however long, by one and the same mask, and ask for the whole text: BART's text infilling.

    BART draws the lengths of the spans from a Poisson distribution with mean 3, and also shuffles the sentences of a
    document, which is not done here.

    Parameters
    ----------
    tokens : Tensor
        (time,), int64.
    spans : list of (int, int)
        Start and end (not included) of each, in order, with a token between one and the next. An empty span puts a mask
        where nothing was.
    mask : int
        A token that does not occur in the text.

    Returns
    -------
    inputs : Tensor
        The text, each span replaced by `mask`.
    targets : Tensor
        The whole text.

    References
    ----------
    M. Lewis et al.: BART: denoising sequence-to-sequence pre-training for natural language generation, translation, and
    comprehension, 2020, section 2.2.

    Examples
    --------
    >>> infilling(torch.tensor([1, 2, 3, 1, 4]), [(2, 4)], mask=9)
    (tensor([1, 2, 9, 4]), tensor([1, 2, 3, 1, 4]))
    """
    _check_text(tokens)
    _check_spans(spans, len(tokens), least=0)
    check_int("mask", mask, 0)
    if (tokens == mask).any():
        raise ValueError(f"mask must not occur in the text, {mask} does")
    inputs, position = [], 0
    for start, end in spans:
        inputs += [*tokens[position:start].tolist(), mask]
        position = end
    inputs += tokens[position:].tolist()
    return tokens.new_tensor(inputs), tokens.clone()


def _check_int64(name, tokens):
    if not isinstance(tokens, torch.Tensor) or tokens.dtype != torch.int64:
        raise TypeError(f"{name} must be a tensor of int64, got {getattr(tokens, 'dtype', type(tokens).__name__)}")
    if tokens.dim() == 0 or 0 in tokens.shape:
        raise ValueError(f"{name} must hold at least one token, got shape {tuple(tokens.shape)}")


def _check_text(tokens, name="tokens"):
    _check_int64(name, tokens)
    if tokens.dim() != 1:
        raise ValueError(f"{name} must be one text, of shape (time,), got {tuple(tokens.shape)}")


def _check_spans(spans, length, least):
    before = -1
    for span in spans:
        start, end = span
        check_int("the start of a span", start, 0, length)
        check_int("the end of a span", end, start + least, length)
        if start <= before:
            raise ValueError(f"spans must be in order with a token between one and the next, got {list(spans)}")
        before = end


def _check_sentinels(sentinels, tokens, needed):
    sentinels = [int(sentinel) for sentinel in sentinels]
    if len(sentinels) < needed:
        raise ValueError(f"sentinels must be {needed}, one for each span and one that closes, got {len(sentinels)}")
    if len(set(sentinels)) < len(sentinels):
        raise ValueError(f"sentinels must differ, got {sentinels}")
    if found := sorted(set(sentinels) & set(tokens.tolist())):
        raise ValueError(f"sentinels must not occur in the text, {found} do")
    return sentinels
