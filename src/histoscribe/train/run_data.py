"""Features and training tables; each section is read once per encoder."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.features import embed, in_cache, stored_features
from histoscribe.data.fold_checks import scored_panel_problems
from histoscribe.data.genesets import GeneSets, PanelPathways, open_gene_sets, panel_pathways
from histoscribe.data.stain import TissueColour
from histoscribe.data.target import Target, fit_target
from histoscribe.data.tiles import Tiles
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.gene_overlap import gene_problems
from histoscribe.predictor.encoding import Encoding, WeightFiles
from histoscribe.predictor.facts import gene_names
from histoscribe.progress import tell, track
from histoscribe.train.encoders import EncoderSource, encoder_source
from histoscribe.train.exemplar_checks import lookup_problems, pool_lines
from histoscribe.train.fold_tiles import FoldTiles
from histoscribe.train.row import source_files, tile_problems
from histoscribe.train.settings import RunSettings
from histoscribe.train.steer_checks import steer_problems
from histoscribe.train.weight_needs import row_needs
from histoscribe.types import Cohort, Fold, SpotRows

T = TypeVar("T")
_Key = tuple[str, str, int]
"""Identity of the encoder, section, view."""


@dataclass(frozen=True)
class Extracted:
    """Size of the features of a section."""

    n_spots: int
    width: int
    precisions: tuple[str, ...]
    """Precision of each view, which may be higher than requested."""


@dataclass(eq=False)
class RunData:
    """Sections of a run and their features, by encoder: the run's (None) or a row's.

    Features of one stain reference are in memory at a time; the cache has those of other folds.
    """

    settings: RunSettings
    cohort: Cohort
    weights: WeightFiles
    cache: Path
    _sources: dict[str | None, EncoderSource] = field(default_factory=dict)
    _features: dict[_Key, Float[np.ndarray, "N D"]] = field(default_factory=dict)
    _precision: dict[_Key, str] = field(default_factory=dict)
    _held: TissueColour | None = None
    """Stain reference of the features in memory."""

    def __post_init__(self) -> None:
        self.tiles = FoldTiles(self.settings, self.cohort, self.cache)

    def encoders(self) -> tuple[str | None, ...]:
        """All encoders of the run's rows, each once."""
        return tuple(dict.fromkeys(row.encoder for row in self.settings.rows))

    def check(self, folds: Sequence[Fold] = ()) -> None:
        """Open every encoder and check the tiles against every slide, before the long work.

        Raises
        ------
        DataContractError
            listing concepts that cannot steer, missing weights, tiles that a network cannot read,
            folds whose spots have no exemplars, test patients whose scores chose the genes,
            sections that share almost no gene, and every slide that is too coarse for the tiles or
            cannot be normalised.
        """
        inputs = self.settings.inputs
        problems = list(tile_problems(self.settings.rows, inputs.tile_px))
        problems += gene_problems(self.cohort)
        problems += steer_problems(self.settings, self.cohort, folds)
        keep = self.settings.train.keep
        problems += lookup_problems(self.cohort, folds, self.settings.rows, keep)
        if "panel" not in self.settings.folds.leaks:
            scored = self.settings.target.scored_patients or ()
            problems += scored_panel_problems(self.cohort, folds, scored)
        problems += _problems([None], lambda _: self.gene_sets)
        problems += _problems(self.encoders(), lambda encoder: self.source(encoder).needs())
        problems += _problems(self.settings.rows, lambda row: row_needs(row, self.weights))
        if not problems:  # weights are there
            problems += _problems(self.encoders(), self._check_tile)
        problems += _problems(self.cohort, Tiles(inputs.tile_px, inputs.mpp).check)
        if self.tiles.normalised:
            names = track(self.cohort.ids, "colour of the tissue")
            problems += _problems(names, self.tiles.slide_look)
        if problems:
            raise DataContractError(dict.fromkeys(problems))
        for line in pool_lines(self.cohort, folds, self.settings.rows, keep):
            tell(line)

    def _check_tile(self, encoder: str | None) -> None:
        """Raise a DataContractError unless the encoder can read a tile of this side."""
        source, side_px = self.source(encoder), self.settings.inputs.tile_px
        if source.by_fold:
            return  # it is trained on windows of a side of its own
        opened = source.open(None)
        try:
            with torch.inference_mode():
                opened(torch.full((1, 3, side_px, side_px), 255, dtype=torch.uint8))
        except (RuntimeError, ValueError, IndexError, ZeroDivisionError) as error:
            raise DataContractError(
                Problem(
                    where="settings, inputs.tile_px",
                    found=f"{source.name} cannot read tiles of {side_px} px: "
                    f"{(str(error) or type(error).__name__).splitlines()[0]}",
                    expected="tiles as large as the encoder needs",
                    remedy="set inputs.tile_px to a larger number, e.g. 224",
                )
            ) from None

    @cached_property
    def gene_sets(self) -> GeneSets | None:
        """Gene sets of the run, read on first use; None without."""
        return open_gene_sets(self.settings.pathways)

    def pathways(self, train: SpotRows, target: Target) -> PanelPathways | None:
        """Pathways of a fold's panel; None in a run without gene sets.

        Symbols are those of the training sections.

        Raises
        ------
        DataContractError
            for gene sets that do not fit the panel.
        """
        if self.gene_sets is None:
            return None
        names = gene_names(self.cohort, train, target.genes)
        return panel_pathways(self.gene_sets, target.genes, names)

    @property
    def identity_files(self) -> dict[str, str]:
        """Content that settings name only, as files that identify a run; mostly none."""
        files = source_files(self.settings.rows)
        if self.gene_sets is not None:
            content = {"source": self.gene_sets.source, "sha256": self.gene_sets.hash}
            files["pathways.json"] = json.dumps(content, indent=1, sort_keys=True) + "\n"
        return files

    @property
    def by_fold(self) -> bool:
        """Whether the features of a section depend on the fold."""
        own = any(self.source(encoder).by_fold for encoder in self.encoders())
        return own or self.tiles.normalised

    def source(self, encoder: str | None) -> EncoderSource:
        """Source of an encoder: the run's (None) or the one named by a row."""
        if encoder not in self._sources:
            self._sources[encoder] = encoder_source(
                encoder, self.settings, self.weights, self.tiles
            )
        return self._sources[encoder]

    def encoding(self, encoder: str | None, fold: Fold | None) -> Encoding:
        """Encoding of a fold: with the colour of its training slides, if normalised."""
        source, inputs = self.source(encoder), self.settings.inputs
        return Encoding(
            encoder=source.name,
            layer=source.layer,
            weights=source.open(fold).weights,
            tile_px=inputs.tile_px,
            mpp=inputs.mpp,
            white_off_tissue=inputs.white_off_tissue,
            precision=self.settings.run.precision,
            stain=self.tiles.geometry(fold).stain,
        )

    def encoders_text(self) -> str:
        """Encodings of the run with the checksums of all weights, as JSON."""
        inputs = self.settings.inputs
        tiles = inputs.model_dump(include={"tile_px", "mpp", "white_off_tissue"})
        tiles["precision"] = self.settings.run.precision
        used: list[Mapping[str, Any]] = [
            {**tiles, **self.source(encoder).identity().to_json()} for encoder in self.encoders()
        ]
        needed = {row.name: row_needs(row, self.weights) for row in self.settings.rows}
        used += [{"row": name, **files} for name, files in needed.items() if files]
        return json.dumps(used, indent=1, sort_keys=True) + "\n"

    def precision_used(self, encoder: str | None, fold: Fold | None = None) -> str:
        """Precision of the sections read so far; it may be higher than requested."""
        identity = self.source(encoder).open(fold).identity
        found = {p for (of, _, _), p in self._precision.items() if of == identity}
        return " and ".join(sorted(found))

    def extract(self, encoder: str | None, section: str, fold: Fold | None = None) -> "Extracted":
        """Compute all features of a section that a fold needs into the cache; none stay in memory.

        Without a fold, a section counts as a training section.
        """
        opened, of = self.source(encoder).open(fold), self.cohort.passing(section)
        n_views = self.tiles.n_views if fold is None or section in fold.train else 0
        stored = [
            stored_features(
                of,
                opened,
                self.tiles.view(fold, section, view),
                precision=self.settings.run.precision,
                cache=self.cache,
                slide_look=self.tiles.slide_look(section),
            )
            for view in range(n_views, -1, -1)
        ]
        precisions = tuple(of_view.store.precision for of_view in reversed(stored))
        return Extracted(len(stored[0].order), stored[0].width, precisions)

    def note(
        self, encoder: str | None, section: str, extracted: "Extracted", fold: Fold | None = None
    ) -> None:
        """Keep the precisions of features that another process computed."""
        identity = self.source(encoder).open(fold).identity
        for view, precision in enumerate(extracted.precisions):
            self._precision[(identity, section, view)] = precision

    def features(
        self, encoder: str | None, section: str, fold: Fold | None = None, *, view: int = 0
    ) -> Float[np.ndarray, "N D"]:
        """Features of every spot of a section for a fold.

        View 0 is the unchanged tissue, the others are jittered. `fold` is required with
        normalisation: each fold has another reference.
        """
        tiles = self.tiles.view(fold, section, view)
        if tiles.stain != self._held:
            self._features.clear()
            self._held = tiles.stain
        opened = self.source(encoder).open(fold)
        key = (opened.identity, section, view)
        if key not in self._features:
            found = embed(
                self.cohort[section],
                opened,
                tiles,
                precision=self.settings.run.precision,
                cache=self.cache,
                slide_look=self.tiles.slide_look(section),
            )
            self._features[key], self._precision[key] = found.values, found.precision
        return self._features[key]

    def n_cached(self) -> int:
        """Number of sections with complete features in the cache, for all encoders.

        Counts unjittered tissue; for runs whose features do not depend on the fold.
        """
        precision = self.settings.run.precision

        def is_cached(section: str, encoder: str | None) -> bool:
            opened, tiles = self.source(encoder).open(None), self.tiles.view(None, section, 0)
            of_section = self.cohort[section]
            return in_cache(of_section, opened, tiles, precision=precision, cache=self.cache)

        return sum(all(is_cached(s, e) for e in self.encoders()) for s in self.cohort.ids)

    def target(self, train: SpotRows, among: Collection[str] | None = None) -> Target:
        """Panel and transform, fitted on these spots only unless the leak `panel` is set.

        The panel is taken of the genes in `among`, if given.
        """
        parts = [(self.cohort[section], rows) for section, rows in sorted(train.items())]
        every = None
        if "panel" in self.settings.folds.leaks:
            every = [(section, np.arange(len(section.spots))) for section in self.cohort]
        first = self.gene_sets.genes if self.settings.pathways.first and self.gene_sets else ()
        return fit_target(parts, self.settings.target, every, first, among)


def _problems(items: Iterable[T], check: Callable[[T], object]) -> list[Problem]:
    """Problems that a check reports for these items."""
    found: list[Problem] = []
    for item in items:
        try:
            check(item)
        except DataContractError as error:
            found += error.problems
    return found
