"""Skip connections of a network: each branch alone, and the sum with what was passed by.

They are found by what a network computes, not by names: an addition of two arrays of one shape that
both come from the input. The operand that lies behind more operations is the branch, the other was
passed by, at most through a layer that fits its width.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from histoscribe.explain.taps import Activation

Rows = Callable[[Activation], Float[Tensor, "n C"] | None]
"""A row for each tile from an activation; None where it has none."""
Sum = tuple[Float[Tensor, "n C"], Float[Tensor, "n C"]]
"""The branch, and the sum."""
_ADD = {Tensor.__add__, Tensor.__radd__, Tensor.__iadd__, Tensor.add, Tensor.add_, torch.add}
_SHAPE = {Tensor.transpose, Tensor.flatten, Tensor.unflatten, Tensor.reshape, Tensor.view}
_SHAPE |= {Tensor.permute, Tensor.contiguous, torch.flatten, Tensor.squeeze, Tensor.unsqueeze}


@contextmanager
def residuals_tapped(network: nn.Module, rows: Rows) -> Iterator[dict[str, list[Sum]]]:
    """Collect, by the layer that the branch ends with, its values and the sum at each addition.

    Run the network once inside the block, in evaluation mode. Predictions keep every bit.
    """
    found: dict[str, list[Sum]] = {}
    with ExitStack() as stack:
        for name, module in network.named_modules():
            stack.callback(module.register_forward_hook(_labelled(name)).remove)
        stack.enter_context(_Additions(rows, found))
        yield found


@final
class _Additions(TorchFunctionMode):
    """Counts the operations behind each array, and looks at additions."""

    def __init__(self, rows: Rows, found: dict[str, list[Sum]]) -> None:
        super().__init__()
        self._rows, self._found = rows, found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        branch = _branch(args) if func in _ADD else None
        name = _label(branch)
        # copied before the addition, which may overwrite it
        alone = None if branch is None or name is None else _copied(self._rows(branch))
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor):
            for part in result if isinstance(result, tuple | list) else ():
                _mark(part, args, None)
            return result
        _mark(result, args, _label(args[0]) if func in _SHAPE else None)
        whole = None if alone is None else _copied(self._rows(result))
        if name is not None and alone is not None and whole is not None:
            self._found.setdefault(name, []).append((alone, whole))
        return result


def _copied(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.clone()


def _branch(args: Any) -> Tensor | None:
    """The operand behind more operations; None unless both come from the input."""
    one, other = args[:2]
    if not (isinstance(other, Tensor) and isinstance(one, Tensor) and one.shape == other.shape):
        return None
    steps = _steps(one), _steps(other)
    if one.ndim < 2 or not all(steps) or steps[0] == steps[1]:
        return None
    return one if steps[0] > steps[1] else other


def _mark(value: Any, args: Any, label: str | None) -> None:
    if isinstance(value, Tensor):
        behind = max((_steps(of) for of in _tensors(args)), default=0)
        vars(value).update(_layers_steps=behind + 1, _layers_label=label)


def _tensors(args: Any) -> Iterator[Tensor]:
    for of in args:
        if isinstance(of, Tensor):
            yield of
        elif isinstance(of, tuple | list):
            yield from _tensors(of)


def _steps(value: Tensor) -> int:
    """Operations behind an array; 0 for weights."""
    return vars(value).get("_layers_steps", 0)


def _label(value: Any) -> str | None:
    return vars(value).get("_layers_label") if isinstance(value, Tensor) else None


def _labelled(name: str) -> Callable[[nn.Module, Any, Any], None]:
    """Hook that labels the output of a layer; the outermost layer with this output counts."""

    def hook(_module: nn.Module, _inputs: Any, value: Any) -> None:
        if isinstance(value, Tensor) and (
            _label(value) is None or str(_label(value)).startswith(f"{name}.")
        ):
            vars(value)["_layers_label"] = name

    return hook
