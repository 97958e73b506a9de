"""Maps held against a second slide with immunohistochemistry, on simulated pairs.

`python benchmarks/ihc.py`: ridge on `colour_texture` is trained on five patients of a simulated
cohort and predicts the sixth, of which a second slide is drawn with brown tumour: turned by 24
degrees, of another scale, bent by 8 um (deviation), with six landmarks that are off by 10 um in
each direction. Printed are, for each of five seeds, the errors of the landmarks, the correlation of
the measured density of DAB with the true one, and the agreement of the predicted map of a gene of
the tumour; and the share of the null genes, which follow nothing, with p at most 0.05: of their
measured spots, and of their predicted maps.

It is the same slice of tissue, which no real second slide is, so a real pair fits worse.

`--quick` shows in a minute that it runs. `--figure FILE` draws the first pair.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _machine import report
from _stained_pair import PairSettings, StainedPair, stained_pair

from histoscribe.explain.where.against.choice import ReferenceFiles
from histoscribe.explain.where.against.reference import MapReference, held_against
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.predictor.predictor import Predictor
from histoscribe.simulate import simulate
from histoscribe.train.run import train
from histoscribe.types import Section

N_PATIENTS, N_SPOTS, N_NULL = 6, 150, 24
TUMOUR_GENE = "COMPARTMENT001"
BEND_UM, LANDMARK_UM = 8.0, 10.0


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one pair gave."""

    seed: int
    section: Section
    pair: StainedPair
    reference: MapReference
    predicted: np.ndarray
    """Of the gene of the tumour."""
    numbers: dict[str, float]


def main() -> None:
    """Print a line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small pair")
    parser.add_argument("--figure", type=Path, help="PNG of the first pair")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    seeds, n_spots = ([0], 40) if given.quick else (given.seeds, N_SPOTS)
    outcomes = []
    with TemporaryDirectory() as folder:
        for outcome in _outcomes(Path(folder), seeds, n_spots):
            if not outcomes:
                print(f"| seed | {' | '.join(outcome.numbers)} |")
                print("|---" * (1 + len(outcome.numbers)) + "|")
                if given.figure is not None:
                    _draw(outcome, given.figure)
            values = " | ".join(f"{value:.3g}" for value in outcome.numbers.values())
            print(f"| {outcome.seed} | {values} |", flush=True)
            outcomes.append(outcome)
    mean = {
        name: float(np.mean([outcome.numbers[name] for outcome in outcomes]))
        for name in outcomes[0].numbers
    }
    ratio = mean["null_measured"] / 0.05
    report("ihc", pairs=len(outcomes), **mean, alarms_of_measured_to_5_percent_ratio=ratio)


def _outcomes(folder: Path, seeds: Sequence[int], n_spots: int) -> Iterator[Outcome]:
    for seed in seeds:
        out = folder / str(seed)
        manifest = simulate(
            out / "cohort",
            n_patients=N_PATIENTS,
            families=("compartment", "null"),
            genes_per_family=N_NULL,
            spots_per_section=n_spots,
            seed=seed,
        )
        predictor = train(
            manifest,
            "ridge",
            sections=[f"P{number + 1}S1" for number in range(N_PATIENTS - 1)],
            out=out / "ridge",
            cache=out / "cache",
            target={"n_genes": 2 * N_NULL + 24, "transform": "cp10k-log1p"},
        )
        yield _outcome(out, seed, n_spots, predictor)


def _outcome(out: Path, seed: int, n_spots: int, predictor: Predictor) -> Outcome:
    id_ = f"P{N_PATIENTS}S1"
    section = read_cohort(out / "cohort" / "cohort.csv")[id_]
    settings = PairSettings(bend_um=BEND_UM, landmark_um=LANDMARK_UM, seed=seed)
    image = out / "cohort" / f"{id_}.jpg"
    pair = stained_pair(out / "second", image, id_, n_spots, seed, settings)
    files = ReferenceFiles(against=pair.image, points=pair.points)
    (reference,) = files.references(section)
    rows, truth = reference.present, pair.of_spots(section.spots.xy, section.spots.drawn_um / 2)
    values = predictor(section, out / "cache", keep_unlike=True).values.astype(np.float64)
    labels = predictor.gene_labels
    um = section.spots.xy * section.slide.mpp

    def numbers_of(maps: np.ndarray, label: str) -> dict[str, float]:
        result = held_against(maps[:, labels.index(label)], reference, um, seed=seed)
        return {number.name: number.value for number in result.statistic}

    tumour = numbers_of(values, TUMOUR_GENE)
    numbers = {number.name: number.value for number in reference.numbers}
    numbers["dab_to_truth"] = float(np.corrcoef(truth[rows], reference.value[rows])[0, 1])
    chosen = ("correlation_stain", "auroc_stain", "p_correlation_stain")
    numbers |= {name: tumour[name] for name in chosen}
    null = [label for label in labels if label.startswith("NULL")]
    measured = predictor.target.apply(section).astype(np.float64)
    for name, maps in (("null_measured", measured), ("null_predicted", values)):
        p = np.array([numbers_of(maps, label)["p_correlation_stain"] for label in null])
        numbers[name] = float((p <= 0.05).mean())
    predicted = values[:, labels.index(TUMOUR_GENE)]
    return Outcome(seed, section, pair, reference, predicted, numbers)


def _draw(outcome: Outcome, path: Path) -> None:
    """H&E and second slide, and below them the predicted map and the density of DAB."""
    from matplotlib import pyplot as plt
    from PIL import Image

    section, reference = outcome.section, outcome.reference
    figure, axes = plt.subplots(2, 2, figsize=(8.0, 8.0), layout="constrained")
    axes[0, 0].imshow(section.slide.overview(2.0))
    axes[0, 0].set_title("H&E")
    with Image.open(outcome.pair.image) as picture:
        axes[0, 1].imshow(picture.reduce(3))
    axes[0, 1].set_title("second slide, tumour stained with DAB")
    x, y = section.spots.xy.T
    for place, values, title in (
        (axes[1, 0], outcome.predicted, f"prediction of {TUMOUR_GENE}"),
        (axes[1, 1], reference.drawn, "density of DAB, laid over the H&E"),
    ):
        marks = place.scatter(x, -y, c=values, cmap="cividis", s=1.2e4 / len(x))
        place.set_aspect("equal")
        place.set_title(title)
        figure.colorbar(marks, ax=place, shrink=0.8)
    for one in axes.ravel():
        one.set_xticks([])
        one.set_yticks([])
    figure.suptitle(
        f"Simulated pair, seed {outcome.seed}: correlation "
        f"{outcome.numbers['correlation_stain']:.2f}, AUROC {outcome.numbers['auroc_stain']:.2f}"
    )
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
