"""A predictor for LazySlide: its protocol of models that read the features of tiles."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.items.spots import SpotQueries
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.spatialdata import element_name
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.io.weights import cache_folder
from histoscribe.predictor.limits import within_limits
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.saving import load_predictor
from histoscribe.threads import fixed_threads
from histoscribe.types import DISTANCE, Section, Spots


@final
@dataclass(eq=False)
class LazySlideModel:
    """A predictor as LazySlide's `feature_prediction` calls it; made by `to_lazyslide`."""

    model: Predictor
    """The predictor."""
    mpp: float | None = None
    """um per level-0 px of the slide, for models that read positions."""
    keep_unlike: bool = False
    """Keep the values of tiles beyond the training tissue."""
    features_model_name: str = "histoscribe"
    """LazySlide's name of the features that it reads: those of the table `histoscribe_tiles`."""
    _device: torch.device = field(default_factory=lambda: torch.device(choose_device("auto")))

    @property
    def name(self) -> str:
        """Row and short hash of the predictor, as the name of a table."""
        return element_name(self.model.name)

    @property
    def needs_coords(self) -> bool:
        """Whether the model reads the positions of tiles."""
        return "context_um" in self.model.inputs

    @property
    def whole_slide(self) -> bool:
        """Whether the model reads all tiles of a slide together."""
        return self.model.fitted.item != "spot"

    def features(
        self, path: str | Path, bounds: Float[np.ndarray, "N 4"]
    ) -> Float[np.ndarray, "N D"]:
        """Features of tiles of a slide, made as in the training of the predictor.

        Parameters
        ----------
        path
            The slide.
        bounds
            Least x and y, then largest x and y of each tile, in level-0 px:
            `wsi.shapes["tiles"].bounds`. Pixels are read around the centre of a tile, at the
            resolution and width of the training.

        Returns
        -------
        One row for each tile.
        """
        slide = open_whole_slide(Path(path), self.mpp)
        centres = bounds.reshape(-1, 2, 2).mean(axis=1).astype(np.float64)
        names = tuple(str(tile) for tile in range(len(centres)))
        spots = Spots(names, centres, None, None, "cells")
        section = Section(Path(path).stem, None, slide, spots, None)
        with fixed_threads():
            return self.model.queries(section, cache_folder()).feature

    def predict(
        self,
        features: Float[np.ndarray, "N D"],
        coords: Float[np.ndarray, "N 2"] | None = None,
    ) -> dict[str, Float[np.ndarray, " N"]]:
        """Predict the genes from the features of tiles.

        `coords` are the upper left corners of the tiles in level-0 px, for models that need them.

        Returns
        -------
        Value of each tile, by the symbol of the gene (the id of a gene whose symbol is ambiguous),
        clipped and masked as by `predict_slide`; and its `distance_to_training`.

        Raises
        ------
        DataContractError
            for more tiles than a model of sections or bags can read at once.
        """
        predictor, most = self.model, self.model.most_places
        if most is not None and len(features) > most:
            raise DataContractError(_too_many(predictor, len(features), most))
        queries = SpotQueries.unnamed(
            np.asarray(features, dtype=np.float32),
            predictor.encoder.identity,
            xy_um=self._places_um(coords),
        )
        with fixed_threads():
            distance = predictor.reference.distance(queries.feature)
            predicted, _ = within_limits(
                predictor.fitted.predict(queries, self._device),
                distance,
                predictor.map_range,
                keep_unlike=self.keep_unlike,
            )
        values = predicted.values.astype(np.float32)
        return {**dict(zip(predictor.gene_labels, values.T, strict=True)), DISTANCE: distance}

    def get_transform(self) -> None:
        """No transform: the model reads features, not pixels."""

    def to(self, device: Any) -> "LazySlideModel":
        """Compute on this device from now on."""
        self._device = torch.device(device)
        return self

    def try_compile(self, **settings: Any) -> None:
        """Leave the model as it is: a compiled one could give other bits."""

    def _places_um(
        self, coords: Float[np.ndarray, "N 2"] | None
    ) -> Float[np.ndarray, "N 2"] | None:
        """Positions of tiles in um from their centroid, for a model that reads them."""
        if not self.needs_coords:
            return None
        if coords is None or self.mpp is None:
            raise ValueError(f"{self.model.name} reads positions: give coords")
        xy = np.asarray(coords, dtype=np.float64)
        return (xy - xy.mean(axis=0)) * self.mpp


def to_lazyslide(
    predictor: Predictor | str | Path,
    *,
    mpp: float | int | None = None,
    keep_unlike: bool = False,
) -> LazySlideModel:
    """Make a predictor usable in LazySlide, by its protocol of feature prediction.

    `needs_coords` and `whole_slide` follow from the model: one that predicts each spot by itself is
    given tiles in batches; one that reads sections or bags gets all tiles of a slide at once, with
    their positions if it reads them.

    Parameters
    ----------
    predictor
        A predictor or its folder.
    mpp
        um per level-0 px of the slide, `wsi.properties.mpp`. Needed by models that read positions,
        and where the slide's metadata does not say it.
    keep_unlike
        Keep the values of tiles beyond the training tissue, which are NaN otherwise.

    Raises
    ------
    DataContractError
        for a model that reads pixels, which is no model of features; and for one that reads
        positions, without `mpp`.

    Examples
    --------
    >>> import histoscribe as hs
    >>> model = hs.to_lazyslide("ridge")  # doctest: +SKIP
    >>> tiles = wsi.shapes["tiles"].bounds.to_numpy()  # doctest: +SKIP
    >>> features = model.features("biopsy.svs", tiles)  # doctest: +SKIP
    >>> add_features(wsi, "histoscribe_tiles", "tiles", features)  # doctest: +SKIP
    >>> zs.tl.feature_prediction(wsi, model)  # doctest: +SKIP
    """
    loaded = predictor if isinstance(predictor, Predictor) else load_predictor(predictor)
    model = LazySlideModel(loaded, None if mpp is None else float(mpp), keep_unlike=keep_unlike)
    if problems := [*_problems(model)]:
        raise DataContractError(problems)
    return model


def _problems(model: LazySlideModel) -> Iterator[Problem]:
    where, inputs = f"predictor {model.model.name}, for LazySlide", model.model.inputs
    if model.model.sees_tiles:
        yield Problem(
            where=where,
            found=f"a model that reads pixels ({', '.join(inputs)})",
            expected="one that reads features of tiles only",
            remedy="predict the slide with histoscribe, e.g. hs.predict_slide",
        )
    if model.needs_coords and model.mpp is None:
        yield Problem(
            where=where,
            found="a model that reads positions, and no um/px",
            expected="um per level-0 px of the slide",
            remedy="give mpp=wsi.properties.mpp",
        )


def _too_many(predictor: Predictor, n_tiles: int, most: int) -> Problem:
    return Problem(
        where=f"predictor {predictor.name}, for LazySlide",
        found=f"{n_tiles:,} tiles",
        expected=f"at most {most:,}: its model reads all of them at once",
        remedy="tile the slide more coarsely, or a part of it",
    )
