"""A finished run with made-up scores, as a folder."""

import json

import matplotlib.image
import numpy as np
import pandas as pd

from histoscribe.benchmark.measured_maps import MeasuredMaps, write_measured
from histoscribe.io.predictions.anndata import write_prediction
from histoscribe.types import GeneMap, Head, Prediction, Spots
from tests.cards import run_card

MODELS = ("mean", "depth", "ridge", "oracle-depth", "shuffled")
GENES = ("ERBB2", "KRT19", "<script>alert(1)</script>", "NA")


def make_run(folder, n_patients=3, leaky=None, genes=GENES):
    """A finished run with made-up scores: ridge 0.1 above depth, shuffled about zero."""
    folder.mkdir(parents=True)
    level = {"mean": 0.0, "depth": 0.1, "ridge": 0.2, "oracle-depth": 0.3, "shuffled": 0.0}
    scores, table, summary = [], [], []
    for model in MODELS:
        for metric in ("pcc", "pcc_given_depth", "scc"):
            mean = level[model] * (1.0 if metric == "pcc" else 0.8)
            interval = n_patients >= 5 or model == "shuffled"
            low, high = (mean - 0.05, mean + 0.05) if interval else (None, None)
            summary.append((model, metric, mean, low, high, n_patients, 2 * (model == "ridge")))
            scores += [
                (model, f"P{p}", f"S{p}{s}", f"00{p}", gene, metric, mean + 0.1 * p)
                for p in range(n_patients)
                for s in "ab"
                for gene in genes
            ]
        table += [(model, g, level[model], 0.1 * i, -0.1, 0.1, 0.02 * i + 0.02, 0.9, 1.5)
                  for i, g in enumerate(genes)]  # fmt: skip
    save(folder, "scores", "model fold section patient gene metric value", scores)
    save(folder, "summary", "model metric mean low high n_patients n_undefined", summary)
    save(
        folder,
        "genes",
        "model gene pcc pcc_given_depth null_low null_high q detection_rate skewness",
        table,
    )
    maps = (
        one_map("S1", "ERBB2", "best gene, chosen on test data"),
        one_map("S1", "HLA-A", "median gene"),
        one_map("S1-HLA", "B", "another reason"),
    )
    card = run_card(tuple(f"00{p}" for p in range(n_patients)), leaky, maps).to_json()
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "settings.toml").write_text('cohort = "/data/cohort <b>.csv"\n')
    (folder / "run.json").write_text('{"ended": "2026-01-31T10:00:00+00:00"}')
    draw(folder / "figures" / "maps" / "S1" / "ERBB2.png")
    return folder


def draw(path, shape=(60, 200, 3)):
    """A small picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(path, np.random.default_rng(0).random(shape))


def keep_values(folder, section, fold="P0", patient="000", genes=GENES, n_spots=20):
    """Measured and predicted values of a section, as a run keeps them; gives both by name."""
    rng = np.random.default_rng(n_spots)
    xy = rng.random((n_spots, 2)) * 1000
    values = rng.normal(size=(n_spots, len(genes))).astype(np.float32)
    measured = MeasuredMaps(
        section, patient, fold, "pearson-residuals", tuple(genes), values, xy,
        log_total=np.log1p(np.arange(n_spots) * 10.0), diameter_um=55.0, shape="circles",
    )  # fmt: skip
    write_measured(measured, folder / "maps" / fold / f"{section}.safetensors")
    spots = Spots(tuple(f"s{i}" for i in range(n_spots)), xy, 55.0, 100.0)
    given = {"measured": values}
    for place, model in enumerate(("mean", "depth", "ridge")):
        given[model] = (values / (2 + place)).astype(np.float32) if place else values * 0
        head = Head(section=section, spots=spots, genes=tuple(genes), unit="u", predictor=model)
        prediction = Prediction(head, given[model])
        write_prediction(prediction, folder / "predictions" / model / fold / f"{section}.h5ad")
    tissue = folder / "figures" / "tissue"
    draw(tissue / f"{section}.jpg")
    (tissue / f"{section}.json").write_text(
        json.dumps({"left": 0.0, "top": 0.0, "right": 1000.0, "bottom": 1000.0})
    )
    return given


def one_map(section, gene, why):
    return GeneMap(f"maps/{section}/{gene}.png", section, gene, model="ridge", why=why)


def save(folder, name, columns, rows):
    pd.DataFrame(rows, columns=columns.split()).to_csv(folder / f"{name}.csv", index=False)
