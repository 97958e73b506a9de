"""Tissue unlike the training: share of places masked, values clipped, and scores of both sides.

`python benchmarks/unlike.py` prints three tables: her2st with one patient held out, a slide of
another organ and laboratory (CMU-1), and simulated slides whose stain is shifted. The first two
need `HISTOSCRIBE_DATA`. One seed decides everything.
"""

import argparse
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from skimage.color import hed2rgb, rgb2hed

import histoscribe as hs
from histoscribe.benchmark.score import truth_at
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.metrics.registry import METRICS, GeneMetric
from histoscribe.predictor.limits import ValueRange, is_beyond
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream
from histoscribe.simulate.cohort import simulate
from histoscribe.types import CLIPPED, DISTANCE, Cohort, Prediction, Section

HER2ST = {"B4": "B", "C2": "C", "C3": "C", "C4": "C", "C5": "C", "C6": "C"}
INPUTS = {
    "tile_px": 224,
    "mpp": 0.69,
    "encoder": "torchvision:squeezenet1_0",
    "layer": "features.10",
}
"""As in recipes/her2st-quick.toml."""
STAINS = {
    "as it is": (1.0, 1.0),
    "haematoxylin x 1.5": (1.5, 1.0),
    "haematoxylin x 0.6": (0.6, 1.0),
    "eosin x 1.5": (1.0, 1.5),
    "eosin x 2.5": (1.0, 2.5),
    "both x 2": (2.0, 2.0),
}
"""Factors of the optical density of haematoxylin and eosin."""
N_SHUFFLES = 200
_LEAST_PLACES = 10  # fewer places have no correlation worth a number


@dataclass(frozen=True)
class Trained:
    """A predictor with what its model says of its training spots."""

    predictor: Predictor
    predicted: ValueRange
    """Range of the predictions for the training spots: the other candidate for clipping."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="+", default=["ridge", "mlp"])
    parser.add_argument("--transforms", nargs="+", default=["pearson-residuals", "cp10k-log1p"])
    parser.add_argument("--only", choices=("her2st", "cmu-1", "simulated"))
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # what is printed says more
    parts = {"her2st": _her2st, "cmu-1": _cmu_1, "simulated": _simulated}
    for name, part in parts.items():
        if given.only in (None, name):
            print(f"\n{name}, seed {given.seed}\n", flush=True)
            _print(part(given.models, given.transforms, given.seed))


def _print(rows: Iterable[Mapping[str, object]]) -> None:
    """Print each row of a Markdown table as soon as it is known."""
    for number, row in enumerate(rows):
        if number == 0:
            print(f"| {' | '.join(row)} |\n|{'---|' * len(row)}")
        print(f"| {' | '.join(map(str, row.values()))} |", flush=True)


def _her2st(
    models: Sequence[str], transforms: Sequence[str], seed: int
) -> Iterator[Mapping[str, object]]:
    """Each patient held out in turn; each of its sections."""
    cohort = hs.read_cohort("catalog:her2st", sections=tuple(HER2ST))
    for transform in transforms:
        for model in models:
            for held_out in sorted(set(HER2ST.values())):
                train = [name for name, patient in HER2ST.items() if patient != held_out]
                trained = _trained(model, transform, cohort, train, seed)
                for name in sorted(set(HER2ST) - set(train)):
                    about = {"target": transform, "model": model, "held out": name}
                    yield about | _scores(trained, cohort[name], seed)


def _cmu_1(
    models: Sequence[str], transforms: Sequence[str], seed: int
) -> Iterator[Mapping[str, object]]:
    """A slide of another organ, laboratory and scanner, by predictors of all of her2st."""
    slide = Path(os.environ["HISTOSCRIBE_DATA"]) / "slides" / "CMU-1-Small-Region.svs"
    cohort = hs.read_cohort("catalog:her2st", sections=tuple(HER2ST))
    for transform in transforms:
        for model in models:
            trained = _trained(model, transform, cohort, list(HER2ST), seed)
            about = {"target": transform, "model": model}
            yield about | _unmeasured(trained.predictor, slide)


def _simulated(
    models: Sequence[str], transforms: Sequence[str], seed: int
) -> Iterator[Mapping[str, object]]:
    """A held-out simulated patient, its picture stained differently."""
    with TemporaryDirectory() as place:
        manifest = simulate(Path(place) / "cohort", n_patients=5, seed=seed)
        cohort = hs.read_cohort(manifest)
        *train, held_out = cohort.ids
        for transform in transforms:
            for model in models:
                trained = _trained(model, transform, cohort, train, seed)
                for stain, factors in STAINS.items():
                    section = _restained(cohort[held_out], factors, Path(place))
                    about = {"target": transform, "model": model, "stain": stain}
                    yield about | _scores(trained, section, seed)


def _trained(
    model: str, transform: str, cohort: Cohort, sections: Sequence[str], seed: int
) -> Trained:
    of = cohort.subset(sections)
    inputs = INPUTS if set(sections) <= set(HER2ST) else {"tile_px": 64, "mpp": 1.0}
    n_genes = 250 if inputs is INPUTS else 100
    predictor = hs.train(
        of, model, seed=seed, inputs=inputs, target={"n_genes": n_genes, "transform": transform}
    )
    values = [predictor(cohort[name], keep_unlike=True).values for name in sections]
    return Trained(predictor, ValueRange.of(np.concatenate(values)))


def _scores(trained: Trained, section: Section, seed: int) -> Mapping[str, object]:
    """Shares of masked places and clipped values, and the scores of masked and other places."""
    predictor = trained.predictor
    raw = predictor.from_queries(section, predictor.queries(section, _cache()))
    limited = predictor(section, _cache(), keep_unlike=True)
    beyond = is_beyond(raw.head.spot_facts[DISTANCE])
    clipped = limited.head.spot_facts[CLIPPED] / len(raw.genes)
    narrow = (trained.predicted.clip(raw.values) != raw.values).mean(axis=1)
    return {
        "places": len(beyond),
        "masked": f"{beyond.mean():.0%}",
        "clipped, kept places": f"{_mean(clipped[~beyond]):.2%}",
        "clipped, masked places": f"{_mean(clipped[beyond]):.2%}",
        "clipped if the range were that of predictions": f"{_mean(narrow[~beyond]):.2%}",
        **_sides(predictor, section, raw, beyond, seed),
        "pcc of all, clipped": _text(
            _pcc(predictor, section, limited.values, np.ones_like(beyond))
        ),
    }


def _sides(
    predictor: Predictor, section: Section, raw: Prediction, beyond: np.ndarray, seed: int
) -> Mapping[str, object]:
    """Correlations of both sides, and how often shuffled sides differ as much."""
    every = np.ones_like(beyond)
    scores = {
        f"{name} {side}": _text(_pcc(predictor, section, raw.values, rows, name))
        for name in ("pcc", "pcc_given_depth")
        for side, rows in (("kept", ~beyond), ("masked", beyond))
    }
    found = _difference(predictor, section, raw.values, beyond)
    rng = stream(seed, f"sides-{section.id}")
    shuffled = [
        _difference(predictor, section, raw.values, rng.permutation(beyond))
        for _ in range(N_SHUFFLES if np.isfinite(found) else 0)
    ]
    as_much = np.mean([1.0, *(one >= found for one in shuffled)]) if shuffled else np.nan
    whole = _text(_pcc(predictor, section, raw.values, every))
    return {**scores, "p of shuffled sides": _text(as_much), "pcc of all": whole}


def _difference(
    predictor: Predictor, section: Section, values: np.ndarray, beyond: np.ndarray
) -> float:
    kept, masked = (_pcc(predictor, section, values, rows) for rows in (~beyond, beyond))
    return kept - masked


def _pcc(
    predictor: Predictor,
    section: Section,
    values: np.ndarray,
    rows: np.ndarray,
    name: str = "pcc",
) -> float:
    """Mean over genes; NaN for few places."""
    at, metric = np.flatnonzero(rows), METRICS[name]
    if len(at) < _LEAST_PLACES or not isinstance(metric, GeneMetric):
        return np.nan
    truth = truth_at(section, at, predictor.target)
    return float(np.nanmean(metric.of(truth.with_prediction(values[at]))))


def _unmeasured(predictor: Predictor, slide: Path) -> Mapping[str, object]:
    """Values of a slide without counts, before and after masking."""
    kept = hs.predict_slide(predictor, slide, keep_unlike=True)
    masked = hs.predict_slide(predictor, slide)
    section = Section(slide.stem, None, open_whole_slide(slide), kept.spots, None)
    raw = predictor.from_queries(section, predictor.queries(section, _cache()))
    distance, value_range = kept.head.spot_facts[DISTANCE], predictor.value_range
    given = np.isfinite(masked.values).all(axis=1)
    return {
        "places": len(distance),
        "masked": f"{1 - given.mean():.0%}",
        "training values": _range(value_range.low, value_range.high),
        "raw values": _range(raw.values, raw.values),
        "kept values": _range(kept.values, kept.values),
        "clipped": f"{_mean(kept.head.spot_facts[CLIPPED]) / len(raw.genes):.2%}",
        "values after masking": _range(masked.values[given], masked.values[given]),
        "correlation of raw maps with distance": _text(_with_distance(raw.values, distance)),
        "genes offered": bool(np.mean(masked.head.spot_facts["trusted"]) >= 0.5),
    }


def _with_distance(values: np.ndarray, distance: np.ndarray) -> float:
    """Median over genes of the absolute correlation with the distance to training."""
    varying = values[:, np.ptp(values, axis=0) > 0]
    both = np.corrcoef(np.column_stack([distance, varying]), rowvar=False)[0, 1:]
    return float(np.median(np.abs(both)))


def _restained(section: Section, factors: tuple[float, float], place: Path) -> Section:
    """The section with another stain: optical densities times the factors."""
    if factors == (1.0, 1.0):
        return section
    density = rgb2hed(section.slide.overview(section.slide.mpp))
    density[..., :2] *= factors
    path = place / f"{section.id}-{factors[0]:g}-{factors[1]:g}.png"
    Image.fromarray(np.rint(255 * hed2rgb(density).clip(0, 1)).astype(np.uint8)).save(path)
    slide = open_whole_slide(path, section.slide.mpp)
    return Section(section.id, section.patient, slide, section.spots, section.counts)


def _cache() -> Path:
    return Path(os.environ.get("HISTOSCRIBE_CACHE", "~/.cache/histoscribe")).expanduser()


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def _range(low: np.ndarray, high: np.ndarray) -> str:
    return f"{low.min():.3g} to {high.max():.3g}" if low.size else "none"


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    main()
