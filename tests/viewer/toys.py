"""A small slide and a prediction of it, with values that a test knows."""

import json
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from histoscribe.io.predictions.anndata import write_prediction
from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Head, Prediction, Spots
from histoscribe.viewer.server import ViewServer

MPP = 0.5
SIDE = (900, 600)
GENES = ("ENSG1", "ENSG2", "ENSG3")
N = 20


def write_slide(path: Path) -> Path:
    """Write a picture whose colours tell the place of each px."""
    x, y = np.meshgrid(np.arange(SIDE[0]), np.arange(SIDE[1]))
    pixels = np.stack([x % 256, y % 256, np.full_like(x, 200)], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def toy_prediction(
    slide: Path, *, measured: bool = False, unit: str = "counts", n: int = N
) -> Prediction:
    """Predict three genes: rising, constant, and undefined everywhere."""
    xy = np.stack([np.linspace(100, 800, n), np.linspace(50, 550, n)], axis=1)
    spots = Spots(tuple(f"s{i}" for i in range(n)), xy, 55.0, 100.0)
    values = np.full((n, 3), np.nan, dtype=np.float32)
    values[:, 0], values[:, 1] = np.arange(n), 2.0
    values[3, 0] = np.nan
    counts = np.stack([np.arange(n)[::-1], np.arange(n), np.zeros(n)], axis=1).astype(np.float32)
    head = Head(
        section="S1",
        spots=spots,
        genes=GENES,
        gene_names=("ERBB2", "TBCE", "TBCE"),
        unit=unit,
        predictor="egn@1a2b",
        gene_facts={
            "pcc_given_depth": np.array([0.5, 0.1, np.nan]),
            "null_high": np.array([0.2, 0.2, 0.2]),
            "q": np.array([0.01, 0.3, np.nan]),
        },
        spot_facts={"trusted": np.ones(n), "distance_to_training": np.linspace(0, 2, n)},
        evidence={
            "pathways": np.arange(2.0 * n).reshape(n, 2),
            "exemplar_row": np.arange(3.0 * n).reshape(n, 3) % 7,
            "exemplar_distance": np.ones((n, 3)),
        },
        evidence_names={"pathways": ("hypoxia", "growth")},
        warnings=("an unusual slide",),
    )
    image = open_slide(slide, MPP)
    return Prediction(head, values, measured=counts if measured else None, slide=image)


def write_toy(folder: Path, *, measured: bool = False, unit: str = "counts") -> tuple[Path, Path]:
    """Write slide and prediction; returns both paths."""
    slide, file = write_slide(folder / "he.png"), folder / "S1.h5ad"
    write_prediction(toy_prediction(slide, measured=measured, unit=unit), file)
    return slide, file


class Browser:
    """Asks a server that runs in a thread, as a browser does."""

    def __init__(self, server: ViewServer) -> None:
        self.server = server
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def get(self, address: str, **headers: str) -> tuple[HTTPResponse, bytes]:
        """Ask for an address below the token."""
        return self.ask("GET", urlsplit(self.server.url).path + address, **headers)

    def ask(self, method: str, target: str, **headers: str) -> tuple[HTTPResponse, bytes]:
        """Send one request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, headers=named)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def json(self, address: str) -> dict:
        """Read a JSON answer."""
        response, body = self.get(address)
        assert response.status == 200, (address, response.status, body)
        return json.loads(body)

    def values(self, address: str) -> np.ndarray:
        """Decode the values of a binary answer; NaN where undefined."""
        response, body = self.get(address)
        assert response.status == 200, (address, response.status, body)
        low, high = np.frombuffer(body[:8], dtype="<f4")
        codes = np.frombuffer(body[8:], dtype=np.uint8)
        return np.where(codes == 255, np.nan, low + (high - low) * codes / 254.0)
