"""Genes as a differentiable function of pixels, for every model that has one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.device import choose_device
from histoscribe.errors import Problem
from histoscribe.explain.random_networks import evaluation
from histoscribe.models.base import Estimator, ExpressionModel, model_class
from histoscribe.models.catalog import list_models
from histoscribe.models.closed_form.linear import LinearEstimator
from histoscribe.predictor.predictor import Predictor

GenesOfPixels = Callable[[Float[Tensor, "B 3 P P"]], Float[Tensor, "B G"]]
"""Prediction of each gene from each tile by itself, for pixels in 0-255."""


def has_gradient(predictor: Predictor) -> bool:
    """Whether a model has a gradient to its pixels: networks, and linear models of features."""
    return isinstance(predictor.model, ExpressionModel | LinearEstimator)


def gradient_problem(predictor: Predictor) -> Problem:
    """Say that a model cannot explain tiles, and which models can."""
    able = [
        name
        for name in list_models()
        if issubclass(model_class(name), ExpressionModel | LinearEstimator)
    ]
    return Problem(
        where=f"predictor {predictor.name}",
        found=f"model {predictor.model.name} has no gradient to the pixels of a tile",
        expected=f"a predictor of {', '.join(able)}",
        remedy="leave out the tiles: maps over the section need no gradient",
    )


@contextmanager
def genes_of_pixels(
    predictors: Sequence[Predictor], genes: Sequence[str]
) -> Iterator[tuple[GenesOfPixels, torch.device]]:
    """These genes as a function of pixels: the mean over predictors and their members.

    A tile is predicted by itself: for a model of bags or sections it is all there is. Networks are
    in eval mode inside the block and as they were after it.
    """
    device = torch.device(choose_device(predictors[0].device))
    parts = [(_part(predictor, device), _places(predictor, genes)) for predictor in predictors]
    with ExitStack() as modes:
        for predictor in predictors:
            for network in predictor.fitted.members:
                modes.enter_context(evaluation(predictor, network))

        def mean(image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B K"]:
            return torch.stack([part(image)[:, places] for part, places in parts]).mean(dim=0)

        yield mean, device


def modules_of(predictors: Sequence[Predictor]) -> list[nn.Module]:
    """Encoders and networks, in the order in which they read pixels."""
    modules: list[nn.Module] = []
    for predictor in predictors:
        modules += [predictor.encoder, *predictor.fitted.members]
    return modules


def _places(predictor: Predictor, genes: Sequence[str]) -> list[int]:
    return [predictor.target.genes.index(gene) for gene in genes]


def _part(predictor: Predictor, device: torch.device) -> GenesOfPixels:
    predictor.encoder.to(device)
    if isinstance(predictor.model, LinearEstimator):
        return _linear(predictor, predictor.model, device)
    if isinstance(predictor.model, Estimator):
        raise TypeError(f"{predictor.model.name} has no gradient to its pixels")
    if predictor.fitted.item == "spot":
        return lambda image: predictor.from_pixels(image).expression
    return lambda image: _single_tiles(predictor, image)


def _linear(predictor: Predictor, model: LinearEstimator, device: torch.device) -> GenesOfPixels:
    """The same steps as `LinearEstimator.predict`, in torch."""
    state = {name: torch.from_numpy(value).to(device) for name, value in model.state().items()}

    def genes(image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B G"]:
        feature = predictor.encoder(image).to(state["weights"].dtype)
        return ((feature - state["mean"]) / state["scale"]) @ state["weights"] + state["bias"]

    return genes


def _single_tiles(predictor: Predictor, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B G"]:
    """Each tile as a whole bag or section, in the middle of its place."""
    feature = predictor.encoder(image)
    present = torch.ones((len(image), 1), dtype=torch.bool, device=image.device)
    inputs = {
        "context_feature": feature[:, None],
        "context_image": image[:, None],
        "context_um": feature.new_zeros((len(image), 1, 2)),
        "context_slide": torch.zeros_like(present, dtype=torch.int64),
        "present": present,
    }
    outputs = []
    for member in predictor.fitted.members:
        names = member.inputs(member.config)
        expression = member(**{name: inputs[name] for name in names}).expression
        outputs.append(expression.reshape(len(image), -1))
    return torch.stack(outputs).mean(dim=0)
