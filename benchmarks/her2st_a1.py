"""Stain of the labelled section A1 of her2st: whether it tells tumour from other tissue.

`HISTOSCRIBE_DATA=../data python benchmarks/her2st_a1.py`: discs of 100 um around each spot, at the
3.2 um/px of the only image (the pasted thumbnail is white, as the catalogue says). A pathologist
labelled every spot. Each stain measure is the score of an AUROC: invasive tumour against other
tissue; the range by chance is of maps that are as smooth (`histoscribe.explain.surrogates`).

The second table relates each stain to genes: ERBB2 and the mean of immune genes, log(1 + counts per
10,000). `--tiles FOLDER` also writes the discs with most and least of each gene, for your own eyes:
the images of this section have no licence that lets them be published.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _machine import report
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from histoscribe.data.tile_measures.measures import tile_measures
from histoscribe.explain.surrogates import MapTest, auroc_test, correlation_test
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.sections.labels import read_labels
from histoscribe.types import Section

SEED = 0
DISC_UM = 100.0
NAMES = ("haematoxylin_density", "eosin_density", "darkness")
LABELS = "her2st/ST-pat/lbl/A1_labeled_coordinates.tsv"
TUMOUR = "invasive cancer"
OTHERS = {
    "connective and fat": ("connective tissue", "adipose tissue"),
    "connective": ("connective tissue",),
    "fat": ("adipose tissue",),
}
IMMUNE = (
    "PTPRC",
    "CD3D",
    "CD2",
    "TRAC",
    "LTB",
    "CD52",
    "IGKC",
    "CD74",
    "HLA-DRA",
    "C1QA",
    "TYROBP",
)
N_TILES, ENLARGED_PX = 8, 128


@dataclass(frozen=True, eq=False)
class LabelledSection:
    """Measures, labels and genes of the spots of A1."""

    um: Float[np.ndarray, "N 2"]
    discs: UInt8[np.ndarray, "N P P 3"]
    """White outside the disc."""
    label: np.ndarray
    stain: dict[str, Float[np.ndarray, " N"]]
    genes: dict[str, Float[np.ndarray, " N"]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the discs, print both tables and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=Path, help="folder for the discs of each gene")
    options = parser.parse_args(arguments)
    a1 = labelled_section()
    print(label_table(a1), end="\n\n")
    print(gene_table(a1))
    if options.tiles:
        write_discs(options.tiles, a1)
    report("her2st_a1", n_spots=len(a1.label), **_figures(a1))


def labelled_section() -> LabelledSection:
    """Read A1, measure the disc of each spot, and its genes."""
    section = read_cohort("catalog:her2st", sections=["A1"])["A1"]
    labels = read_labels(Path(os.environ["HISTOSCRIBE_DATA"]) / LABELS, section.spots)
    discs = _discs(section)
    measured = tile_measures(discs, section.slide.mpp, NAMES)
    return LabelledSection(
        um=section.spots.xy * section.slide.mpp,
        discs=discs,
        label=np.array([label or "" for label in labels]),
        stain=dict(zip(NAMES, measured.values.T, strict=True)),
        genes=_genes(section),
    )


def tumour_test(a1: LabelledSection, name: str, others: str) -> MapTest:
    """AUROC of a stain for tumour against other tissue, over the spots of both."""
    tumour = a1.label == TUMOUR
    both = tumour | np.isin(a1.label, OTHERS[others])
    return auroc_test(a1.stain[name][both], tumour[both], a1.um[both], SEED)


def label_table(a1: LabelledSection) -> str:
    """AUROC of each stain with its range by chance."""
    n_tumour = int((a1.label == TUMOUR).sum())
    lines = [
        f"| {n_tumour} spots of invasive tumour against | spots | measure | AUROC | by chance |",
        "|---|---|---|---|---|",
    ]
    for others, labels in OTHERS.items():
        n = int(np.isin(a1.label, labels).sum())
        for name in NAMES:
            lines.append(f"| {others} | {n} | `{name}` | {_cells(tumour_test(a1, name, others))} |")
    return "\n".join(lines)


def gene_table(a1: LabelledSection) -> str:
    """Correlation of each stain with genes over all spots."""
    lines = ["| genes | measure | correlation | by chance | p |", "|---|---|---|---|---|"]
    for gene, values in a1.genes.items():
        for name in NAMES:
            test = correlation_test(a1.stain[name], values, a1.um, SEED)
            lines.append(f"| {gene} | `{name}` | {_cells(test)} | {test.p:.3f} |")
    return "\n".join(lines)


def write_discs(folder: Path, a1: LabelledSection) -> None:
    """Write a strip for each gene: discs with most of it above, with least below."""
    folder.mkdir(parents=True, exist_ok=True)
    for gene, values in a1.genes.items():
        order = np.argsort(values, kind="stable")
        rows = [np.hstack(list(_enlarged(a1.discs[some]))) for some in (order[::-1], order)]
        Image.fromarray(np.vstack(rows)).save(folder / f"{gene.replace(' ', '-')}.png")


def _figures(a1: LabelledSection) -> dict[str, float]:
    """AUROC of each stain, its range by chance, and what unmixing gives over plain darkness."""
    figures = {}
    for others in OTHERS:
        tests = {name: tumour_test(a1, name, others) for name in NAMES}
        words = others.replace(" ", "_")
        for name, test in tests.items():
            low, high = np.percentile(test.draws, [2.5, 97.5])
            figures[f"{name}_{words}"] = test.value
            figures |= {f"{name}_{words}_low": float(low), f"{name}_{words}_high": float(high)}
        unmixed, grey = (tests[name].value for name in ("haematoxylin_density", "darkness"))
        figures[f"{words}_unmixing_ratio"] = unmixed / grey
    return figures


def _cells(test: MapTest) -> str:
    low, high = np.percentile(test.draws, [2.5, 97.5])
    return f"{test.value:.3f} | {low:.3f} to {high:.3f}"


def _enlarged(discs: UInt8[np.ndarray, "n P P 3"]) -> Iterator[UInt8[np.ndarray, "Q Q 3"]]:
    for disc in discs[:N_TILES]:
        yield np.asarray(Image.fromarray(disc).resize((ENLARGED_PX, ENLARGED_PX)))


def _discs(section: Section) -> UInt8[np.ndarray, "N P P 3"]:
    """The disc around each spot, white outside."""
    slide = section.slide
    side_px = round(DISC_UM / slide.mpp)
    tiles = np.stack([slide.read((x, y), side_px, slide.mpp) for x, y in section.spots.xy.tolist()])
    return np.where(_round(side_px)[..., None], tiles, np.uint8(255))


def _round(side_px: int) -> Bool[np.ndarray, "P P"]:
    offset = np.arange(side_px) + 0.5 - side_px / 2
    return offset[:, None] ** 2 + offset**2 <= (side_px / 2) ** 2


def _genes(section: Section) -> dict[str, Float[np.ndarray, " N"]]:
    """ERBB2, and the mean of immune genes, as log(1 + counts per 10,000)."""
    counts = section.measured
    total = np.maximum(counts.total, 1.0)[:, None]

    def mean(genes: Sequence[str]) -> Float[np.ndarray, " N"]:
        columns = [counts.gene_names.index(gene) for gene in genes]
        return np.log1p(counts.matrix[:, columns].toarray() / total * 1e4).mean(axis=1)

    return {"ERBB2": mean(["ERBB2"]), "immune genes": mean(IMMUNE)}


if __name__ == "__main__":
    main()
