"""What was measured of the held-out sections, and the maps of a model over their spots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int

from histoscribe.data.items.spots import SpotQueries, places_um
from histoscribe.data.measured_genes import panel_counts
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.together.agreement import ComparedMaps
from histoscribe.explain.together.pairs import FEWEST_SPOTS, PairSection
from histoscribe.explain.where.maps import queries_of
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.types import Section


@final
@dataclass(frozen=True, eq=False)
class HeldOutSections:
    """Held-out sections, restricted to the genes that are compared."""

    predictor: Predictor
    sections: tuple[Section, ...]
    measured: tuple[PairSection, ...]
    genes: Int[np.ndarray, " g"]
    """Columns of the compared genes in the panel."""

    def queries(self, cache: Path) -> tuple[SpotQueries, ...]:
        """Features of the spots, and tiles for a model that reads them."""
        sections = track(self.sections, "sections")
        return tuple(queries_of(self.predictor, section, cache) for section in sections)

    def maps(self, fitted: Fitted, queries: Sequence[SpotQueries]) -> tuple[ComparedMaps, ...]:
        """Predicted maps of a model, compared with what was measured in each section."""
        device = torch.device(choose_device(self.predictor.device))
        return tuple(
            ComparedMaps.of(section, fitted.predict(of, device).values[:, self.genes].astype(float))
            for section, of in zip(self.measured, queries, strict=True)
        )


def measured_section(predictor: Predictor, section: Section) -> PairSection:
    """Read the measured values of all genes of the panel in a section.

    Raises DataContractError for a section without counts or with too few spots.
    """
    if section.counts is None:
        raise DataContractError(
            Problem(
                where=f"section {section.id}",
                found="no counts",
                expected="measured expression: maps are compared with what was measured",
                remedy="name the sections that have counts (`sections`)",
            )
        )
    if len(section.spots) < FEWEST_SPOTS:
        raise DataContractError(
            Problem(
                where=f"section {section.id}",
                found=f"{len(section.spots)} spots",
                expected=f"at least {FEWEST_SPOTS}: both ends of a section are compared",
                remedy="name the larger sections (`sections`)",
            )
        )
    genes = predictor.target.genes
    share = panel_counts(section, None, genes).share
    return PairSection(
        name=section.id,
        patient=section.patient or f"unknown ({section.id})",
        um=places_um(section),
        log_depth=np.log1p(section.measured.total),
        measured=predictor.target.apply(section).astype(np.float64),
        log_mean=np.log1p(1e4 * share),
    )


def mean_expression(sections: Sequence[PairSection]) -> Float[np.ndarray, " G"]:
    """Logarithm of the mean expression of each gene, mean over sections; NaN if not measured."""
    return np.mean([section.log_mean for section in sections], axis=0)
