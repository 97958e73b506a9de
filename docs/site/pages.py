"""Runs every script of the gallery and the notebooks, and writes their pages for `make docs`.

python -m docs.site.pages DEMO OUT

DEMO is the folder of `histoscribe demo`. Two processes run the scripts, each in a folder of its own
in which `demo` is that folder.
"""

import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from html import escape
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

from docs.site.execution import CellOutput, Execution, execute
from docs.site.script import Cell, Script, notebook, read_script

DOCS = Path(__file__).parents[1]
FOLDERS = ("gallery", "notebooks")
N_PROCESSES = 2
OPENS_RUN = 'out="demo/runs/first"'
"""In the text of a script that opens the run of the demo."""
WIDTH_PX = 1400
"""Wider pictures are made smaller."""
COLOURS = 256
DOWNLOADS = (("script", "py"), ("notebook", "ipynb"))
ORDER = (
    *("benchmark", "gene_map", "new_slide", "where"),
    *("pathways", "counts", "figures", "runs_compared"),
)
"""Of the gallery."""


def main() -> None:
    """Write all pages, and the run folder of the demo with its report beside them."""
    demo, out = (Path(argument).resolve() for argument in sys.argv[1:])
    shutil.rmtree(out, ignore_errors=True)
    scripts = [path for folder in FOLDERS for path in sorted((DOCS / folder).glob("*.py"))]
    with ProcessPoolExecutor(N_PROCESSES, get_context("spawn")) as pool:
        for listed in pool.map(partial(make_pages, demo, out), in_groups(scripts)):
            for path, seconds in listed:
                print(f"{path.relative_to(DOCS)}: {seconds:.0f} s")
    gallery = [read_script(DOCS / "gallery" / f"{name}.py") for name in ORDER]
    (out / "gallery" / "index.md").write_text(overview(gallery, out / "gallery"), "utf-8")
    shutil.copytree(demo / "runs" / "first", out / "demo")


def in_groups(scripts: list[Path]) -> list[list[Path]]:
    """Scripts that open the demo's run together, for a run lets one process in; others alone."""
    opening = [path for path in scripts if OPENS_RUN in path.read_text("utf-8")]
    return [opening, *([path] for path in scripts if path not in opening)]


def make_pages(demo: Path, out: Path, paths: list[Path]) -> list[tuple[Path, float]]:
    """Run scripts one after the other and write their pages; returns how long each ran."""
    seconds = []
    for path in paths:
        script = read_script(path)
        execution = run_script(script, demo)
        write_page(script, execution, out / path.parent.name)
        seconds.append((path, execution.seconds))
    return seconds


def run_script(script: Script, demo: Path) -> Execution:
    """Run a script in an empty folder beside the demo."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "demo").symlink_to(demo)
        return execute(script, Path(name))


def write_page(script: Script, execution: Execution, folder: Path) -> None:
    """Write the page of a script, its pictures and its notebook; the script is among the docs."""
    folder.mkdir(parents=True, exist_ok=True)
    name = script.path.stem
    (folder / f"{name}.ipynb").write_text(notebook(script), "utf-8")
    parts = [f"# {script.title}", script.introduction]
    links = (f"[{kind}]({name}.{suffix}){{download}}" for kind, suffix in DOWNLOADS)
    parts.append(f"Download: {' · '.join(links)}")
    number = 0
    for cell, output in zip(script.cells, execution.outputs, strict=True):
        pictures = []
        for png in output.pictures:
            number += 1
            pictures.append(f"{name}-{number}.png")
            _save(png, folder / pictures[-1])
        parts += _cell(cell, output, pictures)
    parts.append(
        f"This page shows what the script showed when the page was built; it ran for "
        f"{max(execution.seconds, 1):.0f} s. Terms are explained in the [glossary](../glossary.md)."
    )
    (folder / f"{name}.md").write_text("\n\n".join(filter(None, parts)) + "\n", "utf-8")


def _cell(cell: Cell, output: CellOutput, pictures: list[str]) -> list[str]:
    parts = [cell.text]
    if cell.code:
        parts.append(f"```python\n{cell.code}\n```")
    if output.printed.strip():
        parts.append(f"```text\n{output.printed.rstrip()}\n```")
    if output.html:
        parts.append(f'<div class="shown">{_one_line(output.html)}</div>')
    return parts + [f"![picture {path}]({path})" for path in pictures]


def _one_line(html: str) -> str:
    """HTML without empty lines, which would end it in Markdown."""
    return "\n".join(line for line in html.splitlines() if line.strip())


def _save(png: bytes, path: Path) -> None:
    with Image.open(BytesIO(png)) as full:
        picture = full.convert("RGB")
    if picture.width > WIDTH_PX:
        height = round(picture.height * WIDTH_PX / picture.width)
        picture = picture.resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
    picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def overview(scripts: list[Script], folder: Path) -> str:
    """The page of all scripts: title, first sentence and last picture of each."""
    cards = []
    for script in scripts:
        name = script.path.stem
        pictures = sorted(folder.glob(f"{name}-*.png"), key=lambda path: path.stat().st_size)
        if not pictures:
            raise ValueError(f"{script.path} shows no picture")
        sentence = script.introduction.split("\n\n")[0].replace("\n", " ")
        cards.append(
            f'<a class="example" href="{name}.html"><img src="{pictures[-1].name}" alt="">'
            f"<b>{escape(script.title)}</b><span>{escape(sentence)}</span></a>"
        )
    return GALLERY.format(cards="\n".join(cards))


GALLERY = """\
# Gallery

Each example is a short script. It ran when this page was built, and its pictures are what it drew.
Most read the folder that `histoscribe demo` writes: run that once, then any of the scripts, in the
folder that holds `demo`. Terms are explained in the [glossary](../glossary.md).

<div class="gallery">
{cards}
</div>
"""


if __name__ == "__main__":
    main()
