"""Bags of a run with their features and labels, fold by fold."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int

from histoscribe.data.bag_groups import bag_splits, bags_in, block_bags, patient_bags
from histoscribe.data.bulk_target import (
    BagLabels,
    block_target,
    block_values,
    bulk_values,
    fit_bulk_target,
)
from histoscribe.data.feature_source import FeatureSource, SectionFeatures, run_means
from histoscribe.data.features import stored_features
from histoscribe.data.folds import make_folds, whole_fold
from histoscribe.data.items.bag_table import BagTable
from histoscribe.data.items.spots import places_um
from histoscribe.data.slide_cohort import slide_cohort
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.bulk_slides import SlideSource, read_slides
from histoscribe.io.cohorts.bulk_table import matched, read_bulk_table
from histoscribe.io.cohorts.patient_sites import sites_of
from histoscribe.io.cohorts.selection import choose
from histoscribe.predictor.encoding import WeightFiles
from histoscribe.progress import tell, track
from histoscribe.seed import stream
from histoscribe.train.arguments import AnyCohort, run_cohort
from histoscribe.train.concept_values import bag_concept_values
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings
from histoscribe.types import Bag, BulkTable, Cohort, Fold, SpotKeys, SpotRows, SpotTable

Numbers = Int[np.ndarray, " n"]
"""Numbers of bags."""

N_REFERENCE = 2000
"""Training tiles that a predictor keeps to recognise other tissue."""


@dataclass(frozen=True, eq=False)
class DrawnTiles:
    """Some training tiles with their features; their targets are empty."""

    table: SpotTable
    rows: SpotRows


@dataclass(eq=False)
class BulkData:
    """All bags of a run; features are read from disk when a bag needs them."""

    run_data: RunData
    bags: tuple[Bag, ...]
    table: BulkTable | None
    """Measured expression, one row a bag; None for blocks, whose counts are in their sections."""
    notes: tuple[str, ...] = ()
    """What was left out, in words."""
    _features: dict[str | None, FeatureSource] = field(default_factory=dict)
    _means: dict[str | None, Float32[np.ndarray, "M D"]] = field(default_factory=dict)

    @property
    def settings(self) -> RunSettings:
        """Settings of the run."""
        return self.run_data.settings

    @property
    def cohort(self) -> Cohort:
        """Sections of all bags."""
        return self.run_data.cohort

    def folds(self) -> tuple[Fold, ...]:
        """Folds of the run; inner splits keep the bags of a patient together."""
        counted = self.table is None
        settings = self.settings
        folds = make_folds(self.cohort, settings.folds, settings.seed, counted=counted)
        return tuple(self._with_splits(fold) for fold in folds)

    def whole_fold(self) -> Fold:
        """All bags for training, none for test."""
        fold = whole_fold(self.cohort, self.settings.seed, counted=self.table is None)
        return self._with_splits(fold)

    def side(self, rows: SpotRows) -> Numbers:
        """Numbers of the bags of one side of a fold."""
        return bags_in(self.bags, rows)

    def target(self, fold: Fold) -> Target:
        """Panel and transform, fitted on the training bags of a fold."""
        if self.table is None:
            return block_target(self.run_data.target(fold.train))
        names = tuple(self.bags[bag].name for bag in self.side(fold.train))
        return fit_bulk_target(self.table.take(names), self.settings.target, list(fold.train))

    def labels(self, target: Target, bags: Numbers) -> BagLabels:
        """Measured values of these bags."""
        of = [self.bags[bag] for bag in bags]
        if self.table is None:
            return block_values(self.cohort, of, target)
        return bulk_values(self.table.take(tuple(bag.name for bag in of)), target)

    def features(self, encoder: str | None) -> FeatureSource:
        """Features of all tiles, sections in sorted order: held for blocks, else on disk."""
        if encoder not in self._features:
            data, ids = self.run_data, self.cohort.ids
            if self.table is None:
                parts = [data.features(encoder, section) for section in ids]
                self._features[encoder] = np.concatenate(parts)
            else:
                self._features[encoder] = SectionFeatures(
                    tuple(
                        stored_features(
                            self.cohort[section],
                            data.source(encoder).open(None),
                            data.tiles.geometry(None),
                            precision=self.settings.run.precision,
                            cache=data.cache,
                        )
                        for section in track(ids, "features of the slides")
                        if len(self.cohort[section].spots)
                    )
                )
        return self._features[encoder]

    def means(self, encoder: str | None, bags: Numbers) -> Float32[np.ndarray, "n D"]:
        """Mean feature of each of these bags."""
        if encoder not in self._means:
            self._means[encoder] = run_means(self.features(encoder), self._runs)
        return self._means[encoder][bags]

    def bag_table(self, fold: Fold, target: Target, encoder: str | None) -> BagTable:
        """Training bags of a fold with their labels and inner splits."""
        bags = self.side(fold.train)
        inner = tuple(
            (np.searchsorted(bags, self.side(of.fit)), np.searchsorted(bags, self.side(of.val)))
            for of in fold.inner
        )
        table = self.tested(target, encoder, bags)
        concept = bag_concept_values(self.run_data, fold, [self._runs[bag] for bag in bags])
        return replace(table, inner=inner, concept=concept)

    def tested(self, target: Target, encoder: str | None, bags: Numbers) -> BagTable:
        """These bags with their labels, without inner splits."""
        labels = self.labels(target, bags)
        names = [self.bags[bag].name for bag in bags]
        counted = self.table is None or self.table.unit == "counts"
        return BagTable(
            feature=self.features(encoder),
            xy_um=self._xy_um,
            slide=self._slide,
            runs=tuple(self._runs[bag] for bag in bags),
            target=labels.target,
            log_total=np.log1p(labels.total),
            keys=SpotKeys.of_names(names, [self.bags[bag].patient for bag in bags], names),
            inner=(),
            encoder=self.run_data.source(encoder).open(None).identity,
            counts=labels.values if counted else None,
            sites=self._sites,
        )

    def mean_table(self, fold: Fold, target: Target, encoder: str | None) -> SpotTable:
        """Training bags as rows for closed-form models: each has its mean feature."""
        bags, table = self.side(fold.train), self.bag_table(fold, target, encoder)
        names = [self.bags[bag].name for bag in bags]
        return SpotTable(
            feature=self.means(encoder, bags),
            target=table.target.astype(np.float32),
            log_total=table.log_total,
            # one section of no patient: scores of inner splits are over all their bags
            keys=SpotKeys.of_section("bags", None, names),
            inner=table.inner,
            encoder=table.encoder,
        )

    def drawn_tiles(self, fold: Fold, encoder: str | None) -> "DrawnTiles":
        """Training tiles of a fold for the reference of a predictor, equally many a section."""
        filled = {s: rows for s, rows in sorted(fold.train.items()) if len(rows)}
        n_each = max(N_REFERENCE // len(filled), 1)
        rows = {
            section: np.sort(
                stream(self.settings.seed, f"tiles-{section}").permutation(of)[:n_each]
            )
            for section, of in filled.items()
        }
        where = np.concatenate([self._starts[section] + of for section, of in rows.items()])
        parts = [self.cohort[section].spots.take(of) for section, of in rows.items()]
        keys = [
            SpotKeys.of_section(section, self.cohort.patients[section], spots.ids)
            for section, spots in zip(rows, parts, strict=True)
        ]
        table = SpotTable(
            feature=self.features(encoder)[where],
            target=np.zeros((len(where), 0), dtype=np.float32),
            log_total=np.zeros(len(where)),
            keys=SpotKeys.concatenate(keys),
            inner=(),
            encoder=self.run_data.source(encoder).open(None).identity,
        )
        return DrawnTiles(table, rows)

    @property
    def identity_files(self) -> dict[str, str]:
        """File of a run folder that identifies the table of expression; none for blocks."""
        if self.table is None:
            return {}
        digest = hashlib.sha256(self.table.values.tobytes())
        names = (*self.table.patients, *self.table.genes, self.table.unit)
        digest.update("\n".join(names).encode())
        return {"expression.sha256": digest.hexdigest() + "\n"}

    @cached_property
    def _starts(self) -> dict[str, int]:
        """First row of each section among the tiles of all sections."""
        sizes = [len(section.spots) for section in self.cohort]
        return dict(zip(self.cohort.ids, np.cumsum([0, *sizes]).tolist(), strict=False))

    @cached_property
    def _runs(self) -> tuple[Int[np.ndarray, " _"], ...]:
        """Rows of each bag among the tiles of all sections."""
        return tuple(
            np.concatenate(
                [self._starts[section] + rows for section, rows in sorted(bag.rows.items())]
            )
            for bag in self.bags
        )

    @cached_property
    def _xy_um(self) -> Float[np.ndarray, "N 2"]:
        parts = [places_um(section) for section in self.cohort if len(section.spots)]
        return np.concatenate(parts)

    @cached_property
    def _slide(self) -> Int[np.ndarray, " N"]:
        sizes = [len(section.spots) for section in self.cohort]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def _sites(self) -> Mapping[str, str] | None:
        sites = {bag.patient: bag.site for bag in self.bags if bag.site is not None}
        return sites or None

    def _with_splits(self, fold: Fold) -> Fold:
        of = [self.bags[bag] for bag in self.side(fold.train)]
        members = self.settings.train.members
        splits = bag_splits(of, members if members > 1 else None, self.settings.seed)
        return replace(fold, inner=splits, validation="bags" if splits else "none")


def open_bulk(
    settings: RunSettings, weights: WeightFiles, cache: Path, cohort: AnyCohort | None = None
) -> BulkData:
    """Read the sections, slides and expression that the settings name.

    Raises
    ------
    DataContractError
        for an invalid cohort, manifest or table: the problems of both files at once.
    """
    bulk = settings.bulk
    if bulk.block_spots is not None:
        opened = run_cohort(cohort, settings)
        rows = {section.id: np.arange(len(section.spots)) for section in opened}
        bags = block_bags(opened, rows, bulk.block_spots)
        return BulkData(RunData(settings, opened, weights, cache), bags, None)
    sources, table, notes = _read(settings)
    patients, unmatched = matched(sources, table, Path(str(bulk.table)))
    notes = (*notes, *unmatched)
    for note in notes:
        tell(note)
    inputs = settings.inputs
    used = [of for of in sources if of.patient in patients]
    opened = slide_cohort(used, inputs.tile_px * inputs.mpp)
    rows = {section.id: np.arange(len(section.spots)) for section in track(opened, "tissue")}
    bags = patient_bags(opened, rows, sites_of([(of.patient, of.facts) for of in used]))
    return BulkData(
        RunData(settings, opened, weights, cache),
        bags,
        table.take(tuple(bag.name for bag in bags)),
        notes,
    )


def _read(
    settings: RunSettings,
) -> tuple[tuple[SlideSource, ...], BulkTable, tuple[str, ...]]:
    """Slides and table; the problems of both together."""
    problems: list[Problem] = []
    sources: tuple[SlideSource, ...] = ()
    table, unit = Path(str(settings.bulk.table)), settings.bulk.unit
    try:
        sources = _selected(read_slides(Path(settings.cohort)), settings)
    except DataContractError as error:
        problems += error.problems
    try:
        expression, notes = read_bulk_table(table, unit or "counts")
    except DataContractError as error:
        raise DataContractError([*problems, *error.problems]) from None
    if problems:
        raise DataContractError(problems)
    return sources, expression, notes


def _selected(sources: Sequence[SlideSource], settings: RunSettings) -> tuple[SlideSource, ...]:
    """Slides that `sections` and `where` name."""
    place = Path(settings.cohort).name
    rows = [{"slide": of.section, "patient": of.patient, **of.facts} for of in sources]
    where = dict(settings.where)
    if settings.sections is not None:
        where["slide"] = settings.sections
    kept = {row["slide"] for row in choose(rows, where, place)}
    return tuple(of for of in sources if of.section in kept)
