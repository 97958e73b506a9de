"""One genome of a count matrix: a mixed sample or a combined reference lists genes of two."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from histoscribe.errors import DataContractError, Problem


@dataclass(frozen=True, eq=False)
class OneGenome:
    """Genes of one genome."""

    rows: Int[np.ndarray, " A"]
    """Their places among the genes given."""
    ids: tuple[str, ...]
    """Ids without the name of the genome in front."""
    names: tuple[str, ...]
    notes: tuple[str, ...]


_MAIN_SHARE = 0.6
"""Least share of the molecules of a genome that is taken without being chosen."""
_ASSEMBLIES = {
    "human": re.compile(r"(GRCh|hg)\d|human$|homo", re.IGNORECASE),
    "mouse": re.compile(r"(GRCm|mm)\d|mouse$|mus[ _.]", re.IGNORECASE),
    "rat": re.compile(r"(rn|Rnor_?|mRatBN)\d|rat$|rattus", re.IGNORECASE),
    "zebrafish": re.compile(r"(GRCz|danRer)\d|zebrafish$|danio", re.IGNORECASE),
}
_SPECIES = {"ENSG": "human", "ENSMUSG": "mouse", "ENSRNOG": "rat", "ENSDARG": "zebrafish"}
_BEFORE_ENSEMBL = re.compile(r"(.+?)[-_]+(?=ENS[A-Z]*G\d{11})")
_BEFORE_SYMBOL = re.compile(r"(GRC[a-z]\d+|hg\d+|mm\d+|rn\d+|danRer\d+)[-_.]+(?=\S)")
"""`GRCh38_TP53`, `mm10___Trp53`; Seurat writes hyphens for underscores."""
_ENSEMBL = re.compile(r"(ENS[A-Z]*G)\d{11}")
_BLANK = frozenset({"", "na", "nan", "none", "<na>"})

Listed = tuple[Sequence[str], Sequence[str], Sequence[str] | None]
"""Ids, names and genomes of the genes; None if the file has no column of genomes."""


def without_genome(
    genes: Listed, n_molecules: Float[np.ndarray, " _"], where: str, genome: str | None
) -> OneGenome:
    """Genes of `genome`, or of the one with most of the molecules, by names without a genome.

    Genomes are told apart by the column of genomes, else by a name in front of the ids (`GRCh38_`,
    `mm10___`), else by the species of Ensembl ids. A gene of no stated genome belongs to the one
    that is taken.

    Raises
    ------
    DataContractError
        if no gene is of the genome chosen, or none was chosen and no genome has 60 % of the
        molecules.
    """
    ids, names, column = genes
    prefixes = [_prefix(id_) or _prefix(name) for id_, name in zip(ids, names, strict=True)]
    labels = _labels(ids, prefixes, column)
    present = {
        label: _share(labels, label, n_molecules) for label in dict.fromkeys(labels) if label
    }
    taken = _taken(present, where, genome)
    rows = np.array([row for row, of in enumerate(labels) if of in ("", taken)], dtype=np.int64)
    return OneGenome(
        rows,
        tuple(_strip(ids[row], prefixes[row]) for row in rows),
        tuple(_strip(names[row], prefixes[row]) for row in rows),
        _notes(present, taken, len(ids) - len(rows)),
    )


def _prefix(name: str) -> str:
    """Name of a genome in front of an id, e.g. `mm10`; empty if there is none."""
    match = _BEFORE_ENSEMBL.match(name) or _BEFORE_SYMBOL.match(name)
    return match[1] if match else ""


def _strip(name: str, prefix: str) -> str:
    """Remove a genome in front of a name."""
    bare = name[len(prefix) :].lstrip("-_.") if prefix and name.startswith(prefix) else name
    return bare or name


def _labels(ids: Sequence[str], prefixes: Sequence[str], column: Sequence[str] | None) -> list[str]:
    """Genome of each gene by the first source that tells several apart; empty if not stated."""
    species = [match[1] if (match := _ENSEMBL.match(id_)) else "" for id_ in ids]
    stated = ["" if str(of).strip().lower() in _BLANK else str(of).strip() for of in column or ()]
    for labels in (stated, prefixes, species):
        found = [_species(label) for label in labels]
        if len(set(found) - {""}) > 1:
            return found
    return [_species(prefix) for prefix in prefixes] if any(prefixes) else [""] * len(ids)


def _species(label: str) -> str:
    """Species of an assembly or an Ensembl prefix, else the label: hg38 and GRCh38 are one."""
    for species, pattern in _ASSEMBLIES.items():
        if pattern.match(label):
            return species
    return _SPECIES.get(label, label)


def _share(labels: Sequence[str], label: str, n_molecules: np.ndarray) -> float:
    of_it = np.array([other == label for other in labels])
    stated = np.array([other != "" for other in labels])
    return float(n_molecules[of_it].sum() / max(n_molecules[stated].sum(), 1.0))


def _taken(present: dict[str, float], where: str, genome: str | None) -> str:
    """Genome to take; empty if none is stated."""
    if genome:
        if present and _species(genome) not in present:
            raise DataContractError(_absent(where, genome, present))
        return _species(genome)
    if not present:
        return ""
    most = max(present, key=lambda label: present[label])
    if present[most] < _MAIN_SHARE and len(present) > 1:
        raise DataContractError(_mixed(where, present))
    return most


def _notes(present: dict[str, float], taken: str, n_out: int) -> tuple[str, ...]:
    if len(present) < 2:
        return ()
    return (
        f"two genomes or more ({_said(present)}): genes of {taken} are read, {n_out} genes of "
        "others were left out; the column `genome` of the manifest chooses another",
    )


def _said(present: dict[str, float]) -> str:
    return ", ".join(f"{label} {100 * share:.3g} % of counts" for label, share in present.items())


def _mixed(where: str, present: dict[str, float]) -> Problem:
    return Problem(
        where=where,
        found=f"genes of several genomes, none with most of the molecules: {_said(present)}",
        expected="genes of one genome: the total of a spot must be of one species",
        remedy="name one in the column `genome` of the manifest: " + " or ".join(present),
    )


def _absent(where: str, genome: str, present: dict[str, float]) -> Problem:
    return Problem(
        where=where,
        found=f"no gene of genome {genome!r}; the genomes are {', '.join(present)}",
        expected="a genome of this file",
        remedy="correct the column `genome` of the manifest",
    )
