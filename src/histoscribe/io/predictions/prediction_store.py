"""An unfinished prediction on disk: values and evidence of each spot, in chunks."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32

from histoscribe.io.durable_zarr import DurableRows, chunks_of
from histoscribe.types import PredictedBlock

CHUNK_ROWS = 128
"""Spots predicted together: a kill costs at most these. Results depend on it in their last bits."""

_LAYERS, _COLUMNS, _GENE_FACTS = "layers", "spot_columns", "gene_facts"


@final
class PredictionStore:
    """Rows of one slide in durable chunks: values and layers [N, G], further columns of each spot.

    The array is created with the first block, which names the layers, and the columns with their
    number.
    """

    def __init__(self, folder: Path, shape: tuple[int, int], rows: DurableRows | None) -> None:
        self._folder, self._shape, self._rows = folder, shape, rows

    @classmethod
    def open(cls, folder: Path, key: str, shape: tuple[int, int]) -> "PredictionStore":
        """Start or continue the prediction of one slide, identified by `key`.

        `shape` is spots and genes. Data in the folder under another key are removed.
        """
        name = f"{key}.zarr"
        if folder.is_dir():
            for other in folder.iterdir():
                if other.name != name:
                    shutil.rmtree(other)
        return cls(folder / name, shape, DurableRows.find(folder / name))

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        return chunks_of(self._shape[0], CHUNK_ROWS) if self._rows is None else self._rows.chunks

    @property
    def missing(self) -> tuple[slice, ...]:
        """Rows of every unfinished chunk."""
        return self.chunks if self._rows is None else self._rows.missing

    def write(self, block: PredictedBlock) -> None:
        """Write one chunk; a full disk is a DataContractError."""
        rows = self._rows = self._created(block) if self._rows is None else self._rows
        beside = [*block.layers.values(), *block.spot_columns.values()]
        columns = [values.astype(np.float32) for values in beside]
        rows.write(block.rows, np.concatenate([block.values, *columns], axis=1))

    def values(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Values of all spots, a chunk at a time."""
        return self._layer(0)

    def layers(self) -> dict[str, Iterator[Float32[np.ndarray, "rows G"]]]:
        """Layers of all spots by name, each a chunk at a time."""
        names = self._about(_LAYERS)
        return {name: self._layer(place) for place, name in enumerate(names, start=1)}

    def spot_columns(self) -> dict[str, Float32[np.ndarray, "N _"]]:
        """Further columns of all spots, by name."""
        widths = self._about(_COLUMNS)
        start = self._shape[1] * (1 + len(self._about(_LAYERS)))
        read = self._finished().read_finished
        parts = [read(rows)[:, start:] for rows in self.chunks]
        ends = np.cumsum(list(widths.values()))[:-1]
        return dict(zip(widths, np.split(np.concatenate(parts), ends, axis=1), strict=True))

    def gene_facts(self) -> dict[str, Float[np.ndarray, " G"]]:
        """Facts of the genes that came with the blocks, by name."""
        return {name: np.array(values) for name, values in self._about(_GENE_FACTS).items()}

    def _layer(self, place: int) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Values (at place 0) or a layer, a chunk at a time."""
        read, n_genes = self._finished().read_finished, self._shape[1]
        columns = slice(place * n_genes, (place + 1) * n_genes)
        return (read(rows)[:, columns] for rows in self.chunks)

    def _created(self, block: PredictedBlock) -> DurableRows:
        n_spots, n_genes = self._shape
        widths = {name: values.shape[1] for name, values in block.spot_columns.items()}
        facts = {name: values.tolist() for name, values in block.gene_facts.items()}
        about = {
            _LAYERS: json.dumps(list(block.layers)),
            _COLUMNS: json.dumps(widths),
            _GENE_FACTS: json.dumps(facts),
        }
        size = (n_spots, n_genes * (1 + len(block.layers)) + sum(widths.values()))
        return DurableRows.create(self._folder, size, CHUNK_ROWS, about)

    def _finished(self) -> DurableRows:
        if self._rows is None:
            raise FileNotFoundError(f"{self._folder} has no block yet")
        return self._rows

    def _about(self, name: str) -> Any:
        about: Any = json.loads(self._finished().attributes[name])
        return about
