"""LoRA: fine-tune a model by adding a small product of two thin matrices to its linear layers, which stay frozen."""

import math

import torch
from torch.nn import functional as F

from tensorflow_basics.checks import check_int, check_number


class LoRALinear(torch.nn.Module):
    """A linear layer, frozen, plus a trainable update of low rank.

    ::

        y = W x + b + alpha / rank * B A x          W: (out, in), B: (out, rank), A: (rank, in)

    B starts at 0, so that the layer starts exactly at the frozen one.

    Parameters
    ----------
    linear : torch.nn.Linear
        Is frozen, in place.
    rank : int
        Of the update, 1 to the smaller side of the weight.
    alpha : float
        Scale of the update, above 0; by default `rank`, a scale of 1.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    References
    ----------
    E. J. Hu et al.: LoRA: low-rank adaptation of large language models, 2022.

    Examples
    --------
    >>> linear = torch.nn.Linear(64, 64)
    >>> layer, x = LoRALinear(linear, rank=2), torch.ones(3, 64)
    >>> torch.equal(layer(x), linear(x)), count_parameters(layer)
    (True, (256, 4416))
    """

    def __init__(self, linear, rank, alpha=None):
        super().__init__()
        if not isinstance(linear, torch.nn.Linear):
            raise TypeError(f"linear must be a torch.nn.Linear, got {type(linear).__name__}")
        check_int("rank", rank, 1)
        if rank > min(linear.weight.shape):
            raise ValueError(
                f"rank must be at most {min(linear.weight.shape)}, the smaller side of the layer's weight "
                f"{tuple(linear.weight.shape)}, got {rank}"
            )
        alpha = rank if alpha is None else alpha
        check_number("alpha", alpha, 0, above=True)
        self.linear, self.scale = linear.requires_grad_(False), alpha / rank
        self.lora_A = torch.nn.Parameter(torch.empty_like(linear.weight[:rank]))  # (rank, in)
        self.lora_B = torch.nn.Parameter(torch.zeros_like(linear.weight[:, :rank]))  # (out, rank)
        torch.nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))  # as torch.nn.Linear's weight

    def forward(self, x):
        """x: (..., in) -> (..., out)."""
        return self.linear(x) + F.linear(F.linear(x, self.lora_A), self.lora_B) * self.scale

    @property
    def weight(self):
        """W + alpha / rank * B A, (out, in): what torch's own layers read, and what `merge` keeps."""
        return self.linear.weight + self.scale * self.lora_B @ self.lora_A

    @property
    def bias(self):
        """The frozen layer's."""
        return self.linear.bias

    def merge(self):
        """The same function as one torch.nn.Linear, trainable, which costs no more than the frozen layer did."""
        out_features, in_features = self.linear.weight.shape
        merged = torch.nn.Linear(in_features, out_features, self.bias is not None, self.weight.device, self.weight.dtype)
        with torch.no_grad():
            merged.weight.copy_(self.weight)
            if self.bias is not None:
                merged.bias.copy_(self.bias)
        return merged


def add_lora(model, rank, alpha=None):
    """Freeze a model and give each of its linear layers a trainable update of low rank, in place.

    What is not a torch.nn.Linear, such as embeddings, normalisations and the packed ``in_proj_weight`` of an attention
    layer, is frozen and stays as it is. A layer that stands in several places gets one update, which stands in all of them.

    Parameters
    ----------
    model : Module
        Not itself a Linear: wrap one in LoRALinear.
    rank, alpha
        See `LoRALinear`.

    Returns
    -------
    Module
        `model`.

    Raises
    ------
    TypeError, ValueError
        If there is no linear layer, or if `rank` or `alpha` is out of range for one; the model is then unchanged.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 8))
    >>> count_parameters(add_lora(model, rank=2))
    (288, 1384)
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    places = [(module, name, child) for module, name, child in _places(model) if _is_linear(module, child)]
    if not places:
        raise ValueError(f"model must hold linear layers that have no update yet, {type(model).__name__} has none")
    trained = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        updates = {child: LoRALinear(child, rank, alpha) for _, _, child in places}
    except (TypeError, ValueError):
        for parameter, flag in trained.items():
            parameter.requires_grad_(flag)
        raise
    model.requires_grad_(False)
    for module, name, child in places:
        setattr(module, name, updates[child])
    return model


def merge_lora(model):
    """Put every update into the weight it belongs to, in place: the model has the layers it had before `add_lora`.

    All its parameters can be trained again. Returns `model`; if that is itself a LoRALinear, what its `merge` gives.
    """
    if isinstance(model, LoRALinear):
        return model.merge()
    merged = {module: module.merge() for module in model.modules() if isinstance(module, LoRALinear)}
    for module, name, child in _places(model):
        if child in merged:
            setattr(module, name, merged[child])
    return model.requires_grad_(True)


def count_parameters(model):
    """Number of the model's parameters that are trained, and of all."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, is_trained in sizes if is_trained), sum(size for size, _ in sizes)


def _places(model):
    """(parent, name, child) of every place where a module stands. named_children names one that stands in two only once."""
    return [(module, name, child) for module in model.modules() for name, child in module._modules.items()]


def _is_linear(parent, child):
    return isinstance(child, torch.nn.Linear) and not isinstance(parent, LoRALinear)
