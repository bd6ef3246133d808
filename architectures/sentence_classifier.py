"""Which class is this sentence? Characters, a recurrent layer, and a linear layer on the state it ends in."""

import math
from contextlib import contextmanager

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from tensorflow_basics.checks import check_int, check_number


class SentenceClassifier(torch.nn.Module):
    """Reads a sentence character by character and scores the classes by the state it ends in.

    Parameters
    ----------
    alphabet : str
        The characters that have a vector of their own. All others share one, so that any text can be read.
    layer : Module
        RNN, LSTM or GRU, of this package or of torch.nn; ``layer.input_size`` is the length of a character's vector.
    num_classes : int
        Number of classes, 2 or more.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    Examples
    --------
    >>> from architectures.rnn import RNN
    >>> model = SentenceClassifier("abc", RNN(4, 8), num_classes=2)
    >>> model(["cab", "", "c'est la vie"]).shape
    torch.Size([3, 2])
    """

    def __init__(self, alphabet, layer, num_classes):
        super().__init__()
        if not isinstance(alphabet, str):
            raise TypeError(f"alphabet must be a str, got {type(alphabet).__name__}")
        if len(set(alphabet)) != len(alphabet):
            raise ValueError("alphabet must hold each character once")
        needed = ("input_size", "hidden_size", "bidirectional")
        if not isinstance(layer, torch.nn.Module) or not all(hasattr(layer, name) for name in needed):
            raise TypeError(f"layer must be a recurrent layer such as RNN(32, 64), not a cell, got {layer!r}")
        check_int("num_classes", num_classes, 2)
        self.alphabet = alphabet
        self.index = {character: i for i, character in enumerate(alphabet, 2)}  # 0: the end, 1: any other character
        self.embedding = torch.nn.Embedding(len(alphabet) + 2, layer.input_size)
        self.layer = layer
        width = getattr(layer, "proj_size", 0) or layer.hidden_size
        self.output = torch.nn.Linear(width * (2 if layer.bidirectional else 1), num_classes)

    def encode(self, text):
        """Indices of the characters and of the end mark, (len(text) + 1,), int64."""
        return torch.tensor([*(self.index.get(character, 1) for character in text), 0])

    def read(self, texts):
        """States of the layer while it reads, and at the end of each text.

        Parameters
        ----------
        texts : list or tuple of str
            One or more, of any length, also empty. A text may also come as what `encode` makes of it.

        Returns
        -------
        output : PackedSequence
            The state after every character.
        final : Tensor
            (len(texts), features): the last layer's state at the end; both directions side by side.
        """
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, (str, torch.Tensor)) for text in texts):
            raise TypeError(f"texts must be a list of str, got {type(texts).__name__}")
        if not texts:
            raise ValueError("texts must hold at least one text")
        indices = [self.encode(text) if isinstance(text, str) else text for text in texts]
        lengths = [len(sequence) for sequence in indices]
        padded = pad_sequence(indices).to(self.embedding.weight.device)  # (time, batch)
        packed = pack_padded_sequence(self.embedding(padded), lengths, enforce_sorted=False)
        output, h_n = self.layer(packed)
        h_n = h_n[0] if isinstance(h_n, tuple) else h_n  # (layers * directions, batch, features)
        return output, torch.cat([*h_n[-2:]], dim=1) if self.layer.bidirectional else h_n[-1]

    def forward(self, texts):
        """Logits of the classes, (len(texts), num_classes)."""
        return self.output(self.read(texts)[1])

    def predict(self, texts, batch_size=256):
        """Class of every text, (len(texts),), int64, on the CPU; without dropout, whatever mode the model is in."""
        check_int("batch_size", batch_size, 1)
        with _evaluating(self):
            starts = range(0, max(len(texts), 1), batch_size)  # with no text one, which read refuses
            parts = [self(texts[i : i + batch_size]).argmax(dim=1) for i in starts]
        return torch.cat(parts).cpu()

    def predict_while_reading(self, text):
        """Probabilities of the classes after every character and after the end, (len(text) + 1, num_classes).

        For a layer of one direction: what a second one knows after a character comes from what follows. Without dropout,
        whatever mode the model is in.
        """
        if self.layer.bidirectional:
            raise ValueError("layer must read in one direction only, got bidirectional=True")
        with _evaluating(self):
            return torch.softmax(self.output(self.read([text])[0].data), dim=1).cpu()


def fit(model, texts, y, *, epochs=8, batch_size=64, learning_rate=0.01, max_norm=1.0, seed=0, validation=None):
    """Train a SentenceClassifier by Adam on mini-batches, clipping the gradient's norm.

    A batch takes as many steps as its longest text has characters. So the shuffled texts are sorted by length, ten batches
    at a time, before they are cut into batches, and the batches shuffled again.

    Parameters
    ----------
    model : SentenceClassifier
        Is changed in place, and in training mode afterwards.
    texts : list of str
    y : array_like of int
        Class of every text, 0 to num_classes - 1.
    epochs, batch_size : int
        Passes over the texts; texts a step.
    learning_rate : float
        The largest one: it climbs to this during the first third and falls to 0 at the end (one cycle). A single step
        is taken at this rate.
    max_norm : float
        Gradients whose norm, over all parameters, is larger are scaled down to it; ``float("inf")`` for no clipping.
    seed : int
        Of the shuffling.
    validation : tuple of (texts, y), optional
        To measure the accuracy on after every epoch, without dropout.

    Returns
    -------
    dict of list of float
        ``"loss"`` and ``"grad_norm"`` (before clipping) of every step, ``"accuracy"`` on `validation` after each epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, length or range.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio: On the difficulty of training recurrent neural networks, 2013 (clipping).
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        check_int(name, value, 1)
    check_int("seed", seed, 0)
    check_number("learning_rate", learning_rate, 0, above=True)
    if max_norm != math.inf:
        check_number("max_norm", max_norm, 0, above=True)
    y = _labels("y", texts, y, model)
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise ValueError(f"validation must be a pair (texts, y), got {validation!r:.80}")
        y_validation = _labels("validation's y", validation[0], validation[1], model)
        validation_encoded = [model.encode(text) for text in validation[0]]

    device = model.output.weight.device
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    steps = epochs * -(-len(texts) // batch_size)
    if steps > 1:
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    else:  # it would be the cycle's last, at a rate of almost 0
        schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1)
    history = {"loss": [], "grad_norm": [], "accuracy": []}
    encoded = [model.encode(text) for text in texts]
    model.train()
    for _ in range(epochs):
        for batch in _batches_of_similar_length(encoded, batch_size, generator):
            logits = model([encoded[i] for i in batch])
            loss = torch.nn.functional.cross_entropy(logits, y[batch].to(device))
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
            schedule.step()
            history["loss"].append(loss.item())
            history["grad_norm"].append(norm.item())
        if validation is not None:
            accuracy = (model.predict(validation_encoded) == y_validation).double().mean()
            history["accuracy"].append(accuracy.item())
    return history


@contextmanager
def _evaluating(model):
    """Without dropout and gradients; afterwards each module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _batches_of_similar_length(sequences, batch_size, generator):
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    pools = torch.randperm(len(sequences), generator=generator).split(10 * batch_size)
    batches = [batch for pool in pools for batch in pool[lengths[pool].argsort(stable=True)].split(batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


def _labels(name, texts, y, model):
    y = torch.as_tensor(y)
    if y.shape != (len(texts),) or y.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"{name} must be {len(texts)} int labels, one for each text, got shape {tuple(y.shape)} of {y.dtype}"
        )
    if len(y) == 0 or y.min() < 0 or y.max() >= model.output.out_features:
        raise ValueError(f"{name} must hold classes from 0 to {model.output.out_features - 1}, at least one")
    return y.long()
