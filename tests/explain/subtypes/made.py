"""Small made tables of patients: genes that tell a subtype, and genes that tell nothing."""

from pathlib import Path

import numpy as np
import pandas as pd

QUICK = {"folds": 3, "repeats": 1, "permutations": 2, "bootstraps": 2, "unit": "log"}
"""Settings that answer in about half a second."""


def made_table(
    folder: Path, *, signal: float = 3.0, seed: int = 0, n: int = 24, n_noise: int = 2
) -> dict[str, Path]:
    """Tables of expression, labels and panel; the genes UP and DOWN follow the subtype `hot`.

    Every second patient is `hot`. `signal` is in deviations of the noise.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    hot = np.arange(n) % 2 == 0
    patients = [f"P{number:02d}" for number in range(n)]
    genes = {"UP": signal * hot, "DOWN": -signal * hot}
    genes |= {f"NOISE{number}": np.zeros(n) for number in range(n_noise)}
    values = {gene: 5 + of + rng.standard_normal(n) for gene, of in genes.items()}
    bulk = pd.DataFrame(values, index=patients).T
    labels = pd.DataFrame({"patient": patients, "kind": np.where(hot, "hot", "cold")})
    labels["days"], labels["death"] = 100 + rng.integers(0, 900, n), (np.arange(n) % 4 == 0) * 1
    files = {name: folder / f"{name}.csv" for name in ("bulk", "labels")}
    bulk.to_csv(files["bulk"])
    labels.to_csv(files["labels"], index=False)
    panel = folder / "panel.txt"
    panel.write_text("\n".join([*genes, "ABSENT"]))
    return {**files, "panel": panel}


def predictions(
    folder: Path, files: dict[str, Path], visible: tuple[str, ...], seed: int = 1
) -> Path:
    """Image-predicted expression: the visible genes with noise, the others noise alone."""
    rng = np.random.default_rng(seed)
    bulk = pd.read_csv(files["bulk"], index_col=0)
    noise = pd.DataFrame(rng.standard_normal(bulk.shape), bulk.index, bulk.columns)
    is_visible = np.tile(bulk.index.isin(visible)[:, None], bulk.shape[1])
    table = 0.5 * bulk.where(is_visible, 0.0) + 0.3 * noise.where(is_visible, noise / 0.3)
    table.to_csv(folder / "predicted.csv")
    return folder / "predicted.csv"
