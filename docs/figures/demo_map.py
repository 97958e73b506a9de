"""Shrinks one map of `make demo` to docs/images/demo-map.png.

make demo && .venv/bin/python docs/figures/demo_map.py
"""

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "demo" / "runs" / "first" / "figures" / "maps" / "P6S1" / "SIM-ARRANGEMENT014.png"
TARGET = ROOT / "docs" / "images" / "demo-map.png"
WIDTH_PX = 1100
COLOURS = 256
"""As many as tissue and colour bar need; a picture in full colour is three times as large."""


def main() -> None:
    """Write the picture."""
    with Image.open(SOURCE) as full:
        height = round(full.height * WIDTH_PX / full.width)
        small = full.convert("RGB").resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
    small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
