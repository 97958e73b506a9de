"""A small server with the addresses of `histoscribe view`, for states that are hard to predict.

Values are made on request, so that a section of any size costs nothing before it is seen.
"""

import io
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

import histoscribe

STATIC = Path(histoscribe.__file__).parent / "viewer" / "static"
TOKEN = "stub-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
TILE_PX, PITCH_PX = 256, 40
TRUSTS = ("above chance", "above chance", "not above chance")

UNIT = "log(1 + counts)"
FACTS = [
    {"name": "distance_to_training", "title": "distance to training", "what": "by features"},
    {"name": "trusted", "title": "like the training", "what": "1 where like the training tissue"},
    {"name": "tissue", "title": "tissue", "what": "share of tissue below the place"},
]
EVIDENCE = [
    {"name": "pathways", "title": "Pathway activity", "labels": ["hypoxia", "EMT", "cell cycle"]},
    {"name": "attention", "title": "Attention", "labels": ["head 1"]},
]
FINDINGS = [
    {
        "question": "levels",
        "title": "How much detail does it need?",
        "text": "The score falls from 0.41 to 0.22.\n\nBy chance it would stay.",
        "image": "s/0/findings/0.jpg",
    }
]


@dataclass
class StubSection:
    """One section: its places on a grid, waves as genes, and a slide of plain tissue."""

    id: str = "S1"
    side: int = 24
    n_genes: int = 12
    has_slide: bool = True
    has_measured: bool = True
    shape: str = "circles"
    other_unit: str = ""
    """Unit of the measurement, whose values are then around zero."""
    warnings: tuple = ()

    @property
    def n_places(self):
        return self.side**2

    @property
    def slide_px(self):
        return (self.side + 2) * PITCH_PX

    @property
    def levels(self):
        return int(np.ceil(np.log2(self.slide_px))) + 1

    @cached_property
    def xy(self):
        row, column = np.divmod(np.arange(self.n_places), self.side)
        shift = 0.5 * (row % 2) if self.shape == "circles" else 0.0
        return np.stack([column + shift + 1.25, row + 1.25], axis=1) * PITCH_PX

    @property
    def n_kinds(self):
        return (2 if self.other_unit else 3) if self.has_measured else 1

    def symbol(self, gene):
        return ("ERBB2", "KRT19", "<b>X</b>")[gene] if gene < 3 else f"GENE{gene}"

    def predicted(self, gene):
        x, y = (self.xy / self.slide_px).T
        angle = gene * 2.4
        return 1 + np.sin(7 * (x * np.cos(angle) + y * np.sin(angle)) + gene)

    def measured(self, gene):
        noise = np.random.default_rng(gene).normal(0, 0.4, self.n_places)
        values = np.maximum(self.predicted(gene) * 1.2 + noise, 0)
        if self.other_unit:
            values -= np.nanmean(values)
        values[:: max(self.n_places // 9, 1)] = np.nan  # a few places were not measured
        return values

    def described(self):
        genes = [
            {
                "id": f"ENSG{gene:011d}",
                "symbol": self.symbol(gene),
                "score": None if gene % 7 == 6 else round(0.7 - 0.6 * gene / self.n_genes, 4),
                "trust": "unknown" if gene % 7 == 6 else TRUSTS[min(3 * gene // self.n_genes, 2)],
                "measured": self.has_measured and gene != 4,
                "undefined_why": None,
            }
            for gene in range(self.n_genes)
        ]
        slide = {
            "width": self.slide_px, "height": self.slide_px, "mpp": 0.5,
            "tile_px": TILE_PX, "levels": self.levels,
        }  # fmt: skip
        measured = self.has_measured
        return {
            **{"id": self.id, "n_places": self.n_places, "shape": self.shape, "mpp": 0.5},
            "slide": slide if self.has_slide else None,
            "diameter_px": PITCH_PX * (0.9 if self.shape == "circles" else 1),
            "unit": UNIT,
            "predictor": "egn@1a2b",
            "measured_unit": (self.other_unit or UNIT) if measured else None,
            "kinds": ["predicted", "measured", "difference"][: self.n_kinds],
            **{"genes": genes, "facts": FACTS, "evidence": EVIDENCE, "findings": FINDINGS},
            **{"has_exemplars": True, "warnings": list(self.warnings)},
        }


def packed(values, ends=None):
    """One byte a value after low and high; 255 is undefined."""
    low, high = ends or (float(np.nanmin(values)), float(np.nanmax(values)))
    share = (values - low) / ((high - low) or 1)
    codes = np.where(np.isnan(values), 255, np.round(np.nan_to_num(share) * 254)).astype(np.uint8)
    return np.array([low, high], "<f4").tobytes() + codes.tobytes()


def gene_bytes(section, gene, kind):
    predicted, measured = section.predicted(gene), section.measured(gene)
    if kind == "difference":
        return packed(predicted - measured)
    values = predicted if kind == "predicted" else measured
    both = np.concatenate([predicted, measured]) if section.n_kinds == 3 else values
    return packed(values, (float(np.nanmin(both)), float(np.nanmax(both))))


def fact_bytes(section, at):
    x, y = (section.xy / section.slide_px).T
    distance = 0.6 + 0.6 * x * y
    facts = (distance, np.where(distance <= 1, 1.0, 0.0), 1 - 0.3 * x)
    return packed(facts[at])


def tile_bytes(section, level, column, row):
    """Pink tissue with purple dots, and the border of the tissue at a tenth of the slide."""
    scale = 2 ** (section.levels - 1 - level)
    side = -(-section.slide_px // scale)
    width, height = (min(TILE_PX, side - TILE_PX * at) for at in (column, row))
    x = (np.arange(width) + column * TILE_PX) * scale
    y = (np.arange(height) + row * TILE_PX) * scale
    wave = np.sin(x / 31)[None, :] * np.sin(y / 37)[:, None]
    is_nucleus = (((x % 23) < 9)[None, :] & ((y % 19) < 8)[:, None]) & (wave > -0.2)
    picture = np.full((height, width, 3), (236, 196, 216)) + (wave * 18)[..., None]
    picture[is_nucleus] = (110, 70, 150)
    out = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(out, "JPEG")
    return out.getvalue()


def jpg_bytes():
    out = io.BytesIO()
    Image.new("RGB", (120, 120), (200, 150, 190)).save(out, "JPEG")
    return out.getvalue()


def exemplars(place):
    return [
        {
            **{"patient": f"P{rank}", "section": "T1", "spot": f"{place}x{rank}"},
            **{"weight": None, "distance": 0.5 / rank},
            "image": f"s/0/exemplars/{place}/{rank}.jpg" if rank < 3 else None,
        }
        for rank in (1, 2, 3)
    ]


class Stub:
    """Sections by address, and what was asked for."""

    def __init__(self, sections):
        self.sections, self.paths = sections, []

    def answer(self, path):
        """Content type and bytes of a path below the token."""
        match path.split("/"):
            case [""]:
                return "text/html", (STATIC / "index.html").read_bytes()
            case ["static", name] if (STATIC / name).is_file():
                return TYPES.get(Path(name).suffix, "text/plain"), (STATIC / name).read_bytes()
            case ["view.json"]:
                return "application/json", json.dumps({"version": "0", "sections": self.listed()})
            case ["s", at, *rest]:
                return self.of_section(self.sections[int(at)], rest)
        return None

    def listed(self):
        return [
            {
                **{"index": at, "id": section.id, "warnings": list(section.warnings)},
                **{"n_places": section.n_places, "n_genes": section.n_genes},
                **{"has_slide": section.has_slide, "has_measured": section.has_measured},
            }
            for at, section in enumerate(self.sections)
        ]

    def of_section(self, section, rest):
        """JSON, pictures, or values in one byte each."""
        name, _, kind = rest[-1].partition(".")
        if kind == "json":
            return "application/json", json.dumps(self.record(section, rest[0], name))
        if kind == "jpg":
            is_tile = rest[0] == "tile"
            at = (int(part) for part in (rest[1], *name.split("_"))) if is_tile else ()
            return "image/jpeg", tile_bytes(section, *at) if is_tile else jpg_bytes()
        return "application/octet-stream", self.values(section, [*rest[:-1], name])

    def record(self, section, room, name):
        if room == "exemplars":
            return {"exemplars": exemplars(int(name))}
        ids = {"ids": [f"{at}x1" for at in range(section.n_places)]}
        return ids if name == "places" else section.described()

    def values(self, section, rest):
        match rest:
            case ["places"]:
                return section.xy.astype("<f4").tobytes()
            case ["gene", gene, kind]:
                return gene_bytes(section, int(gene), kind)
            case ["fact", at]:
                return fact_bytes(section, int(at))
            case ["evidence", at, column]:
                return packed(section.predicted(50 + 7 * int(at) + int(column)) - 1)
        raise ValueError(rest)


@contextmanager
def served(*sections):
    """Address of the page, and the stub behind it."""
    stub = Stub(sections)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            token, _, path = self.path.removeprefix("/").partition("/")
            stub.paths.append(path)
            kind, body = (stub.answer(path) if token == TOKEN else None) or ("text/plain", None)
            body = body.encode() if isinstance(body, str) else body
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", f"{kind}; charset=utf-8" if "text" in kind else kind)
            self.send_header("Content-Length", str(len(body or b"")))
            self.send_header("Content-Security-Policy", POLICY)
            if path.startswith("s/") and not path.endswith(".json"):
                self.send_header("Cache-Control", "private, max-age=3600, immutable")
            self.end_headers()
            self.wfile.write(body or b"")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{TOKEN}/", stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
