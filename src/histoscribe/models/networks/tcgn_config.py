"""Settings of TCGN, and the tiles that it can read."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from histoscribe.errors import Problem
from histoscribe.models.layers.cmt import StageShape
from histoscribe.models.layers.pyramid import check_stages
from histoscribe.models.recipe import Corners

NODE_PX = 16
"""Side of the part of a tile that is a node of the graphs."""
_HEADS = (1, 2, 4, 8)  # attention heads of each stage
_REDUCTIONS = (8, 4, 2, 1)  # so that the keys of each stage are the positions of the last map
_STRIDE_PX = 32  # side of the tile over that of the last map
_LEAST_PX = 64  # below, each stage has a single key, and attention does nothing


@dataclass(frozen=True, kw_only=True)
class TCGNConfig:
    """Size, graph, input and learning rate; the default is the paper's, on CMT-Ti."""

    widths: tuple[int, ...] = (46, 92, 184, 368)
    """Channels of each stage; multiples of 1, 2, 4 and 8, the heads of its attention."""
    blocks: tuple[int, ...] = (2, 2, 10, 2)
    """CMT blocks of each stage."""
    expansion: float = 3.6
    """Hidden channels of the convolutions in a block, relative to its width."""
    stem_width: int = 16
    """Channels of the three convolutions before the stages."""
    pooled_width: int = 1280
    """Channels of the last map, which is averaged over the tile; the layer before the last has four
    times as many.
    """
    graph: Literal["image", "node", "none"] = "image"
    """Edges of the graphs: the strongest of the whole image, as published, or of each node; `none`
    leaves out both graphs and the attention to them, which leaves the CMT.
    """
    edges_per_node: int = 4
    """Edges of each node, or their mean number with `graph = "image"`."""
    node_width: int = 48
    """Numbers that each node of a graph gives to the third stage; even."""
    resize_px: int | None = None
    """Side to which the first layer brings each tile, a multiple of 32; None: tiles stay as they
    are.
    """
    weights: Literal["file", "random"] = "file"
    """Start from ImageNet's weights of the CMT in a file, or from random numbers."""
    corners: Corners = "read"
    """Corners of training tiles, which are turned by any angle: read from the slide, or filled with
    the mean colour of ImageNet, as published.
    """
    learning_rate: float = 1e-5
    """Rate of Adam."""

    PUBLISHED: ClassVar[tuple[tuple[int, ...], tuple[int, ...], float]] = (
        (46, 92, 184, 368),
        (2, 2, 10, 2),
        3.6,
    )

    def __post_init__(self) -> None:
        check_stages("tcgn", self.widths, self.blocks, _HEADS, width_unit=1)
        wrong = [
            f"{width} is no multiple of {heads}"
            for width, heads in zip(self.widths, _HEADS, strict=True)
            if width % heads
        ]
        if wrong:
            raise ValueError(f"heads must divide the widths: {', '.join(wrong)}")
        if min(self.expansion, self.stem_width, self.pooled_width, self.edges_per_node) < 1:
            raise ValueError(
                "expansion, stem_width, pooled_width and edges_per_node are each at least 1"
            )
        if self.node_width < 2 or self.node_width % 2:
            raise ValueError(f"node_width = {self.node_width}: must be even, for two heads")
        if self.resize_px is not None and not _side_fits(self.resize_px):
            raise ValueError(
                f"resize_px = {self.resize_px}: must be a multiple of 32, {_LEAST_PX} or more; "
                f"the next are {_next_sides(self.resize_px)}"
            )
        size = (tuple(self.widths), tuple(self.blocks), self.expansion)
        if self.weights == "file" and size != self.PUBLISHED:
            widths, blocks, expansion = self.PUBLISHED
            raise ValueError(
                f"published weights fit widths {list(widths)}, blocks {list(blocks)} and expansion "
                f"{expansion}; other sizes need weights = 'random'"
            )

    @classmethod
    def small(cls) -> "TCGNConfig":
        """A size that trains on two cores from random numbers, for tiles of 64 to 128 px."""
        return cls(
            widths=(16, 32, 64, 128),
            blocks=(1, 1, 2, 1),
            expansion=2.0,
            stem_width=8,
            pooled_width=128,
            node_width=16,
            weights="random",
            learning_rate=1e-3,
        )

    @classmethod
    def tiny(cls) -> "TCGNConfig":
        """Settings for tests."""
        return cls(
            widths=(8, 8, 8, 16),
            blocks=(1, 1, 1, 1),
            expansion=2.0,
            stem_width=4,
            pooled_width=16,
            node_width=4,
            resize_px=_LEAST_PX,
            weights="random",
            corners="mean",
            learning_rate=3e-3,
        )


@dataclass(frozen=True, kw_only=True)
class TCGNXSConfig(TCGNConfig):
    """The same settings; the default is the larger CMT-XS."""

    widths: tuple[int, ...] = (52, 104, 208, 416)
    """Channels of each stage; multiples of 1, 2, 4 and 8, the heads of its attention."""
    blocks: tuple[int, ...] = (3, 3, 12, 3)
    """CMT blocks of each stage."""
    expansion: float = 3.77
    """Hidden channels of the convolutions in a block, relative to its width."""

    PUBLISHED = ((52, 104, 208, 416), (3, 3, 12, 3), 3.77)

    @classmethod
    def tiny(cls) -> "TCGNConfig":
        """Settings for tests, without graphs, for `tcgn` has them."""
        return replace(super().tiny(), graph="none")


def stage_shapes(config: TCGNConfig, side_px: int) -> list[StageShape]:
    """Sizes of the four stages; the first map has a quarter of the tile's side."""
    return [
        StageShape(
            width_in=width_in,
            width=width,
            blocks=blocks,
            heads=heads,
            reduction=reduction,
            expansion=config.expansion,
            side=side_px // 4 // heads,
        )
        for width_in, width, blocks, heads, reduction in zip(
            (config.stem_width, *config.widths[:-1]),
            config.widths,
            config.blocks,
            _HEADS,
            _REDUCTIONS,
            strict=True,
        )
    ]


def tile_problem(model: str, config: TCGNConfig, tile_px: int) -> Problem | None:
    """Problem of tiles that the stages cannot halve five times, or with too few nodes."""
    if config.resize_px is not None or _side_fits(tile_px):
        return _edge_problem(model, config, config.resize_px or tile_px)
    return Problem(
        where=f"model {model}",
        found=f"tiles of {tile_px} px",
        expected=f"a side that is a multiple of 32 px, {_LEAST_PX} px or more, for maps are "
        "halved five times",
        remedy=f"set inputs.tile_px to {_next_sides(tile_px)}, or set resize_px = 224, "
        "to which the first layer then brings the tiles",
    )


def _edge_problem(model: str, config: TCGNConfig, side_px: int) -> Problem | None:
    """Problem of more edges than there are pairs of nodes."""
    n_nodes = (side_px // NODE_PX) ** 2
    if config.graph == "none" or config.edges_per_node <= n_nodes:
        return None
    return Problem(
        where=f"model {model}",
        found=f"edges_per_node = {config.edges_per_node}: {config.edges_per_node * n_nodes} edges "
        f"of {n_nodes} nodes",
        expected=f"at most {n_nodes} x {n_nodes} edges, for tiles of {side_px} px have {n_nodes} "
        "nodes",
        remedy=f"set edges_per_node to {n_nodes} or less; 4 is published",
    )


def _side_fits(side_px: int) -> bool:
    return side_px >= _LEAST_PX and side_px % _STRIDE_PX == 0


def _next_sides(side_px: int) -> str:
    """The nearest sides that fit, below and above."""
    below = side_px // _STRIDE_PX * _STRIDE_PX
    sides = sorted({max(side, _LEAST_PX) for side in (below, below + _STRIDE_PX)})
    return " or ".join(f"{side}" for side in sides)
