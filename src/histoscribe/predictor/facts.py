"""Facts for the protocol card: the origin of a number or a predictor."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version

import numpy as np

from histoscribe.encoders.encoder import EncoderRecord
from histoscribe.progress import track
from histoscribe.types import Cohort, EncoderCard, Section, SectionCard, SpotRows, SpotSizes

_PACKAGES = (
    "histoscribe",
    "anndata",
    "lightning",
    "numpy",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "timm",
    "torch",
    "torchvision",
    "zarr",
)


def versions() -> dict[str, str]:
    """Versions of Python and of every package with influence on a number."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


# every predictor of a run names them, and a look-up of all reads their files for 20 ms
_version = cache(version)


def counts_hash(section: Section) -> str:
    """Sha256 over spot ids, gene ids and counts."""
    counts = section.measured
    digest = hashlib.sha256()
    for names in (section.spots.ids, counts.gene_ids):
        digest.update("\n".join(names).encode() + b"\0")
    matrix = counts.matrix.sorted_indices()
    for part in (matrix.indptr, matrix.indices, np.rint(matrix.data)):
        digest.update(np.ascontiguousarray(part, dtype=np.int64).tobytes())
    return digest.hexdigest()


def data_files(cohort: Cohort) -> dict[str, str]:
    """One file per section, by name, with the hashes of its image, spots and counts.

    A run folder is claimed with them, so that results of other data are never mixed into the run.
    """
    files = {}
    for section in track(cohort, "hashes of the data"):
        content = {"image": section.slide.pixel_hash(), "spots": spots_hash(section)}
        if section.counts is not None:
            content["counts"] = counts_hash(section)
        files[f"data/{section.id}.json"] = json.dumps(content, indent=1, sort_keys=True) + "\n"
    return files


def spots_hash(section: Section) -> str:
    """Sha256 over spot ids, centres and um/px."""
    digest = hashlib.sha256("\n".join(section.spots.ids).encode() + b"\0")
    digest.update(np.ascontiguousarray(section.spots.xy).tobytes())
    digest.update(repr(section.slide.mpp).encode())
    return digest.hexdigest()


def section_card(section: Section) -> SectionCard:
    """Card of one section: patient, size, resolution, hashes, dropped spots.

    A slide whose patient was measured in bulk has no counts of its own.
    """
    counted = section.counts is not None
    return SectionCard(
        patient=section.patient,
        spots=len(section.spots),
        dropped=dict(section.dropped),
        notes=tuple(section.notes),
        mpp=round(section.slide.mpp, 4),
        n_genes=None if section.counts is None else len(section.counts.gene_ids),
        median_total=float(np.median(section.measured.total)) if counted else 0.0,
        image_sha256=section.slide.pixel_hash(),
        counts_sha256=counts_hash(section) if counted else "none",
    )


def rows_card(rows: SpotRows) -> dict[str, int]:
    """Number of spots of each section."""
    return {section: len(spots) for section, spots in sorted(rows.items())}


def cohort_card(cohort: Cohort, sections: Iterable[str]) -> dict[str, SectionCard]:
    """Cards of these sections."""
    return {section: section_card(cohort[section]) for section in sorted(sections)}


def spot_sizes(cohort: Cohort, sections: Iterable[str]) -> SpotSizes:
    """Smallest and largest diameter and pitch of the spots of these sections, in um."""
    spots = [cohort[section].spots for section in sorted(sections)]
    diameter = [float(of.diameter_um) for of in spots if of.diameter_um is not None]
    pitch = [float(of.pitch_um) for of in spots if of.pitch_um is not None]
    return SpotSizes(
        diameter=(min(diameter), max(diameter)) if diameter else None,
        pitch=(min(pitch), max(pitch)) if pitch else None,
    )


def gene_names(cohort: Cohort, sections: Iterable[str], genes: Sequence[str]) -> tuple[str, ...]:
    """Symbol of each gene in the first section with one; else its id."""
    known: dict[str, str] = {}
    for section in sorted(sections):
        counts = cohort[section].counts
        if counts is None:
            continue
        for gene, name in zip(counts.gene_ids, counts.gene_names, strict=True):
            if name and name != gene:
                known.setdefault(gene, name)
    return tuple(known.get(gene, gene) for gene in genes)


def needs_in_words(needs: Mapping[str, str]) -> str:
    """Nets that the training of an encoder needed, as the end of a sentence.

    >>> needs_in_words({"compared_by": "LPIPS (torchvision:alexnet)"})
    ', compared by LPIPS (torchvision:alexnet)'
    """
    return "".join(f", {name.replace('_', ' ')} {value}" for name, value in needs.items())


def encoder_card(record: EncoderRecord, needs: Mapping[str, str]) -> EncoderCard:
    """Paper and licence of an encoder, and the nets that its training needed."""
    return EncoderCard(licence=record.licence, paper=record.paper, needs=needs)
