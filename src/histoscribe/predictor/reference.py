"""Reference of the training tissue, to recognise tissue that differs from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.linalg import eigh

from histoscribe.data.stain_density import TissueStain, slide_stain
from histoscribe.models.closed_form.standard import mean_and_scale
from histoscribe.seed import stream
from histoscribe.types import Cohort, SpotKeys, SpotRows, SpotTable

N_AXES = 64
"""Largest number of principal axes of the feature space."""
N_SPOTS = 2000
"""Largest number of stored training spots."""
MPP_MARGIN = 0.10
"""Tolerated relative difference of a slide's um/px from those of training."""
MOST_FAR = 1 / 3
"""Tolerated share of a slide's spots beyond one unit."""
_PERCENTILE = 95  # of the training spots lie within one unit of another patient
_NEAR_STEPS = 2.0  # within one section, tiles nearer than this share pixels
_LEAST_UNIT = 1e-6  # of a training deviation: less is rounding
_CHUNK = 4096  # spots searched at once


@dataclass(frozen=True, eq=False)
class Reference:
    """Training spots in a small feature space, and the slides they come from.

    K axes; the last column of a point is the length of the remainder outside the axes, so that
    tissue that differs in a direction without variation in training is far, too.
    """

    mean: Float[np.ndarray, " D"]
    scale: Float[np.ndarray, " D"]
    """Standard deviation of the training spots; infinite for constant features."""
    axes: Float[np.ndarray, "K D"]
    points: Float[np.ndarray, "M K_and_rest"]
    """Stored training spots, sections in sorted order."""
    unit: float | None
    """Distance within which 95 % of the stored training spots have a spot of another group; None
    without such a spot, and distances are then NaN.
    """
    unit_of: str
    """Kind of the other group: another `patient`, `section`, or `place` within one section."""
    mpp: tuple[float, float]
    """Smallest and largest native um/px of the training slides."""
    stain: Mapping[str, TissueStain]
    """Stain of each training section's slide; slides without detected tissue are left out."""

    def distance(self, feature: Float[np.ndarray, "N D"]) -> Float32[np.ndarray, " N"]:
        """Distance of spots to the nearest kept training spot, exact, in units of `unit`.

        About 5 % of spots of tissue similar to the training tissue lie beyond 1. NaN if `unit` is
        unknown.
        """
        parts = [
            self._nearest(feature[start : start + _CHUNK])
            for start in range(0, len(feature), _CHUNK)
        ]
        found = np.concatenate(parts) if parts else np.zeros(0)
        return (found / (np.nan if self.unit is None else self.unit)).astype(np.float32)

    def place(self, feature: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N K_and_rest"]:
        """Positions of spots in the feature space."""
        return _place((feature - self.mean) / self.scale, self.axes)

    def arrays(self) -> dict[str, np.ndarray]:
        """Saved arrays, by name."""
        names = ("mean", "scale", "axes", "points")
        return {name: np.asarray(getattr(self, name), order="C") for name in names}

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the arrays."""
        return {
            "unit": self.unit,
            "unit_of": self.unit_of,
            "mpp": list(self.mpp),
            "stain": {section: asdict(stain) for section, stain in sorted(self.stain.items())},
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> "Reference":
        """Restore from `arrays` and `to_json`; a missing or additional name is an error."""
        low, high = record["mpp"]
        return cls(
            **arrays,
            unit=record["unit"],
            unit_of=record["unit_of"],
            mpp=(low, high),
            stain={section: TissueStain(**stain) for section, stain in record["stain"].items()},
        )

    def _nearest(self, feature: Float[np.ndarray, "n D"]) -> Float[np.ndarray, " n"]:
        points = self.points.astype(np.float64)
        place = self.place(feature)
        nearest = (np.square(points).sum(axis=1) - 2.0 * place @ points.T).argmin(axis=1)
        # squares of sums lose digits of small distances: those of the nearest are computed again
        return np.sqrt(np.square(place - points[nearest]).sum(axis=1))


def fit_reference(table: SpotTable, cohort: Cohort, train: SpotRows, seed: int) -> Reference:
    """Fit the reference: training spots, and um/px and stain of their slides.

    `table` holds the spots of `train`. At most 2,000 spots are stored, equally many from each
    section as far as possible; axes and unit are fitted on them.
    """
    mean, scale = mean_and_scale(table.feature)
    rows = _kept_rows(table.keys, seed)
    standard = (table.feature[rows] - mean) / scale
    axes = _principal_axes(standard)
    points = _place(standard, axes).astype(np.float32)
    apart, unit_of = _apart(table, rows, cohort, train)
    slides = {section: cohort[section].slide for section in sorted(train)}
    mpp = [slide.mpp for slide in slides.values()]
    stain = {section: slide_stain(slide) for section, slide in slides.items()}
    return Reference(
        mean=mean,
        scale=scale,
        axes=axes,
        points=points,
        unit=_unit(points.astype(np.float64), apart),
        unit_of=unit_of,
        mpp=(float(min(mpp)), float(max(mpp))),
        stain={section: found for section, found in stain.items() if found is not None},
    )


def _kept_rows(keys: SpotKeys, seed: int) -> Int[np.ndarray, " M"]:
    """Rows of at most N_SPOTS spots, sections balanced, each drawn by a stream of its own."""
    of_section = {section: rows for section, _, rows in keys.by_section()}
    room, kept = N_SPOTS, [np.zeros(0, dtype=np.int64)]
    # the smallest first: its free places go to the others
    by_size = sorted(of_section, key=lambda name: (len(of_section[name]), name))
    for n_left, name in zip(range(len(by_size), 0, -1), by_size, strict=True):
        n_rows = min(len(of_section[name]), room // n_left)
        order = stream(seed, f"reference-{name}").permutation(len(of_section[name]))
        kept.append(of_section[name][order[:n_rows]])
        room -= n_rows
    return np.sort(np.concatenate(kept))


def _principal_axes(standard: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "K D"]:
    """The directions of most variation, from the smaller of the two Gram matrices."""
    centred = standard - standard.mean(axis=0)
    n_spots, width = centred.shape
    n_axes = min(N_AXES, width, n_spots)
    few = n_spots < width
    gram = centred @ centred.T if few else centred.T @ centred
    values, vectors = eigh(gram, subset_by_index=[len(gram) - n_axes, len(gram) - 1])
    varies = values > 1e-9 * max(values[-1], 1e-300)
    vectors = vectors[:, varies][:, ::-1]
    axes = (centred.T @ vectors).T if few else vectors.T
    length = np.linalg.norm(axes, axis=1, keepdims=True)
    return np.asarray(axes / length, order="C")


def _place(
    standard: Float[np.ndarray, "N D"], axes: Float[np.ndarray, "K D"]
) -> Float[np.ndarray, "N K_and_rest"]:
    along = standard @ axes.T
    rest = np.linalg.norm(standard - along @ axes, axis=1)
    return np.column_stack([along, rest])


def _apart(
    table: SpotTable, rows: Int[np.ndarray, " M"], cohort: Cohort, train: SpotRows
) -> tuple[Bool[np.ndarray, "M M"], str]:
    """Pairs of stored spots from different groups, and the kind of group."""
    for kind, group in (("patient", table.keys.patient), ("section", table.keys.section)):
        if len(np.unique(group)) > 1:
            return group[rows][:, None] != group[rows][None, :], kind
    ((name, spots),) = train.items()
    section = cohort[name]
    xy_um = section.spots.xy[spots][rows] * section.slide.mpp
    between = np.linalg.norm(xy_um[:, None] - xy_um[None, :], axis=2)
    return between > _NEAR_STEPS * section.spots.step_um, "place"


def _unit(
    points: Float[np.ndarray, "M K_and_rest"], apart: Bool[np.ndarray, "M M"]
) -> float | None:
    """The 95th percentile of the distances to the nearest spot of another group."""
    square = np.square(points).sum(axis=1)
    between = square[:, None] + square[None, :] - 2.0 * points @ points.T
    nearest = np.where(apart, np.maximum(between, 0.0), np.inf).min(axis=1)
    known = np.isfinite(nearest)
    if not known.any():
        return None
    return max(float(np.percentile(np.sqrt(nearest[known]), _PERCENTILE)), _LEAST_UNIT)
