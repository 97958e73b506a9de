"""Doctor for the install: Python, required packages and optional extras."""

import platform
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from histoscribe.cli.doctor_probe import Diagnosis

PACKAGE = "histoscribe"
_TOLD = 6
"""Number of packages named in a line."""


def examine_packages() -> list[Diagnosis]:
    """Compare Python and every package with the required and the tested versions."""
    needed = [r for r in _requirements() if r.marker is None or r.marker.evaluate({"extra": ""})]
    found = [_python(metadata.metadata(PACKAGE)["Requires-Python"])]
    wrong = {r.name: _wrong(r) for r in needed}
    found += [
        Diagnosis(name, "BROKEN", why, f"pip install '{_spelt(needed, name)}'")
        for name, why in wrong.items()
        if why
    ]
    n_good = sum(not why for why in wrong.values())
    found.append(Diagnosis("packages", "ok", f"{n_good} of {len(needed)} as needed"))
    return [*found, _against_tested(constraints_file())]


def examine_extras() -> list[Diagnosis]:
    """Report for each optional group whether it is installed completely."""
    about = metadata.metadata(PACKAGE)
    return [_extra(name) for name in sorted(about.get_all("Provides-Extra") or [])]


def installed(name: str) -> str | None:
    """Version of an installed package; None for a missing one."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def constraints_file() -> Path | None:
    """Constraints file of the tested versions: in the package, or in its repository."""
    package = Path(__file__).parent.parent
    places = (package / "constraints.txt", package.parent.parent / "constraints.txt")
    return next((place for place in places if place.is_file()), None)


def _python(needed: str) -> Diagnosis:
    version = platform.python_version()
    if Requirement(f"python{needed}").specifier.contains(version, prereleases=True):
        return Diagnosis("Python", "ok", f"{version} (needs {needed}), {platform.platform()}")
    return Diagnosis("Python", "BROKEN", f"{version}, needs {needed}", "use a newer Python")


def _requirements() -> list[Requirement]:
    found = []
    for text in metadata.requires(PACKAGE) or ():
        try:
            found.append(Requirement(text))
        except InvalidRequirement as error:
            raise ValueError(f"the metadata of {PACKAGE} are broken: {text!r}") from error
    return found


def _wrong(requirement: Requirement) -> str:
    """Problem of a requirement; empty if it is met."""
    version = installed(requirement.name)
    if version is None:
        return "not installed"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{version}, needs {requirement.specifier}"
    return ""


def _spelt(requirements: list[Requirement], name: str) -> str:
    return next(f"{r.name}{r.specifier}" for r in requirements if r.name == name)


def _against_tested(constraints: Path | None) -> Diagnosis:
    """List packages whose version differs from the tested one."""
    if constraints is None:
        return Diagnosis(
            "tested with", "note", "constraints.txt is missing: nothing to compare with"
        )
    lines = (line.partition("#")[0] for line in constraints.read_text("utf-8").splitlines())
    pinned = [line.strip().partition("==") for line in lines if "==" in line]
    tested = {name: version for name, _, version in pinned}
    others = [
        f"{name} {version} (tested {tested[name]})"
        for name in tested
        if (version := installed(name)) is not None
        # a build of the same release: 2.13.0+cpu
        and version.partition("+")[0] != tested[name].partition("+")[0]
    ]
    if not others:
        return Diagnosis("tested with", "ok", f"the same versions of {len(tested)} packages")
    more = f" and {len(others) - _TOLD} more" if len(others) > _TOLD else ""
    return Diagnosis(
        "tested with",
        "note",
        f"other versions: {', '.join(others[:_TOLD])}{more}",
        f"if something fails: pip install -c {constraints} histoscribe",
    )


def _extra(name: str) -> Diagnosis:
    needed = [
        r
        for r in _requirements()
        if r.marker is not None
        and r.marker.evaluate({"extra": name})
        and not r.marker.evaluate({"extra": ""})
        and r.name != PACKAGE  # an extra that names other extras
    ]
    wrong = [f"{r.name}: {why}" for r in needed if (why := _wrong(r))]
    if wrong:
        return Diagnosis(name, "not here", "; ".join(wrong), f"pip install '{PACKAGE}[{name}]'")
    there = ", ".join(f"{r.name} {installed(r.name)}" for r in needed)
    return Diagnosis(name, "ok", there or "no packages besides those")
