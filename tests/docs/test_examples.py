"""The examples of README and the pages run as they stand there.

A block that cannot run here has a comment above it, `<!-- not run: REASON -->`; the last test lists
them. One with `<!-- slow: REASON -->` runs in the slow tests only. The commands of a page run in
one folder, in the order of the page.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pytest

from histoscribe.cli.main import main
from tests.docs.workspace import fill_forms, make_slow_workspace, make_workspace, train_predictors

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|slow): (?P<reason>[^\n]*?) -->\n+)?"
    r"```(?P<language>python|bash|sh)\n(?P<text>.*?)^```",
    re.M | re.S,
)


@dataclass(frozen=True)
class Example:
    """One block of a page."""

    page: str
    language: str
    text: str
    mark: str | None
    """`slow`, `not run`, or None where it runs in every test."""
    reason: str | None
    """Why it is marked."""


def examples(page: Path) -> list[Example]:
    """The blocks of a page, in their order."""
    found = BLOCK.finditer(page.read_text("utf-8"))
    name = page.relative_to(ROOT).as_posix()
    return [Example(name, m["language"], m["text"], m["mark"], m["reason"]) for m in found]


ALL = [example for page in PAGES for example in examples(page)]


def runnable(marks: set[str | None]) -> dict[str, list[Example]]:
    """Examples with one of these marks, by page."""
    run = [example for example in ALL if example.mark in marks]
    return {
        page: [of for of in run if of.page == page] for page in dict.fromkeys(e.page for e in run)
    }


RUN = runnable({None})
SLOW = {
    page: listed
    for page, listed in runnable({None, "slow"}).items()
    if any(example.mark for example in listed)
}
"""Pages with slow examples, and all that runs on them."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    make_workspace(folder)
    return folder


def run_python(text: str) -> None:
    """Run a block of Python in names of its own."""
    exec(compile(text, "example", "exec"), {"__name__": "example"})


def run_shell(text: str, monkeypatch) -> None:
    """Run the commands of a block; each must be one of histoscribe's."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "histoscribe", f"mark this block as not run: {line}"
            run_command(_globbed(words[1:]), monkeypatch)


def run_command(words: list[str], monkeypatch) -> None:
    """Run a command in this process; it must end well."""
    monkeypatch.setattr("sys.argv", ["histoscribe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, f"histoscribe {' '.join(words)} ended with {ended.value.code}"


def _globbed(words: list[str]) -> list[str]:
    """As the shell would give them to a command."""
    found = [sorted(map(str, Path().glob(word))) if "*" in word else [] for word in words]
    return [one for word, names in zip(words, found, strict=True) for one in names or [word]]


def run_page(listed: list[Example], workspace: Path, folder: Path, monkeypatch) -> None:
    """Run the examples of a page in an own folder."""
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(workspace / "cache"))
    for path in workspace.iterdir():
        if path.name != "cache":
            (folder / path.name).symlink_to(path)
    monkeypatch.chdir(folder)
    mpl.use("Agg")
    train_predictors(folder, "\n".join(example.text for example in listed))
    for example in listed:
        if "--read eve.csv" in example.text:
            fill_forms(folder / "sheet", ("eve", "ida"))
        if example.language == "python":
            run_python(example.text)
        else:
            run_shell(example.text, monkeypatch)


# a slide unlike the training slides is told with its prediction
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", RUN)
def test_the_examples_of_a_page_run(page, workspace, tmp_path, monkeypatch, capsys):
    run_page(RUN[page], workspace, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", SLOW)
def test_the_slow_examples_of_a_page_run(page, workspace, tmp_path, monkeypatch, capsys):
    make_slow_workspace(workspace, tmp_path)
    run_page(SLOW[page], workspace, tmp_path, monkeypatch)


def test_every_page_with_python_runs_it_or_says_why_not():
    python = [example for example in ALL if example.language == "python"]
    assert {example.page for example in python if example.mark is None} >= {
        "docs/reference/python.md",
        "docs/howto/explain-a-prediction.md",
    }


def test_what_is_not_run_has_a_reason():
    marked = [example for example in ALL if example.mark]
    assert [example for example in marked if not example.reason] == []
    print(*(f"{e.page}: {e.mark}, {e.reason}" for e in marked), sep="\n")
