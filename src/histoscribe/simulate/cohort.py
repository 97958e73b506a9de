"""Draw a whole cohort to disk, section by section."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from histoscribe.io.atomic import write_text
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.signature import spelled_out
from histoscribe.simulate.config import SimulationConfig
from histoscribe.simulate.counts import draw_counts, draw_depth
from histoscribe.simulate.families import (
    AVERAGE_DENSITY,
    COMPARTMENTS,
    Genes,
    Surroundings,
    draw_genes,
    flip_signs,
    latent_rates,
)
from histoscribe.simulate.layouts import LAYOUTS, Layout
from histoscribe.simulate.nuclei import Nuclei
from histoscribe.simulate.patients import Patient, draw_patient
from histoscribe.simulate.section import MeasuredSection, draw_section
from histoscribe.simulate.spaceranger import barcodes
from histoscribe.simulate.stain import MPP
from histoscribe.simulate.stain_gains import gains_of_patient
from histoscribe.simulate.tissue import CELL_UM, INFILTRATE, STROMA, TUMOUR, Tissue
from histoscribe.simulate.truth import (
    digest_of,
    make_truth,
    read_truth,
    write_genes,
    write_patient,
    write_truth,
)
from histoscribe.threads import in_order

AROUND_UM = 50.0
"""Radius around the centre of a spot within which tissue influences it."""
_AT_ONCE = 4
"""Sections drawn at the same time, at most: one of 120 spots takes 400 MB, larger ones more."""


class SimulationOptions(TypedDict, total=False):
    """The settings of a simulated cohort as keywords; see `SimulationConfig`."""

    sections_per_patient: int
    families: Sequence[str]
    genes_per_family: int
    depth: Literal["independent", "density"]
    spots_per_section: int
    seed: int
    layout: Literal["visium", "visium_hd", "xenium"]
    stain_gains: Literal["none", "independent", "tied"]


@spelled_out(SimulationOptions, {field.name: field.default for field in fields(SimulationConfig)})
def simulate(out: str | Path, n_patients: int = 6, **settings: Unpack[SimulationOptions]) -> Path:
    """Write a simulated cohort to `out` and return the path of its manifest.

    The folder also gets an image and a folder of the instrument per section, `pathways.gmt`, and
    the truth in `truth/` (see `read_truth`).

    The manifest is written last, and complete sections are not drawn again: a killed run that is
    started again ends in the same files.

    Parameters
    ----------
    out
        Folder to write to.
    n_patients
        Number of patients.
    sections_per_patient
        Sections of each patient.
    families
        Gene families to write; `visibility` says which input of a model can see which family.
        `patient_flip` needs several sections of a patient, best three patients with three: a model
        must tell them apart by their stain to learn it.
    genes_per_family
        A power of two balances the signs of `patient_flip` over patients exactly.
    depth
        What the total count of a spot follows: `independent` of the image, or the `density` of
        nuclei.
    spots_per_section
        About as many; the outline of the tissue decides.
    seed
        Equal settings give equal files.
    layout
        Instrument whose files are written. All measure the same molecules of the same tissue: in
        squares of 100 um from the corner of its array, the counts of `visium_hd` and `xenium` are
        those of the spots of `visium` whose centres a square holds.
    stain_gains
        With `independent` or `tied`, the haematoxylin and the eosin of every tile are stronger or
        weaker than in its neighbours. `independent` gains follow nothing; `tied` ones rise with the
        tumour share, except in the last third of the patients, where they follow nothing. The
        manifest then has a column `stain_gains` (`tied` or `free`), so that folds can test the
        free patients, and the truth has the gains of each spot.

    Raises
    ------
    DataContractError
        for `visium_hd` or `xenium` without pyarrow.
    ValueError
        for an unknown family, or numbers that are too small.

    Examples
    --------
    >>> import histoscribe as hs
    >>> manifest = hs.simulate("cohort", n_patients=3)  # doctest: +SKIP
    """
    out = Path(out)
    own: dict[str, Any] = dict(settings)
    if "families" in own:
        own["families"] = tuple(own["families"])
    config = SimulationConfig(n_patients=n_patients, **own)
    genes = draw_genes(config.families, config.genes_per_family, config.seed)
    flips = flip_signs(config.genes_per_family, config.n_patients, config.seed)
    plans = [
        _Plan(config, genes, draw_patient(f"P{number + 1}", config.seed), flips[number], number)
        for number in range(config.n_patients)
    ]
    manifest = out / "cohort.csv"
    wanted = [(plan, section) for plan in plans for section in plan.sections]
    todo = [(plan, section) for plan, section in wanted if not _is_done(out, plan, section)]
    if todo:
        manifest.unlink(missing_ok=True)
    with closing(in_order(lambda of: _write_section(out, *of), todo, at_most=_AT_ONCE)) as drawn:
        for _ in track(drawn, "drawing sections", len(todo)):
            pass
    for plan in plans:
        rates = [read_truth(out, section).rates for section in plan.sections]
        bulk = np.concatenate(rates).sum(axis=0)
        path = out / "truth" / f"{plan.patient.id}.json"
        write_patient(path, plan.patient, bulk, plan.flips, plan.gains)
    write_genes(out, genes)
    _write_manifest(manifest, plans, LAYOUTS[config.layout])
    return manifest


@dataclass(frozen=True, eq=False)
class _Plan:
    """Everything that drawing the sections of one patient needs."""

    config: SimulationConfig
    genes: Genes
    patient: Patient
    flips: Float[np.ndarray, " F"]
    number: int
    """Of the patient, from 0."""

    @property
    def gains(self) -> Literal["none", "free", "tied"]:
        return gains_of_patient(self.config.stain_gains, self.number, self.config.n_patients)

    @property
    def sections(self) -> list[str]:
        return [f"{self.patient.id}S{n + 1}" for n in range(self.config.sections_per_patient)]


def _is_done(out: Path, plan: _Plan, section: str) -> bool:
    """Whether a section is complete: its truth is written last."""
    return digest_of(out / "truth" / f"{section}.safetensors") == plan.config.digest


def _write_section(out: Path, plan: _Plan, section: str) -> None:
    config, genes, seed = plan.config, plan.genes, plan.config.seed
    drawn = draw_section(section, plan.patient, config.spots_per_section, seed, plan.gains)
    tissue, nuclei = drawn.tissue, drawn.nuclei
    around = surroundings(tissue, nuclei)
    rates = latent_rates(genes, around, plan.flips, seed)
    depth = draw_depth(around.density, config.depth, stream(seed, f"depth-{section}"))
    counts = draw_counts(depth, rates, stream(seed, f"counts-{section}"))
    measured = MeasuredSection(section, seed, drawn, genes, counts)
    LAYOUTS[config.layout].write(out, measured)
    ids = tuple(np.array(barcodes(tissue))[tissue.in_tissue])
    truth = make_truth(ids, genes, around, (rates, depth), drawn)
    write_truth(out / "truth" / f"{section}.safetensors", truth, config.digest)


def surroundings(tissue: Tissue, nuclei: Nuclei) -> Surroundings:
    """Measure what lies within `AROUND_UM` of each spot in tissue."""
    xy_um = tissue.xy_um[tissue.in_tissue]
    reach = int(AROUND_UM / CELL_UM)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = x**2 + y**2 <= reach**2
    row, column = tissue.cell_of(xy_um)
    h, w = tissue.compartment.shape
    rows = np.clip(row[:, None] + y[disc], 0, h - 1)
    columns = np.clip(column[:, None] + x[disc], 0, w - 1)
    kind = tissue.compartment[rows, columns]
    area = np.stack([(kind == c).sum(axis=1) for c in range(len(COMPARTMENTS))], axis=1)
    solid = np.isin(nuclei.compartment, (TUMOUR, STROMA, INFILTRATE))
    near = cKDTree(nuclei.xy_um[solid]).query_ball_point(xy_um, AROUND_UM, return_length=True)
    # a tenth of a disc of average tissue is added, for spots with almost no solid tissue
    spare = 0.1 * np.pi * (AROUND_UM / 1000.0) ** 2
    solid_mm2 = area[:, [TUMOUR, STROMA, INFILTRATE]].sum(axis=1) * (CELL_UM / 1000.0) ** 2
    return Surroundings(
        fraction=area / area.sum(axis=1, keepdims=True),
        density=(near + AVERAGE_DENSITY * spare) / (solid_mm2 + spare),
        motif=tissue.motif[tissue.in_tissue],
        position=(xy_um - tissue.centre_um) / tissue.radius_um,
    )


def _write_manifest(path: Path, plans: list[_Plan], layout: Layout) -> None:
    with_gains = any(plan.gains != "none" for plan in plans)
    rows = [f"section,patient,kind,path,image,mpp,site,subtype{',stain_gains' * with_gains}"]
    for plan in plans:
        patient = plan.patient
        rows += [
            f"{section},{patient.id},{layout.kind},{section},{section}{layout.image},{MPP},"
            f"{patient.site},{patient.subtype}" + f",{plan.gains}" * with_gains
            for section in plan.sections
        ]
    write_text(path, "\n".join(rows) + "\n")
