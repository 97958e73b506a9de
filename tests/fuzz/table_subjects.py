"""Tables, settings and files of results that this package reads back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from histoscribe.io.cohorts.bulk_slides import read_slides
from histoscribe.io.cohorts.bulk_table import read_bulk_table
from histoscribe.io.cohorts.cohort import read_sources
from histoscribe.io.cohorts.manifest import read_manifest
from histoscribe.io.gene_sets import read_gmt, read_orthologues
from histoscribe.io.predictions.anndata import read_prediction, write_prediction
from histoscribe.io.predictions.bulk_file import read_bulk, write_bulk
from histoscribe.io.sections.labels import read_labels
from histoscribe.types import BulkPrediction, Head, Prediction, Spots
from tests.fuzz.subject import Subject, check
from tests.io.conftest import Writer

_SPOTS = Spots(("1x1", "2x1", "1x2"), np.array([[5.0, 6.0], [7.0, 8.0], [9.0, 4.0]]), 100.0, 200.0)
_BULK = "gene,P1,P2,P3\nTP53,0,5,1200\nAPC,3,0,900\nACTB,7,2,1500\n"


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def _manifest(folder: Path) -> None:
    writer = Writer(folder)
    writer.st()
    line = "P,st,he.png,counts.tsv.gz,spots.tsv,0.5,skin"
    lines = ["section,patient,kind,image,counts,spots,mpp,site", f"S1,{line}", f"S2,{line}"]
    (folder / "cohort.csv").write_text("\n".join(lines))


def _slides(folder: Path) -> None:
    for name in ("a.svs", "b.svs"):
        (folder / name).write_bytes(b"a slide")
    (folder / "slides.csv").write_text("patient,slide,mpp,site\nP1,a.svs,0.5,X\nP2,b.svs,,X\n")


def _only(name: str) -> Callable[[Path], list[Path]]:
    return lambda folder: [folder / name]


def _check_bulk_table(folder: Path) -> None:
    table, _ = read_bulk_table(folder / "bulk.csv", "counts")
    values = table.values
    check(so=bool((values >= 0).all() and (values == np.rint(values)).all()), what="no counts")


def _make_prediction(folder: Path) -> None:
    head = Head(
        section="S", spots=_SPOTS, genes=("A", "B"), unit="log", predictor="ridge-1",
        gene_facts={"pcc": np.array([0.5, np.nan])}, card='{"model": "ridge"}',
    )  # fmt: skip
    write_prediction(Prediction(head, np.eye(3, 2, dtype=np.float32)), folder / "S.h5ad")


def _read_prediction(folder: Path) -> None:
    back = read_prediction(folder / "S.h5ad")
    check(so=back.values.shape == (len(back.spots), len(back.head.genes)), what="another shape")
    check(so=bool(np.isfinite(back.spots.xy).all()), what="centres that are not finite")


def _make_bulk(folder: Path) -> None:
    told: dict[str, Any] = {"unit": "log", "predictor": "abmil-1", "card": "{}"}
    values = np.eye(2, dtype=np.float32)
    prediction = BulkPrediction(patients=("P1", "P2"), genes=("A", "B"), values=values, **told)
    write_bulk(prediction, folder / "bulk.h5ad")


def _hest(folder: Path) -> None:
    writer = Writer(folder)
    writer.hest("A")
    writer.hest("B")
    (folder / "HEST_v1_0_0.csv").write_text(
        "id,patient,st_technology,dataset_title\nA,P1,Visium,one\nB,P2,Visium,one\n"
    )
    (folder / "metadata").mkdir()
    told = {"id": "A", "patient": "P1", "st_technology": "Visium"}
    (folder / "metadata" / "A.json").write_text(json.dumps(told))


def _of_hest(folder: Path) -> list[Path]:
    return [folder / "HEST_v1_0_0.csv", folder / "metadata" / "A.json"]


TABLES = (
    Subject("manifest", _manifest, lambda f: read_manifest(f / "cohort.csv"), _only("cohort.csv")),
    Subject("slide-list", _slides, lambda f: read_slides(f / "slides.csv"), _only("slides.csv")),
    Subject("hest-folder", _hest, lambda f: read_sources(f"hest:{f}"), _of_hest),
    Subject(
        "stnet-folder",
        lambda f: Writer(f).stnet(),
        lambda f: read_sources(f"stnet:{f}"),
        _only("metadata.csv"),
    ),
    Subject("bulk-table", _text("bulk.csv", _BULK), _check_bulk_table),
    Subject(
        "gene-sets",
        _text("sets.gmt", "A\tabout\tG1\tG2\nB\tabout\tG3\n"),
        lambda f: read_gmt(f / "sets.gmt"),
    ),
    Subject(
        "orthologues",
        _text("pairs.csv", "set_gene,panel_gene\nTP53,Trp53\nAPC,Apc\n"),
        lambda f: read_orthologues(f / "pairs.csv"),
    ),
    Subject(
        "labels",
        _text("labels.csv", "spot,label\n1x1,tumour\n2x1,stroma\n"),
        lambda f: read_labels(f / "labels.csv", _SPOTS),
    ),
    Subject("prediction", _make_prediction, _read_prediction),
    Subject("bulk-prediction", _make_bulk, lambda f: read_bulk(f / "bulk.h5ad")),
)


def _settings(folder: Path) -> None:
    from tests.cli.small import SETTINGS

    (folder / "run.toml").write_text(SETTINGS)


def _read_settings(folder: Path) -> None:
    from histoscribe.train.settings import read_settings

    read_settings(folder / "run.toml")


def _predictor(folder: Path) -> None:
    from histoscribe.train.run import train
    from tests.benchmark.runs import tiny_cohort, tiny_settings

    away = folder.parent / "for-the-predictor"
    settings = tiny_settings(tiny_cohort(away / "cohort", n_patients=2), models=["ridge"])
    train(settings=settings, out=folder / "ridge", cache=away / "cache")


def _read_predictor(folder: Path) -> None:
    from histoscribe.predictor.saving import load_predictor

    load_predictor(folder / "ridge")


def _sign(folder: Path) -> None:
    """Write the checksums of a predictor anew; a record that cannot be read stays as it is."""
    from histoscribe.predictor.folder import write_record

    path = folder / "ridge" / "predictor.json"
    try:
        record = json.loads(path.read_bytes())
        names = tuple(name for name in record.pop("files") if (path.parent / name).is_file())
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        return
    kept = {name: value for name, value in record.items() if name not in ("sha256", "format")}
    write_record(path.parent, kept, names)


SAVED = (
    Subject("settings", _settings, _read_settings),
    Subject("predictor", _predictor, _read_predictor),
    Subject("predictor-signed", _predictor, _read_predictor, sign=_sign),
)
"""Subjects whose reading loads torch."""
