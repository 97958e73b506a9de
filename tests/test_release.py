"""What a release states agrees with what it holds."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
TESTED = {
    canonicalize_name(line.partition("==")[0])
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if "==" in line
}


def packages(texts):
    """Requirements by name, without the package itself."""
    found = {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}
    found.pop("histoscribe", None)
    return found


def named_extras(extra):
    """Extras that an extra brings."""
    own = [Requirement(text) for text in EXTRAS[extra] if Requirement(text).name == "histoscribe"]
    direct = {name for requirement in own for name in requirement.extras}
    return direct | {name for other in direct for name in named_extras(other)}


def test_citation_and_changelog_have_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_tests_have_every_optional_library():
    assert named_extras("test") == set(EXTRAS) - {"test", "docs", "dev"}
    assert named_extras("all") == named_extras("test") - {"all"}


def test_every_package_of_the_set_has_a_tested_version():
    wanted = packages([*PROJECT["dependencies"], *(text for of in EXTRAS.values() for text in of)])
    assert sorted(wanted.keys() - TESTED) == []


def test_dependencies_are_imported():
    names = {"pillow": "PIL", "scikit-image": "skimage", "scikit-learn": "sklearn"}
    names |= {"openslide-python": "openslide", "openslide-bin": "openslide"}
    text = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    for name in packages(PROJECT["dependencies"]):
        module = names.get(name, name.replace("-", "_"))
        assert re.search(rf"\b(import|from) {module}\b", text), f"no import of {name}"


def test_the_image_installs_what_the_readme_installs():
    steps = (ROOT / "Dockerfile").read_text()
    readme = (ROOT / "README.md").read_text()
    options = "-c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu"
    assert f"pip install {options}" in steps
    assert options in readme
    (files,) = re.findall(r"^COPY (.*) \./$", steps, re.M)
    allowed = (ROOT / ".dockerignore").read_text()
    assert all((ROOT / name).is_file() and f"!{name}" in allowed for name in files.split())


def test_pages_named_in_the_readme_exist():
    # the index page gets their addresses from these relative ones
    text = (ROOT / "README.md").read_text()
    named = {link.partition("#")[0] for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)}
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
