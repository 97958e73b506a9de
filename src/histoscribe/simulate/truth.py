"""Truth of the simulator: saved with the cohort, read by tests."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.numpy import save_file

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing, write_json, write_text
from histoscribe.simulate.config import DRAWING
from histoscribe.simulate.families import COMPARTMENTS, Genes, Surroundings, gene_sets
from histoscribe.simulate.patients import Patient
from histoscribe.simulate.section import DrawnSection
from histoscribe.simulate.tissue import CELL_UM

_TEXTS = ("spot_ids", "gene_ids", "family")
_GAIN = "stain_gain"


@dataclass(frozen=True, eq=False)
class SimulatedTruth:
    """The truth of one section; spots in the order of its barcodes, genes as in its matrix."""

    spot_ids: tuple[str, ...]
    gene_ids: tuple[str, ...]
    family: tuple[str, ...]
    """Family of each gene."""
    rates: Float[np.ndarray, "N A"]
    """Expected share of each gene; rows sum to one."""
    depth: Float[np.ndarray, " N"]
    """Expected total count."""
    fraction: Float[np.ndarray, "N 5"]
    """Area share of tumour, stroma, infiltrate, fat and lumen within 50 um."""
    density: Float[np.ndarray, " N"]
    """Nuclei per mm2 within 50 um."""
    motif: Int[np.ndarray, " N"]
    position: Float[np.ndarray, "N 2"]
    """From the centroid of the tissue, in tissue radii."""
    nucleus_um: Float[np.ndarray, "M 2"]
    """Centres of all nuclei, from the upper left corner of the image."""
    nucleus_semi_um: Float[np.ndarray, "M 2"]
    """Long and short semi-axis of each nucleus."""
    nucleus_angle: Float[np.ndarray, " M"]
    """Angle of the long axis in radians, from x towards y (downwards)."""
    nucleus_compartment: Int[np.ndarray, " M"]
    area_mm2: Float[np.ndarray, " 5"]
    """Area of each compartment in the section."""
    stain_gain: Float[np.ndarray, "N 2"]
    """Factor of haematoxylin and of eosin in the tile of each spot; 1 without gains."""

    @property
    def nucleus_radius_um(self) -> Float[np.ndarray, " M"]:
        """Radius of the circle of equal area."""
        return np.sqrt(self.nucleus_semi_um.prod(axis=1))

    def genes_of(self, family: str) -> Int[np.ndarray, " G"]:
        """Columns of one gene family."""
        return np.flatnonzero(np.array(self.family) == family)


def read_truth(folder: Path, section: str) -> SimulatedTruth:
    """Read the truth of one section from the folder of the manifest.

    Raises
    ------
    DataContractError
        if another version of the simulator drew it.
    """
    path = folder / "truth" / f"{section}.safetensors"
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        names = json.loads(file.metadata()["truth"])
    if arrays.keys() | {*_TEXTS, _GAIN} != {field.name for field in fields(SimulatedTruth)}:
        raise DataContractError(
            Problem(
                where=f"truth {path}",
                found="the truth of another version of the simulator",
                expected=f"the fields of version {DRAWING}",
                remedy="draw the cohort again: `simulate` with the same settings and folder",
            )
        )
    return SimulatedTruth(
        **{_GAIN: np.ones((len(names["spot_ids"]), 2)), **arrays},
        spot_ids=tuple(names["spot_ids"]),
        gene_ids=tuple(names["gene_ids"]),
        family=tuple(names["family"]),
    )


def write_truth(path: Path, truth: SimulatedTruth, digest: str) -> None:
    """Write the truth of one section; `digest` names the settings it was drawn with."""
    arrays = {
        name: np.ascontiguousarray(value)
        for name, value in vars(truth).items()
        if name not in _TEXTS and not (name == _GAIN and (value == 1).all())
    }
    # one entry only: the order of several is not fixed
    names = {name: getattr(truth, name) for name in _TEXTS} | {"digest": digest}
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata={"truth": json.dumps(names)})


def digest_of(path: Path) -> str | None:
    """Settings that a truth file was drawn with; None if the file is missing."""
    if not path.is_file():
        return None
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["truth"])["digest"]


def make_truth(
    spot_ids: tuple[str, ...],
    genes: Genes,
    around: Surroundings,
    expected: tuple[Float[np.ndarray, "N A"], Float[np.ndarray, " N"]],
    drawn: DrawnSection,
) -> SimulatedTruth:
    """Collect the truth of a section; `expected` holds its rates and depths."""
    tissue, nuclei = drawn.tissue, drawn.nuclei
    area = np.array([(tissue.compartment == c).sum() for c in range(len(COMPARTMENTS))])
    return SimulatedTruth(
        spot_ids=spot_ids,
        gene_ids=genes.ids,
        family=genes.family,
        rates=expected[0],
        depth=expected[1],
        fraction=around.fraction,
        density=around.density,
        motif=around.motif,
        position=around.position,
        nucleus_um=nuclei.xy_um,
        nucleus_semi_um=nuclei.semi_um,
        nucleus_angle=nuclei.angle,
        nucleus_compartment=nuclei.compartment,
        area_mm2=area * (CELL_UM / 1000.0) ** 2,
        stain_gain=drawn.stain_gain[tissue.in_tissue],
    )


def write_genes(out: Path, genes: Genes) -> None:
    """Write the gene table to `truth/genes.csv` and the pathways to `pathways.gmt`."""
    rows = zip(genes.ids, genes.names, genes.family, genes.programme, strict=True)
    table = ["gene_id,gene_name,family,programme", *(",".join(row) for row in rows)]
    write_text(out / "truth" / "genes.csv", "\n".join(table) + "\n")
    sets = ("\t".join([name, "simulated", *members]) for name, members in gene_sets(genes).items())
    write_text(out / "pathways.gmt", "".join(line + "\n" for line in sets))


def write_patient(
    path: Path,
    patient: Patient,
    bulk: Float[np.ndarray, " A"],
    flips: Float[np.ndarray, " F"],
    gains: str,
) -> None:
    """Write the facts of one patient; `bulk` is the sum of latent rates over all its spots.

    `gains` is what the gains of its stain follow, or `none`.
    """
    write_json(
        path,
        {
            "patient": patient.id,
            "site": patient.site,
            "subtype": patient.subtype,
            "mix": patient.mix.tolist(),
            "stain": patient.stain.tolist(),
            "strength": patient.strength.tolist(),
            "background": patient.background.tolist(),
            "noise": patient.noise,
            "bulk": bulk.tolist(),
            "flips": flips.tolist(),
            **({} if gains == "none" else {"stain_gains": gains}),
        },
    )
