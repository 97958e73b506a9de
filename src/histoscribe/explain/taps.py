"""Activations and gradients of the layers of a predictor or an encoder, by name."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from histoscribe.encoders.encoder import Encoder
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.base import ExpressionModel
from histoscribe.predictor.predictor import Predictor

Source = Predictor | Encoder | ExpressionModel
"""What has layers; `encoder.` and `network.` stand before their names."""
Activation = Float[Tensor, "..."]
_CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
_WRAPPERS = ("cut.", "body.")  # of a backbone: what `inputs.layer` names lies below


def layer_names(source: Source) -> tuple[str, ...]:
    """Names of the layers that can be tapped, roughly from the pixels to the genes.

    A name behind `encoder.` is one that `inputs.layer` takes. Networks of an ensemble are
    `network`, `network2` and so on.
    """
    return tuple(_layers(source))


@final
class Taps:
    """What tapped layers gave while a predictor, network or encoder ran once.

    Layers that the source runs several times for one input, such as ST-Net's for the eight
    symmetries of a tile, have an activation for each time.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._activations: dict[str, list[Activation]] = {name: [] for name in names}
        self._running = True

    def activations(self, name: str) -> tuple[Activation, ...]:
        """What a layer gave, each time that it ran. Raises ValueError if it did not run."""
        if not self._activations[name]:
            raise ValueError(f"layer {name} did not run, or gave no tensor of floats")
        return tuple(value.detach() for value in self._activations[name])

    def attached(self, name: str) -> tuple[Activation, ...]:
        """The same with their graph: gradients flow back to pixels that ask for them."""
        self.activations(name)
        return tuple(self._activations[name])

    def activation(self, name: str) -> Activation:
        """What a layer gave. Raises ValueError unless it ran once."""
        return _only(name, self.activations(name))

    def gradients(self, name: str, value: Float[Tensor, ""]) -> tuple[Activation, ...]:
        """Slope of a number, e.g. a gene summed over tiles, by each activation of a layer.

        Zero where the number does not depend on the layer. Gradients of parameters stay as they
        are. Run the source with gradients enabled; its inputs and weights need none.
        """
        (of_layer,) = self.gradients_at([name], value)
        return of_layer

    def gradients_at(
        self, names: Sequence[str], value: Float[Tensor, ""]
    ) -> tuple[tuple[Activation, ...], ...]:
        """The same of several layers, in one pass back."""
        runs = [len(self.activations(name)) for name in names]
        self._running = False  # layers that compute again for the gradient are not tapped again
        kept = [run for name in names for run in self._activations[name]]
        flat = iter(torch.autograd.grad(value, kept, retain_graph=True, materialize_grads=True))
        return tuple(tuple(next(flat) for _ in range(n_runs)) for n_runs in runs)

    def gradient(self, name: str, value: Float[Tensor, ""]) -> Activation:
        """Slope of a number by what a layer gave. Raises ValueError unless the layer ran once."""
        return _only(name, self.gradients(name, value))

    def pass_on(self, name: str, value: Any) -> Any:
        """Keep what a layer gave, and hand a copy to the next layer, which may overwrite it."""
        if not self._running or not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        if torch.is_grad_enabled() and not value.requires_grad:
            value = value.detach().requires_grad_()  # of frozen layers: gradients start at this one
        self._activations[name].append(value)
        return value.clone()


@contextmanager
def tapped(source: Source, names: Sequence[str]) -> Iterator[Taps]:
    """Tap these layers inside the block, in evaluation mode; run the source once.

    Predictions keep every bit. Afterwards no hook is left, and modes are as before.

    Raises DataContractError that lists the layers that there are not, with near names.

    Examples
    --------
    >>> with tapped(predictor, ["network.hidden"]) as taps:  # doctest: +SKIP
    ...     gene = predictor.from_pixels(tiles).expression[:, 0].sum()
    ...     hidden, slope = taps.activation("network.hidden"), taps.gradient("network.hidden", gene)
    """
    layers = _layers(source)
    problems = [_no_layer(name, tuple(layers)) for name in names if name not in layers]
    if problems:
        raise DataContractError(problems)
    taps = Taps(names)
    with ExitStack() as stack:
        for root in _roots(source).values():
            stack.enter_context(_evaluation(root))
        for layer in _distinct_graphs(layers[name] for name in names):
            blocks = {n: lay.last for n, lay in layers.items() if n in names and lay.of is layer}
            stack.enter_context(_interpreted(layer, blocks, taps))
        for name in names:
            if layers[name].last is None:
                handle = layers[name].of.register_forward_hook(_hook(taps, name))
                stack.callback(handle.remove)
        yield taps


@final
class _Layer:
    """A module; or, of a traced net, the last node of a block that the trace dissolved."""

    def __init__(self, of: nn.Module, last: Node | None = None) -> None:
        self.of, self.last = of, last


def _roots(source: Source) -> dict[str, nn.Module]:
    if isinstance(source, Encoder):
        return {"encoder": source.net}
    if isinstance(source, ExpressionModel):
        return {"network": source}
    members = {
        f"network{number if number > 1 else ''}": member
        for number, member in enumerate(source.fitted.members, start=1)
    }
    return {"encoder": source.encoder.net, **members}


def _layers(source: Source) -> dict[str, _Layer]:
    """Layers by name, without containers that never run."""
    layers = {}
    for root, net in _roots(source).items():
        graphs = {path: part for path, part in net.named_modules() if isinstance(part, GraphModule)}
        for path, module in net.named_modules():
            if not path or isinstance(module, (*_CONTAINERS, GraphModule)):
                continue
            within = [above for above in graphs if path.startswith(f"{above}.")]
            layer = _traced(graphs[within[0]], path[len(within[0]) + 1 :]) if within else None
            if layer is not None or not within:
                layers[f"{root}.{_unwrapped(root, path)}"] = layer or _Layer(module)
    return layers


def _unwrapped(root: str, path: str) -> str:
    wrapper = next((part for part in _WRAPPERS if path.startswith(part)), "")
    return path.removeprefix(wrapper) if root == "encoder" else path


def _traced(graph: GraphModule, path: str) -> _Layer | None:
    """A layer of a traced net; None if it lies behind the cut.

    A block gives what goes on to the next layer: also sums and joins behind its last layer.
    """
    calls = [node for node in graph.graph.nodes if node.op == "call_module"]
    if any(node.target == path for node in calls):
        return _Layer(graph.get_submodule(path))
    inside = [node for node in calls if node.target.startswith(f"{path}.")]
    if not inside:
        return None
    last = inside[-1]
    while last.next.op in ("call_function", "call_method"):
        last = last.next
    return _Layer(graph, last)


def _distinct_graphs(layers: Iterator[_Layer]) -> list[GraphModule]:
    graphs = [layer.of for layer in layers if isinstance(layer.of, GraphModule)]
    return list(dict.fromkeys(graphs))


@final
class _Blocks(Interpreter):
    """Runs a traced net node by node, and keeps what blocks give."""

    def __init__(self, graph: GraphModule, names: dict[Node, list[str]], taps: Taps) -> None:
        super().__init__(graph)
        self.names, self.taps = names, taps

    def run_node(self, n: Node) -> Any:
        """Compute one node."""
        value = super().run_node(n)
        for name in self.names.get(n, ()):
            value = self.taps.pass_on(name, value)
        return value


@contextmanager
def _interpreted(graph: GraphModule, blocks: dict[str, Node | None], taps: Taps) -> Iterator[None]:
    names: dict[Node, list[str]] = {}
    for name, node in blocks.items():
        if node is not None:
            names.setdefault(node, []).append(name)
    vars(graph)["forward"] = _Blocks(graph, names, taps).run  # stands before that of the class
    try:
        yield
    finally:
        del vars(graph)["forward"]


@contextmanager
def _evaluation(net: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _hook(taps: Taps, name: str) -> Callable[[nn.Module, Any, Any], Any]:
    return lambda _module, _inputs, value: taps.pass_on(name, value)


def _only(name: str, values: tuple[Activation, ...]) -> Activation:
    if len(values) != 1:
        raise ValueError(f"layer {name} ran {len(values)} times for one input")
    return values[0]


def _no_layer(name: str, names: tuple[str, ...]) -> Problem:
    near = get_close_matches(name, names, n=3)
    return Problem(
        where=f"layer {name}",
        found="no layer has this name",
        expected=f"one of {len(names)} layers, from {names[0]} to {names[-1]}",
        remedy=f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(names)}",
    )
