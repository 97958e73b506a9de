"""The gene families of a simulated cohort, and how each follows the tissue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from histoscribe.seed import stream

FAMILIES = (
    "compartment",
    "density",
    "arrangement",
    "position",
    "lookup",
    "pathway",
    "null",
    "patient_flip",
)
BALANCE = "balance"
"""Genes that fill the remaining share, so that the rates of a spot sum to one. Without them the
share of every gene, null genes included, would follow the rest of the spot.
"""
N_BALANCE = 24
FAMILY_SHARE = 0.05
"""Average share of all molecules for each family; eight families leave over half to `balance`."""
LARGEST_LOG_CHANGE = 0.9
"""Keeps the eight families below 8 * 0.05 * exp(0.9) = 0.98 of a spot."""

AVERAGE_DENSITY = 4200.0
"""Approximate number of nuclei per mm2 of solid tissue."""

COMPARTMENTS = ("tumour", "stroma", "infiltrate", "fat", "lumen")
MOTIF_SHAPE = (3, 3, 3, 2, 2, 2)
"""Number of levels of nuclear size, elongation, arrangement, alignment, chromatin and fibre grain.
All of them stay visible when a tile is turned or mirrored.
"""
N_MOTIFS = int(np.prod(MOTIF_SHAPE))
ARRANGEMENTS = ("regular", "random", "clustered")
PATHWAYS = ("PROLIFERATION", "MATRIX", "IMMUNE", "ADIPOSE", "CROWDING", "INTERFACE")


class MotifLevels(NamedTuple):
    """Level of each visible attribute, in the order of `MOTIF_SHAPE`."""

    size: Int[np.ndarray, " M"]
    elongation: Int[np.ndarray, " M"]
    arrangement: Int[np.ndarray, " M"]
    alignment: Int[np.ndarray, " M"]
    chromatin: Int[np.ndarray, " M"]
    grain: Int[np.ndarray, " M"]


def motif_levels(motif: Int[np.ndarray, " M"]) -> MotifLevels:
    """Split motifs into the levels of their attributes."""
    return MotifLevels(*np.unravel_index(motif, MOTIF_SHAPE))


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Tissue around each spot of a section (within 50 um of its centre)."""

    fraction: Float[np.ndarray, "N 5"]
    """Area share of each compartment; rows sum to one."""
    density: Float[np.ndarray, " N"]
    """Nuclei per mm2, excluding fat and lumen, whose white would reveal it."""
    motif: Int[np.ndarray, " N"]
    position: Float[np.ndarray, "N 2"]
    """From the centroid of the tissue, in tissue radii."""

    @property
    def arrangement(self) -> Int[np.ndarray, " N"]:
        """Level of arrangement, as in `ARRANGEMENTS`."""
        return motif_levels(self.motif).arrangement


@dataclass(frozen=True, eq=False)
class Genes:
    """All genes of a cohort, with their family, programme and signal."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    family: tuple[str, ...]
    programme: tuple[str, ...]
    """Compartment or pathway that the gene follows, else empty."""
    share: Float[np.ndarray, " A"]
    """Mean share of all molecules."""
    slope: Float[np.ndarray, " A"]
    """Change of the log rate per unit of the family's signal."""

    def of(self, family: str) -> Int[np.ndarray, " G"]:
        """Columns of one family."""
        return np.flatnonzero(np.array(self.family) == family)


def draw_genes(families: Sequence[str], n: int, seed: int) -> Genes:
    """Draw `n` genes of each family, and the balancing genes."""
    blocks = [*((name, n) for name in families), (BALANCE, N_BALANCE)]
    left = 1.0 - FAMILY_SHARE * len(families)
    share, slope, programme, names = [], [], [], []
    for family, size in blocks:
        rng = stream(seed, f"genes-{family}")
        weight = np.exp(0.5 * rng.standard_normal(size))
        share.append(weight / weight.sum() * (left if family == BALANCE else FAMILY_SHARE))
        slope.append(_slopes(family, size, rng))
        programme += _programmes(family, size)
        names += [f"{family.upper().replace('_', '')}{number + 1:03d}" for number in range(size)]
    return Genes(
        ids=tuple(f"SIM-{name}" for name in names),
        names=tuple(names),
        family=tuple(family for family, size in blocks for _ in range(size)),
        programme=tuple(programme),
        share=np.concatenate(share),
        slope=np.concatenate(slope),
    )


def latent_rates(
    genes: Genes, around: Surroundings, flips: Float[np.ndarray, " F"], seed: int
) -> Float[np.ndarray, "N A"]:
    """Expected share of each gene among the molecules of each spot; rows sum to one.

    `flips` holds the patient's sign of each `patient_flip` gene.
    """
    rates = np.tile(genes.share, (len(around.motif), 1))
    for family in sorted(set(genes.family) - {BALANCE, "null"}):
        columns = genes.of(family)
        signal = flips * _tumour(around) if family == "patient_flip" else None
        if signal is None:
            signal = _SIGNALS[family]([genes.programme[g] for g in columns], around, seed)
        change = np.clip(genes.slope[columns] * signal, -LARGEST_LOG_CHANGE, LARGEST_LOG_CHANGE)
        rates[:, columns] *= np.exp(change)
    balance = genes.of(BALANCE)
    others = rates.sum(axis=1) - rates[:, balance].sum(axis=1)
    part = genes.share[balance] / genes.share[balance].sum()
    rates[:, balance] = (1.0 - others)[:, None] * part
    return rates


def flip_signs(n_genes: int, n_patients: int, seed: int) -> Float[np.ndarray, "patients F"]:
    """Sign of each `patient_flip` gene in each patient.

    Rows of a Hadamard matrix, each gene multiplied by a random sign: any two patients agree on half
    of the genes. With 2**k genes and up to k + 1 patients every pattern of signs occurs once, so a
    rule learned from the other patients is right for half of the genes.
    """
    order = 1 << max(n_genes - 1, n_patients - 1, 1).bit_length()
    rows = sorted(range(order), key=_row_rank)[:n_patients]
    rng = stream(seed, "flip-genes")
    columns, sign = rng.permutation(order)[:n_genes], rng.choice([-1.0, 1.0], n_genes)
    return scipy.linalg.hadamard(order)[rows][:, columns] * sign


def gene_sets(genes: Genes) -> Mapping[str, tuple[str, ...]]:
    """Members of each pathway by gene name, with a control set that follows no signal."""
    programme, names = np.array(genes.programme), np.array(genes.names)
    sets = {f"SIM_{name}": tuple(names[programme == name]) for name in PATHWAYS}
    sets["SIM_DECOY"] = tuple(names[genes.of("null")])
    return {name: members for name, members in sets.items() if members}


def _row_rank(row: int) -> tuple[bool, int]:
    """Independent rows first, then products of many of them."""
    bits = row.bit_count()
    return bits > 1, -bits


def _slopes(family: str, size: int, rng: np.random.Generator) -> Float[np.ndarray, " size"]:
    if family in ("null", BALANCE):
        return np.zeros(size)
    if family == "patient_flip":
        return np.full(size, 0.8)  # equal sizes, so that opposite signs cancel over genes
    sign = rng.choice([-1.0, 1.0], size) if family in ("density", "arrangement") else 1.0
    return sign * rng.uniform(0.5, 0.75, size)


def _programmes(family: str, size: int) -> list[str]:
    names = {"compartment": COMPARTMENTS[:4], "pathway": PATHWAYS}.get(family, ("",))
    return [names[number % len(names)] for number in range(size)]


def _tumour(around: Surroundings) -> Float[np.ndarray, "N 1"]:
    return (around.fraction[:, :1] - 0.4) / 0.35


def _compartment(
    programmes: list[str], around: Surroundings, seed: int
) -> Float[np.ndarray, "N G"]:
    del seed
    columns = [COMPARTMENTS.index(name) for name in programmes]
    return (around.fraction[:, columns] - 0.3) / 0.3


def _log_density(around: Surroundings) -> Float[np.ndarray, "N 1"]:
    return (np.log(around.density)[:, None] - np.log(AVERAGE_DENSITY)) / 0.4


def _density(programmes: list[str], around: Surroundings, seed: int) -> Float[np.ndarray, "N 1"]:
    del programmes, seed
    return _log_density(around)


def _arrangement(
    programmes: list[str], around: Surroundings, seed: int
) -> Float[np.ndarray, "N 1"]:
    del programmes, seed
    return 1.2 * (around.arrangement[:, None] - 1.0)


def _position(programmes: list[str], around: Surroundings, seed: int) -> Float[np.ndarray, "N G"]:
    rng = stream(seed, "position")
    direction, phase = rng.uniform(0.0, 2.0 * np.pi, (2, len(programmes)))
    along = around.position @ np.stack([np.cos(direction), np.sin(direction)])
    # odd in the position, so that the tissue border in a tile does not reveal it
    return np.sqrt(2.0) * np.sin(np.where(phase < np.pi, 1.5, 2.5) * along)


def _lookup(programmes: list[str], around: Surroundings, seed: int) -> Float[np.ndarray, "N G"]:
    values = stream(seed, "lookup").standard_normal((N_MOTIFS, len(programmes)))
    return values[around.motif]


def _pathway(programmes: list[str], around: Surroundings, seed: int) -> Float[np.ndarray, "N G"]:
    del seed
    tumour, stroma, infiltrate, fat, _ = (around.fraction[:, [c]] for c in range(5))
    crowd = _log_density(around)
    activity = {
        "PROLIFERATION": 2.0 * (tumour - 0.4) + 0.5 * crowd,
        "MATRIX": 2.5 * (stroma - 0.4) - 0.3 * crowd,
        "IMMUNE": 4.0 * (infiltrate - 0.15),
        "ADIPOSE": 4.0 * (fat - 0.1),
        "CROWDING": crowd,
        "INTERFACE": 8.0 * tumour * stroma - 1.0,
    }
    return np.hstack([activity[name] for name in programmes])


_SIGNALS = {
    "compartment": _compartment,
    "density": _density,
    "arrangement": _arrangement,
    "position": _position,
    "lookup": _lookup,
    "pathway": _pathway,
}
