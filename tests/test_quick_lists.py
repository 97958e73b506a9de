"""What only lists answers without torch, which takes seconds to import."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "timm", "torchvision", "lightning", "anndata", "pandas")


def imported_by(code: str) -> set[str]:
    """Which heavy packages a fresh Python has imported after running this code."""
    script = f"{code}\nimport sys; print(*(set({HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("argument", ["models", "encoders", "data", "--version", "--help"])
def test_lists_and_version_import_no_torch(argument):
    code = (
        "import contextlib, sys\n"
        f"sys.argv = ['histoscribe', {argument!r}]\n"
        "from histoscribe.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main()"
    )
    assert imported_by(code) == set()


def test_names_of_models_and_encoders_import_no_torch():
    code = "import histoscribe as hs; assert hs.list_models() and hs.list_encoders()"
    assert imported_by(code) == set()


def test_a_model_is_made_without_importing_the_others():
    code = (
        "import histoscribe as hs, sys; hs.create_model('ridge')\n"
        "names = [n for n in sys.modules if n.startswith('histoscribe.models.')]\n"
        "assert 'histoscribe.models.closed_form.ridge' in names\n"
        "assert not [n for n in names if n.startswith('histoscribe.models.networks')]"
    )
    assert "timm" not in imported_by(code)
