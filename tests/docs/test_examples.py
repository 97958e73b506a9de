"""The examples of README and the pages run as they stand there.

A block that cannot run here has a comment above it, `<!-- not run: REASON -->`; the last test lists
them. The commands of a page run in one folder, in the order of the page.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pytest

from histoscribe.cli.main import main
from tests.docs.workspace import make_workspace, train_egn

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]*?) -->\n+)?```(?P<language>python|bash|sh)\n"
    r"(?P<text>.*?)^```",
    re.M | re.S,
)


@dataclass(frozen=True)
class Example:
    """One block of a page."""

    page: str
    language: str
    text: str
    reason: str | None
    """Why it is not run; None where it is."""


def examples(page: Path) -> list[Example]:
    """The blocks of a page, in their order."""
    found = BLOCK.finditer(page.read_text("utf-8"))
    name = page.relative_to(ROOT).as_posix()
    return [Example(name, m["language"], m["text"], m["reason"]) for m in found]


ALL = [example for page in PAGES for example in examples(page)]
RUN = {
    page: [example for example in ALL if example.page == page and example.reason is None]
    for page in dict.fromkeys(example.page for example in ALL if example.reason is None)
}


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


# a slide unlike the training slides is told with its prediction
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", RUN)
def test_the_examples_of_a_page_run(page, workspace, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(workspace / "cache"))
    for path in workspace.iterdir():
        if path.name != "cache":
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    if any(" egn " in example.text or '"egn"' in example.text for example in RUN[page]):
        train_egn(tmp_path)
    for example in RUN[page]:
        if example.language == "python":
            run_python(example.text)
        else:
            run_shell(example.text, monkeypatch)


def test_every_page_with_python_runs_it_or_says_why_not():
    python = [example for example in ALL if example.language == "python"]
    assert any(example.reason is None for example in python)
    assert {example.page for example in python if example.reason is None} >= {
        "docs/reference/python.md",
        "docs/howto/explain-a-prediction.md",
    }


def test_what_is_not_run_has_a_reason():
    silent = [example for example in ALL if example.reason is not None and not example.reason]
    assert silent == []
    print(*(f"{e.page}: {e.reason}" for e in ALL if e.reason is not None), sep="\n")
