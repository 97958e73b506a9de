"""A run that repeats a published leak says so in every place, and the canaries hear it."""

import json

import pandas as pd
import pytest

from histoscribe.benchmark.checks_of_data import (
    epoch_leaks,
    panel_leaks,
    protocol_leaks,
    twins_leak,
)
from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.results import Results
from histoscribe.benchmark.run import benchmark, run_cells
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.benchmark.test_canaries import artefacts, copied, noise_in_counts

LEAKS = ("panel", "twins")


def settings_of(cohort, *leaks, **changes):
    """Section folds; P3S1 is tested first."""
    table = {
        "models": ["mean", "ridge"],
        "folds": {"protocol": "section", "test": [["P3S1"], ["P1S1"]], "leaks": list(leaks)},
        "target": {"n_genes": 6, "transform": "log10-minmax"},
        **changes,
    }
    return tiny_settings(cohort, **table)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """P1S1 stands in the manifest once more, as P1S2: one picture, one patient."""
    manifest = tiny_cohort(tmp_path_factory.mktemp("cohort"))
    head, *lines = manifest.read_text().splitlines()
    (first,) = [line for line in lines if line.startswith("P1S1,")]
    lines.append(first.replace("P1S1,", "P1S2,", 1))
    manifest.write_text("\n".join([head, *lines]) + "\n")
    return manifest


def said_of(cohort, folder, *leaks, **changes):
    """What the checks say of the leaks, by code; nothing is fitted."""
    settings = settings_of(cohort, *leaks, **changes)
    plan = make_plan(settings, folder, weights={}, cache=folder)
    results = Results(plan, (), pd.DataFrame(), {}, pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    checks = (protocol_leaks, panel_leaks, epoch_leaks, twins_leak)
    found = [check for of in checks for check in of(results)]
    assert {check.level for check in found} <= {"warning"}
    return {check.code: check.message for check in found}


def test_each_leak_is_a_warning_with_its_reason(cohort, tmp_path):
    said = said_of(cohort, tmp_path, *LEAKS)
    assert "recognising the patient" in said["leaky"]
    assert "chosen on all sections" in said["leaky-panel"]
    assert "P1S1 = P1S2 in fold P1S1" in said["leaky-twins"]
    assert "fold P3S1" not in said["leaky-twins"]


def test_a_leak_that_is_not_there_is_not_told(cohort, tmp_path):
    assert set(said_of(cohort, tmp_path, *LEAKS, sections=["P1S1", "P2S1", "P3S1"])) == {
        "leaky",
        "leaky-panel",
    }
    folds = {"protocol": "patient"}
    assert said_of(cohort, tmp_path, folds=folds) == {}


def test_networks_that_kept_the_best_epoch_on_the_test_section_are_named(cohort, tmp_path):
    assert "leaky-epoch" not in said_of(cohort, tmp_path, *LEAKS, "epoch")
    said = said_of(cohort, tmp_path, *LEAKS, "epoch", models=["ridge", "mlp"])
    assert said["leaky-epoch"].startswith("leaky epoch: mlp kept the epoch with the best score")


@pytest.mark.slow
def test_the_card_says_every_leak(cohort, tmp_path):
    settings = settings_of(cohort, *LEAKS, "epoch", models=["mean", "ridge", "mlp"])
    result = benchmark(settings=settings, out=tmp_path / "run", cache=tmp_path / "cache")
    assert {"leaky", "leaky-panel", "leaky-epoch", "leaky-twins"} <= {
        check.code for check in result.checks
    }
    card = json.loads((result.folder / "card.json").read_text())
    for words in (
        "recognising the patient", "including the test sections", "best of many tries",
        "same picture",
    ):  # fmt: skip
        assert words in card["leaky"]
    cards = [path.read_text() for path in sorted(result.folder.rglob("MODEL_CARD.md"))]
    assert sum("choices made by the test section" in text for text in cards) == 2
    head = (result.folder / "card.md").read_text().splitlines()[2]
    assert head == f"**LEAKY: {card['leaky']}**"
    assert {target["chosen_on"] for target in card["target"].values()} == {"all spots of the run"}


def test_every_fold_has_the_panel_of_all_sections(cohort, tmp_path):
    plan = make_plan(settings_of(cohort, *LEAKS), tmp_path, weights={}, cache=tmp_path)
    panels = {target.genes for target in plan.targets.values()}
    assert len(panels) == 1
    totals: dict[str, float] = {}
    for section in plan.run_data.cohort:
        counts = section.measured
        for gene, total in zip(counts.gene_ids, counts.matrix.sum(axis=0).A1, strict=True):
            totals[gene] = totals.get(gene, 0.0) + float(total)
    best = sorted(totals, key=lambda gene: (-totals[gene], gene))[:6]
    assert set(panels.pop()) == set(best)


@pytest.mark.parametrize(
    ("leaks", "model", "hears"),
    [
        ((), "ridge", False),
        (("panel",), "ridge", True),
        pytest.param(("epoch",), "ridge", False, marks=pytest.mark.slow),
        (("epoch",), "mlp", True),
    ],
)
def test_the_canary_hears_a_named_leak_and_nothing_else(cohort, tmp_path, leaks, model, hears):
    """With the fold of P3S1 alone: its predictors change with its counts only where it leaks."""
    changed = copied(cohort, tmp_path)
    noise_in_counts(changed)
    folds = {"protocol": "section", "test": [["P3S1"]], "leaks": list(leaks)}
    found = []
    for name, manifest in (("before", cohort), ("after", changed)):
        settings = settings_of(
            manifest, folds=folds, sections=["P1S1", "P2S1", "P3S1"], models=[model]
        )
        plan = make_plan(settings, tmp_path / name, weights={}, cache=tmp_path / "cache")
        run_cells(plan)
        found.append(artefacts(plan.out))
    assert found[0]
    assert (found[0] == found[1]) is not hears
