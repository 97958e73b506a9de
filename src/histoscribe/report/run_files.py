"""Files of a run for the end of its page: what each holds, with an address beside the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

_FILES = MappingProxyType(
    {
        "summary.csv": "mean of each model and metric over patients",
        "genes.csv": "every gene of every model: scores, band, q, detection",
        "scores.csv": "every score: model, section, gene, metric",
        "parts.csv": "scores cut into gene means, depth and the rest within genes",
        "patients.csv": "one value a patient, for models of whole patients",
        "differences.csv": "differences between models, over patients",
        "pathways.csv": "scores of pathways",
        "alignment.csv": "scores one spot away, to find shifted images",
        "foreign.json": "units, training data and hashes of predictions made elsewhere",
        "foreign_alignment.csv": "scores of these predictions one spot away",
        "card.md": "the protocol in words",
        "card.json": "the same for programs",
        "settings.toml": "all settings; they make the run again",
        "folds.json": "which spots were tested and trained on",
    }
)
_FOLDERS = MappingProxyType(
    {
        "predictions": "predicted values of each test section, as AnnData",
        "predictors": "the fitted models, with a model card each",
        "maps": "measured values of the test sections",
        "figures/maps": "still pictures of genes, measured and predicted",
        "figures/pathways": "still pictures of pathways, measured and predicted",
        "figures/overlays": "spots outlined on their images",
    }
)


@dataclass(frozen=True)
class RunFile:
    """A file or folder of a run."""

    name: str
    address: str
    """Relative to the page, so that both can move together."""
    content: str


def run_files(folder: Path) -> tuple[RunFile, ...]:
    """Files and folders of a run that a reader may open, in the order of their use."""
    return tuple(_existing(folder))


def _existing(folder: Path) -> Iterator[RunFile]:
    for name, content in _FILES.items():
        if (folder / name).is_file():
            yield RunFile(name, quote(name), content)
    for name, content in _FOLDERS.items():
        if (folder / name).is_dir():
            yield RunFile(f"{name}/", f"{quote(name)}/", content)
