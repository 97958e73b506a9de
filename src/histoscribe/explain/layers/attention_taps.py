"""Attention weights of a network while it runs, from its own queries and keys.

A network is not asked for its weights: the products that it computes anyway are read on the way, so
its prediction keeps every bit.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Reader = Callable[[str, nn.Module, "Attention"], None]
"""Gets the name of the layer, its module, and the weights."""
_SOFTMAX = (Tensor.softmax, torch.softmax, functional.softmax)
_ROWS = 512


@final
@dataclass(frozen=True, eq=False)
class Attention:
    """Weights of one layer for a batch, some queries at a time."""

    n_queries: int
    """Tokens that read."""
    n_keys: int
    """Tokens that are read."""
    weights: Callable[[Int[Tensor, " r"]], Float[Tensor, "B H r m"]]
    """Weights of some queries."""

    @classmethod
    def of_weights(cls, weight: Float[Tensor, "B H n m"]) -> "Attention":
        """Weights that a layer computed itself."""
        return cls(weight.shape[2], weight.shape[3], lambda rows: weight[:, :, rows].float())

    @classmethod
    def of_products(
        cls,
        query: Float[Tensor, "B H n c"],
        key: Float[Tensor, "B H m c"],
        mask: Bool[Tensor, "n m"] | None,
    ) -> "Attention":
        """Weights from scaled products of queries and keys, by the formula of the layer."""

        def weights(rows: Int[Tensor, " r"]) -> Float[Tensor, "B H r m"]:
            some = query[:, :, rows].float()
            score = some @ key.float().transpose(2, 3) * some.shape[3] ** -0.5
            if mask is not None:
                score = score.masked_fill(~mask[rows], -torch.inf)
            return score.softmax(dim=3)

        return cls(query.shape[2], key.shape[2], weights)

    def rows(
        self, queries: Int[Tensor, " r"]
    ) -> Iterator[tuple[Int[Tensor, " _"], Float[Tensor, "B H _ m"]]]:
        """Weights of these queries, which sum to one over all keys; a part at a time."""
        for some in queries.split(_ROWS):
            yield some, self.weights(some)


@contextmanager
def attention_tapped(network: nn.Module, read: Reader) -> Iterator[None]:
    """Give every attention between tokens inside the block to a reader.

    Attention is a product that goes through `scaled_dot_product_attention`, or a softmax over the
    last of four axes: batch, head, query, key. The layer is the module that runs; where a network
    computes attention itself, it is the module that holds the layer that ran last.
    """
    running = _Running(network)
    with ExitStack() as stack:
        for name, module in network.named_modules():
            for handle in running.hooks(name, module):
                stack.callback(handle.remove)
        stack.enter_context(_Reading(running, read))
        yield


@final
class _Running:
    """Modules that run at this moment, the innermost last, and the one that ran last."""

    def __init__(self, network: nn.Module) -> None:
        self._modules: Mapping[str, nn.Module] = dict(network.named_modules())
        self._now: list[str] = []
        self._last = ""

    def hooks(self, name: str, module: nn.Module) -> Iterator[Any]:
        """Follow one module."""

        def starts(*_: object) -> None:
            self._now.append(name)

        def ends(*_: object) -> None:
            self._last = self._now.pop()

        yield module.register_forward_pre_hook(starts)
        yield module.register_forward_hook(ends)

    @property
    def layer(self) -> tuple[str, nn.Module]:
        """Name and module of the layer that computes."""
        now = self._now[-1] if self._now else ""
        name = now or self._last.rpartition(".")[0]
        return f"network.{name}", self._modules[name]


@final
class _Reading(TorchFunctionMode):
    def __init__(self, running: _Running, read: Reader) -> None:
        super().__init__()
        self._running, self._read = running, read

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        result = func(*args, **given)
        attention = _attention(func, args, given, result)
        if attention is not None:
            self._read(*self._running.layer, attention)
        return result


def _attention(func: Any, args: Any, given: Mapping[str, Any], result: Any) -> Attention | None:
    if func is functional.scaled_dot_product_attention:
        mask = given.get("attn_mask", args[3] if len(args) > 3 else None)
        return Attention.of_products(args[0], args[1], mask)
    if func not in _SOFTMAX or result.ndim != 4:
        return None
    axis = given.get("dim", args[1] if len(args) > 1 else None)
    return Attention.of_weights(result) if axis in (3, -1) else None
