"""Checks of the request for images that excite units, before the long work."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.layers.activations import choose_layers, readable_layers
from histoscribe.explain.layers.question import LayersQuestionSettings
from histoscribe.explain.layers.similarity_plan import choose_sections, probed_tiles
from histoscribe.explain.layers.unit_targets import (
    UnitTarget,
    layer_channels,
    parse_target,
    target_values,
)
from histoscribe.explain.layers.units import UnitsAnswer
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    check_number_of_genes,
    problems_of,
)
from histoscribe.explain.taps import tapped
from histoscribe.explain.where.gradients import genes_of_pixels
from histoscribe.near_names import did_you_mean
from histoscribe.predictor.gene_choice import GeneChoice, best_genes, choose_genes
from histoscribe.predictor.predictor import Predictor

MOST_UNITS, MOST_GENES = 10, 6
"""More do not fit the figure."""
N_LAYERS, N_GENES = 5, 2
"""Layers and genes that are asked about unless some are named."""
Shapes = Mapping[str, tuple[int, int]]
"""Name of a layer -> its channels and its places."""


def plan(request: ExplainRequest, settings: LayersQuestionSettings) -> AnswerPlan:
    """Choose sections, targets and layers, and plan the work.

    Raises
    ------
    DataContractError
        For a model that is no network, an unknown section, layer, channel, place or gene, a target
        without gradient to the pixels, and more targets than the figure has room for.
    """
    predictor = request.predictor
    sections = choose_sections(request, settings.sections)
    probed = probed_tiles(predictor, sections[0], request)
    readable = readable_layers(predictor, probed)
    shapes = _shapes(predictor, probed.image, readable)
    targets = [parse_target(text) for text in settings.units]
    genes: list[GeneChoice] = []
    problems = [
        *_unit_problems(settings.units, targets, shapes),
        *problems_of((lambda: genes.append(_genes(predictor, settings)),)),
    ]
    if problems:
        raise DataContractError(problems)
    by_rule = not (settings.units or settings.genes)
    layers = _main_layers(predictor, shapes)
    answer = UnitsAnswer(
        request=request,
        sections=sections,
        targets=(*(of for of in targets if of is not None), *_gene_targets(predictor, genes[0])),
        layers=layers if by_rule else (),
        n_tiles=settings.tiles,
        n_steps=settings.steps,
    )
    _check_gradients(predictor, probed.image, [*answer.targets, *map(UnitTarget, answer.layers)])
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def _genes(predictor: Predictor, settings: LayersQuestionSettings) -> GeneChoice:
    """Raises DataContractError for unknown genes, and for more than the figure has room for."""
    if not settings.genes:
        return best_genes(predictor, 0 if settings.units else N_GENES)
    choice = choose_genes(predictor, settings.genes)
    check_number_of_genes(choice, MOST_GENES, "layers", "which fit one figure")
    return choice


def _gene_targets(predictor: Predictor, choice: GeneChoice) -> list[UnitTarget]:
    panel = predictor.target.genes
    return [
        UnitTarget("", panel.index(gene), gene=label)
        for gene, label in zip(choice.genes, choice.labels, strict=True)
    ]


def _shapes(
    predictor: Predictor, image: UInt8[Tensor, "n 3 P P"], names: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Channels and places of the layers that give a row for each tile by itself."""
    found = {}
    with (
        genes_of_pixels([predictor], predictor.target.genes[:1]) as (genes_of, device),
        torch.no_grad(),
        tapped(predictor, names) as taps,
    ):
        genes_of(image.float().to(device))
        for name in names:
            try:
                _, n_channels, n_places = layer_channels(taps, name, len(image)).shape
            except ValueError:  # it reads several tiles together
                continue
            found[name] = (n_channels, n_places)
    return found


def _unit_problems(
    texts: Sequence[str], targets: Sequence[UnitTarget | None], shapes: Shapes
) -> Iterator[Problem]:
    if len(texts) > MOST_UNITS:
        yield Problem(
            where="explain layers, units",
            found=f"{len(texts)} units",
            expected=f"at most {MOST_UNITS}, which fit one figure",
            remedy="ask for the others in a second folder",
        )
    for text, target in zip(texts, targets, strict=True):
        if target is None:
            yield Problem(
                where=f"unit {text}",
                found="no unit is written so",
                expected="LAYER, LAYER:CHANNEL or LAYER:CHANNEL:PLACE, with whole numbers",
                remedy="for instance network.hidden:3",
            )
        elif target.layer not in shapes:
            yield Problem(
                where=f"unit {text}",
                found=f"no layer {target.layer} that gives a row for each tile",
                expected=f"one of {len(shapes)} layers, such as {next(iter(shapes))}",
                remedy=did_you_mean(target.layer, tuple(shapes), "name another layer"),
            )
        else:
            yield from _number_problems(text, target, shapes[target.layer])


def _number_problems(text: str, target: UnitTarget, shape: tuple[int, int]) -> Iterator[Problem]:
    for what, number, most in zip(
        ("channel", "place"), (target.channel, target.place), shape, strict=True
    ):
        if number is not None and number >= most:
            yield Problem(
                where=f"unit {text}",
                found=f"{what} {number}",
                expected=f"a number from 0 to {most - 1}: the layer has {most}",
                remedy="give another number",
            )


def _main_layers(predictor: Predictor, shapes: Shapes) -> tuple[str, ...]:
    """Layers at even depths, without those that give the genes, which are asked about anyway."""
    genes = (len(predictor.target.genes), 1)
    hidden = [name for name, shape in shapes.items() if shape != genes]
    names = choose_layers(predictor, hidden, ())
    steps = np.linspace(0, len(names) - 1, min(N_LAYERS, len(names)))
    return tuple(names[int(step)] for step in np.rint(steps))


def _check_gradients(
    predictor: Predictor, image: UInt8[Tensor, "n 3 P P"], targets: Sequence[UnitTarget]
) -> None:
    """Raises DataContractError for targets whose activation has no finite slope by the pixels."""
    pixels = image.float().requires_grad_()
    problems = []
    with target_values(predictor, targets) as values:
        read = values(pixels).sum(dim=0)
        for target, value in zip(targets, read, strict=True):
            slope = None
            if value.requires_grad:
                (slope,) = torch.autograd.grad(
                    value, [pixels], retain_graph=True, allow_unused=True
                )
            if slope is None or not torch.isfinite(slope).all():
                problems.append(
                    Problem(
                        where=f"target {target.name} of {predictor.name}",
                        found="no gradient leads back to the pixels of a tile",
                        expected=f"a target that {predictor.encoding.encoder} and "
                        f"{predictor.model.name} compute with gradients",
                        remedy="name another target, or give a predictor on another encoder",
                    )
                )
    if problems:
        raise DataContractError(problems)
