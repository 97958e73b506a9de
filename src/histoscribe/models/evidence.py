"""Networks of spots that show a part of their computation, for `histoscribe explain`."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from histoscribe.models.base import model_class
from histoscribe.models.catalog import list_models
from histoscribe.models.layers.graph_edges import Edges
from histoscribe.models.layers.pathway_attention import AttentionMaps


@runtime_checkable
class ClassMapModel(Protocol):
    """Network that reads the genes off a map of channels over the tile.

    `genes_of_map(class_map(image))` is the output of `forward`, for counts before their softplus.
    """

    def class_map(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B C h w"]:
        """The map; its cells cover the tile, also where the network resizes its input."""
        ...

    def genes_of_map(self, class_map: Float[Tensor, "B C h w"], /) -> Float[Tensor, "B G"]:
        """Genes from the map, by differentiable layers."""
        ...


@runtime_checkable
class GraphModel(Protocol):
    """Network that makes two graphs of the tile, over the same computation as `forward`."""

    def graph_edges(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> tuple[Edges, Edges]:
        """Edges of both graphs, between the cells of a square grid over the tile, row by row."""
        ...

    def graph_side(self) -> int | None:
        """Cells along one side of that grid; None where the settings leave out the graph."""
        ...


@runtime_checkable
class PathwayModel(Protocol):
    """Network of whole sections that gives each spot scores of pathways, its representation."""

    def attention(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        present: Bool[Tensor, "B K"],
        spots: Sequence[int] = (),
    ) -> list[list[AttentionMaps]]:
        """Attention weights of each layer in each section, as the prediction computes them."""
        ...

    def gene_weights(self) -> Float[Tensor, "G P"]:
        """Weight of the score of each pathway for each gene."""
        ...


def models_with(protocol: type) -> Iterator[str]:
    """Names of the models with the methods of a protocol; imports every model."""
    for name in list_models():
        if issubclass(model_class(name), protocol):
            yield name
