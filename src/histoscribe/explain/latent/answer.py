"""The answer to `latent`: whether networks group spots by their tissue, patient, site or stain."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.manifold import TSNE

from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.latent.caveats import caveats_of
from histoscribe.explain.latent.purity import N_NEAREST
from histoscribe.explain.latent.shares import (
    KindShares,
    label_shares,
    patient_shares,
    site_shares,
)
from histoscribe.explain.latent.stain import ProbeScores, StainProbe
from histoscribe.explain.representation import Representation, represent, sample
from histoscribe.explain.request import ExplainRequest
from histoscribe.io.atomic import write_text
from histoscribe.io.cohorts.patient_sites import sites_of
from histoscribe.io.csv_table import csv_text
from histoscribe.plot.embedding import Colouring, EmbeddedSpots, draw_embedding
from histoscribe.seed import integer
from histoscribe.threads import fixed_threads
from histoscribe.types import Section

FIGURE, TABLE, PROBE_TABLE = "latent.png", "latent.csv", "probe.csv"
PERPLEXITY = 30.0
_SEED = 0  # of sampling and t-SNE; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class LatentAnswer:
    """Answers the question for some sections."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    labels: Mapping[str, Path]
    """Table of labels of a section; some sections have none."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictors, sections, labels, and how the figure is made."""
        predictors = [f"{of.row}@{of.hash}" for of in self.request.predictors]
        files = sorted(self.labels.items())
        labels = [f"{id_} sha256:{hashlib.sha256(f.read_bytes()).hexdigest()}" for id_, f in files]
        name = "predictor" if len(predictors) == 1 else "predictors"
        return {
            name: " ".join(predictors),
            "sections": " ".join(section.id for section in self.sections),
            "labels": ", ".join(labels) or "none",
            "figure": f"t-SNE, started from PCA, perplexity at most {PERPLEXITY:g}, seed {_SEED}",
            "neighbours": f"{N_NEAREST} nearest by L2 in what the last layer reads",
        }

    def work(self, out: Path) -> Finding:
        """Represent the spots, count how many neighbours are of the same kind, and draw them."""
        request = self.request
        probe = StainProbe.of(request.predictors, self.sections)
        parts = []
        for predictor in request.predictors:
            every = represent(predictor, self.sections, request.cache, self.labels)
            parts.append(self._part(every, probe))
        tables = [TABLE, *([PROBE_TABLE] if probe.sections else [])]
        write_text(out / TABLE, csv_text(_numbered([part.table for part in parts])))
        if probed := [part.probed.table() for part in parts if part.probed is not None]:
            write_text(out / PROBE_TABLE, csv_text(_numbered(probed)))
        self._draw(parts, out)
        names = [predictor.name for predictor in request.predictors]
        return Finding(
            question="latent",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=tuple(tables),
            statistic=_named([part.statistic for part in parts], names),
            null=_named([part.null for part in parts], names),
            caveat=caveats_of(request.predictors, self.sections, parts[0].spots, probe),
        )

    def _part(self, every: Representation, probe: StainProbe) -> "_Part":
        spots = sample(every, _SEED)
        of_sites = site_shares(spots, self._sites)
        shares = [patient_shares(spots), label_shares(spots), of_sites]
        known = tuple(of for of in shares if of is not None)
        scores = probe.scores(every)
        return _Part(spots, len(every), tsne(spots.values), known, scores)

    @property
    def _sites(self) -> Mapping[str, str]:
        """Site of each patient that has one."""
        return sites_of((str(of.patient), of.facts) for of in self.sections if of.patient)

    def _draw(self, parts: Sequence["_Part"], out: Path) -> None:
        n_drawn, n_spots = len(parts[0].spots), parts[0].n_spots
        of = f"{n_spots:,} spots" if n_drawn == n_spots else f"{n_drawn:,} of {n_spots:,} spots"
        names = [predictor.name for predictor in self.request.predictors]
        several = len(names) > 1
        reader = "each network" if several else names[0]
        title = (
            f"What the last layer of {reader} reads: {of}\n"
            f"t-SNE, perplexity {perplexity(n_drawn):g}. Its distances mean little;\n"
            "the numbers are of the representation itself."
        )
        rows = [
            EmbeddedSpots(f"{number}: {name}" if several else "", part.xy, part.colourings)
            for number, (name, part) in enumerate(zip(names, parts, strict=True), 1)
        ]
        draw_embedding(rows, title, out / FIGURE)


@dataclass(frozen=True, eq=False)
class _Part:
    """The answer for one predictor."""

    spots: Representation
    """Those that are drawn."""
    n_spots: int
    """Of all sections."""
    xy: Float[np.ndarray, "N 2"]
    shares: tuple[KindShares, ...]
    probed: ProbeScores | None
    """None where no section can be probed."""

    @property
    def statistic(self) -> tuple[Number, ...]:
        return (*(number for of in self.shares for number in of.statistic), *self._of_probe[0])

    @property
    def null(self) -> tuple[Number, ...]:
        return (*(number for of in self.shares for number in of.null), *self._of_probe[1])

    @property
    def _of_probe(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        return ((), ()) if self.probed is None else self.probed.numbers()

    @property
    def colourings(self) -> list[Colouring]:
        found = [_colouring(of) for of in self.shares]
        if self.probed is not None and found:
            (value,), (chance, before) = self.probed.numbers()
            words = (
                f"\nstain probe {value.value:.2f} ({_span(chance)}, "
                f"in the encoder's features {before.value:.2f})"
            )
            found[0] = replace(found[0], title=found[0].title + words)
        return found

    @property
    def table(self) -> pd.DataFrame:
        keys, of_kind = self.spots.keys, {of.kind: of for of in self.shares}
        nothing = np.full(len(self.spots), np.nan)
        columns = {
            "section": keys.section_names,
            "patient": keys.patient_names,
            "spot": keys.spot,
            "label": self.spots.label,
            "tsne_1": self.xy[:, 0],
            "tsne_2": self.xy[:, 1],
            "same_patient": of_kind["patient"].of_spot,
            "same_label": of_kind["label"].of_spot if "label" in of_kind else nothing,
        }
        if "site" in of_kind:
            columns["site"] = of_kind["site"].names
            columns["same_site"] = of_kind["site"].of_spot
        return pd.DataFrame(columns)


def tsne(values: Float[np.ndarray, "N R"]) -> Float[np.ndarray, "N 2"]:
    """Place points in the plane by t-SNE; equal points give equal places.

    Of raw values by L2, started from PCA (van der Maaten and Hinton, JMLR 9:2579, 2008).
    """
    method = TSNE(
        init="pca", perplexity=perplexity(len(values)), random_state=integer(_SEED, "explain-tsne")
    )
    with fixed_threads():  # with several threads, sums would have no fixed order
        return method.fit_transform(values.astype(np.float32)).astype(np.float64)


def perplexity(n_spots: int) -> float:
    """Perplexity of the t-SNE: 30, at most a third of the other spots."""
    return min(PERPLEXITY, (n_spots - 1) / 3)


def _numbered(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables joined by rows; with several predictors, a column numbers them."""
    if len(tables) == 1:
        return tables[0]
    for number, table in enumerate(tables, 1):
        table.insert(0, "predictor", number)
    return pd.concat(tables, ignore_index=True)


def _named(numbers: Sequence[tuple[Number, ...]], names: Sequence[str]) -> tuple[Number, ...]:
    """Numbers of all predictors; with several, names end with the predictor's number."""
    if len(numbers) == 1:
        return numbers[0]
    return tuple(
        replace(of, name=f"{of.name}_{place}", meaning=f"{of.meaning}; predictor {place}, {name}")
        for place, (part, name) in enumerate(zip(numbers, names, strict=True), 1)
        for of in part
    )


def _colouring(shares: KindShares) -> Colouring:
    if not shares.statistic:
        return Colouring(f"by {shares.kind}", shares.names)
    share, by_chance, before = (
        number.value for number in (shares.statistic[0], shares.null[0], shares.null[1])
    )
    of = "of other patients " if shares.kind == "site" else ""
    numbers = (
        f"{share:.2f} of the {N_NEAREST} nearest {of}share it\n"
        f"(shuffled {by_chance:.2f}, in the encoder's features {before:.2f})"
    )
    return Colouring(f"by {shares.kind}: {numbers}", shares.names)


def _span(number: Number) -> str:
    if number.low is None or number.high is None:
        return f"by chance {number.value:.2f}"
    return f"by chance {number.low:.2f} to {number.high:.2f}"
