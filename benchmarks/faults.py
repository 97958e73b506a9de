"""For whom it fails: a subtype that training lacks, in simulated patients.

`python benchmarks/faults.py`: a simulated cohort of seven `solid` and seven `desmoplastic`
patients. Genes of the family `compartment` follow other compartments in desmoplastic patients:
those of tumour follow stroma, and the other way round. Twice the eosin in their slides shows the
subtype; patients differ in the strength of stains by half as much as usual. An `mlp` on
`colour_texture` is trained on four solid patients and one desmoplastic one; the others are held
out.

Then `explain faults`, and with `reduce="subtype=desmoplastic"` the trainings with 0, 1, 2 and all
desmoplastic patients, with five seeds, each with other held-out patients. `--seeds` draws further
cohorts. Cohorts are in memory; with `--out` predictors and findings are kept, and a second call
reads them.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from _machine import report

import histoscribe as hs
from histoscribe.explain.finding import Finding
from histoscribe.explain.saved_finding import is_finding, read_finding
from histoscribe.io.slides.array import ArraySlide
from histoscribe.seed import stream
from histoscribe.simulate.cohort import surroundings
from histoscribe.simulate.counts import draw_counts, draw_depth
from histoscribe.simulate.families import Genes, draw_genes, latent_rates
from histoscribe.simulate.patients import Patient, draw_patient
from histoscribe.simulate.section import draw_section
from histoscribe.simulate.stain import MPP
from histoscribe.simulate.tissue import DIAMETER_UM, PITCH_UM
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Spots

COMMON, RARE = "solid", "desmoplastic"
N_EACH = 7
N_TRAINED = {COMMON: 4, RARE: 1}
EOSIN = 2.0
"""Factor of the eosin of desmoplastic patients."""
AVERAGE = draw_patient("average", 0)
"""Patient whose colours of haematoxylin and eosin all slides have."""
FAMILIES = ("compartment", "null")
EXCHANGED = {"tumour": "stroma", "stroma": "tumour"}
"""Compartment that a gene follows -> the one that it follows in desmoplastic patients."""
N_SPOTS, N_GENES, EPOCHS, DRAWS = 120, 32, 60, 5
INPUTS = {"tile_px": 112, "mpp": 1.0}


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask both questions of every cohort; print the numbers and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        out = given.out or Path(folder)
        findings = {seed: _asked(seed, out / f"seed-{seed}") for seed in given.seeds}
        for seed, (errors, _) in findings.items():
            _print(f"seed {seed}", errors)
            print(errors.caveat[0])
        _print_experiments({seed: reduced for seed, (_, reduced) in findings.items()})


def _asked(seed: int, folder: Path) -> tuple[Finding, Finding]:
    if is_finding(folder / "reduced"):
        return read_finding(folder / "faults"), read_finding(folder / "reduced")
    patients = _patients(seed)
    genes = draw_genes(FAMILIES, N_GENES, seed)
    sections = {of.id: _section(of, genes, seed) for of in patients}
    trained = [
        of.id
        for subtype, n_trained in N_TRAINED.items()
        for of in [one for one in patients if one.subtype == subtype][:n_trained]
    ]
    every = Cohort([_entry(section) for section in sections.values()])
    predictor = hs.train(
        every.subset([sections[name].id for name in trained]),
        "mlp",
        out=folder / "mlp",
        seed=seed,
        inputs=INPUTS,
        target={"panel": "list", "genes": _panel(genes), "transform": "cp10k-log1p"},
        train={"epochs": EPOCHS},
        run={"device": "cpu"},
    )
    errors = hs.explain("faults", predictor, every, out=folder / "faults")
    reduce = f"subtype={RARE}"
    reduced = hs.explain(
        "faults", predictor, every, out=folder / "reduced", reduce=reduce, draws=DRAWS
    )
    return errors, reduced


def _panel(genes: Genes) -> tuple[str, ...]:
    """Genes that follow a compartment."""
    return tuple(genes.ids[at] for at in genes.of("compartment"))


def _patients(seed: int) -> list[Patient]:
    """So many patients of each subtype, by number."""
    kept: dict[str, list[Patient]] = {COMMON: [], RARE: []}
    number = 0
    while min(map(len, kept.values())) < N_EACH:
        number += 1
        patient = draw_patient(f"P{number}", seed)
        if len(kept.get(patient.subtype, [None] * N_EACH)) < N_EACH:
            eosin = np.array([1.0, EOSIN if patient.subtype == RARE else 1.0])
            strength = np.sqrt(patient.strength) * eosin  # half of the deviation between patients
            alike = replace(patient, stain=AVERAGE.stain, strength=strength)
            kept[patient.subtype].append(alike)
    return [*kept[COMMON], *kept[RARE]]


def _section(patient: Patient, genes: Genes, seed: int) -> Section:
    name = f"{patient.id}S1"
    drawn = draw_section(name, patient, N_SPOTS, seed)
    tissue = drawn.tissue
    around = surroundings(tissue, drawn.nuclei)
    if patient.subtype == RARE:
        genes = replace(genes, programme=tuple(EXCHANGED.get(of, of) for of in genes.programme))
    rates = latent_rates(genes, around, np.zeros(0), seed)
    depth = draw_depth(around.density, "independent", stream(seed, f"depth-{name}"))
    counts = draw_counts(depth, rates, stream(seed, f"counts-{name}"))
    xy = tissue.xy_um[tissue.in_tissue] / MPP
    spots = Spots(tuple(f"s{row}" for row in range(len(xy))), xy, DIAMETER_UM, PITCH_UM)
    return Section(
        name,
        patient.id,
        ArraySlide(name, drawn.image, MPP),
        spots,
        Counts(counts.astype(np.float64), genes.ids, genes.names),
        facts={"site": patient.site, "subtype": patient.subtype},
    )


def _entry(section: Section) -> CohortEntry:
    return CohortEntry(section.id, section.patient, lambda: section, section.facts)


def _print(title: str, finding: Finding) -> None:
    print(title)
    for number in finding.statistic:
        print(f"  {number} [{finding.chance(number.name)}]")


def _print_experiments(findings: dict[int, Finding]) -> None:
    """Print the falls, and the mean errors over all draws."""
    falls: dict[str, float] = {}
    for seed, finding in findings.items():
        _print(f"seed {seed}, experiment", finding)
        for number in finding.statistic:
            span = {"low": number.low, "value": number.value, "high": number.high}
            falls |= {
                f"{number.name}_{seed}_{name}": float(np.nan if value is None else value)
                for name, value in span.items()
            }
    tables = [pd.read_csv(finding.folder / finding.table) for finding in findings.values()]
    by = ["classes", "held_out", "class_patients_in_training"]
    print(pd.concat(tables).groupby(by)[["error", "pcc"]].mean().round(3).to_string())
    report("faults", n_cohorts=len(findings), **falls)


if __name__ == "__main__":
    main()
