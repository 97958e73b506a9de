"""Every script of the gallery and every notebook runs beside the demo, and shows pictures."""

from pathlib import Path

import pytest

from docs.site.pages import FOLDERS, run_script
from docs.site.script import read_script
from histoscribe.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
SCRIPTS = sorted(path for folder in FOLDERS for path in (DOCS / folder).glob("*.py"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder of the demo."""
    folder = tmp_path_factory.mktemp("gallery") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["histoscribe", "demo", "--out", str(folder)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return folder


# scanpy and squidpy warn while they are imported, and squidpy where it draws
@pytest.mark.filterwarnings(
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:.*not a valid key:SyntaxWarning",
    "ignore:The set_bad function:PendingDeprecationWarning",
)
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs_and_shows_pictures(path, demo):
    execution = run_script(read_script(path), demo)
    assert any(output.pictures for output in execution.outputs)
