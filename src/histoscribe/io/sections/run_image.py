"""The best available image of a run of Space Ranger, and the scale factors of its images."""

from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.files import read_json
from histoscribe.io.sections.run_files import RunFiles
from histoscribe.io.sections.scale_factors import ScaleFactors, scale_factors_of
from histoscribe.io.sections.source import Source
from histoscribe.io.sections.table import broken


@dataclass(frozen=True)
class RunImage:
    """Image of a run, whose px differ from those of the positions by a scale."""

    path: Path
    scale: float
    """Px of this image per full-resolution px."""
    what: str
    """Its origin, for a note."""


def run_image(source: Source, files: RunFiles, factors: ScaleFactors) -> RunImage:
    """Choose the user's full-resolution image, else the hires, else the lowres PNG.

    Raises DataContractError if there is none, or its scale factor is missing.
    """
    given = source.image
    for name, scale in (("hires", factors.hires), ("lowres", factors.lowres)):
        png = files.image(name)
        if png is not None and (given is None or given.resolve() == png.resolve()):
            if scale is None:
                raise DataContractError(_no_scale(files.spatial, name))
            return RunImage(png, scale, f"tissue_{name}_image.png of Space Ranger")
    if given is not None:
        return RunImage(given, 1.0, f"{given.name}, taken as the full-resolution image")
    raise DataContractError(
        Problem(
            where=str(files.spatial),
            found="no image",
            expected="tissue_hires_image.png or tissue_lowres_image.png, not zipped",
            remedy="unzip it, or give the full-resolution image in the column `image` of the "
            "manifest",
        )
    )


def run_scale_factors(files: RunFiles) -> ScaleFactors:
    """Scale factors of a run; empty where it has no such file."""
    path = files.scale_factors()
    if path is None:
        return scale_factors_of({})
    factors = read_json(path)
    if not isinstance(factors, dict):
        raise broken(path, "the file holds no names and values", "a JSON object")
    return scale_factors_of(factors)


def _no_scale(spatial: Path, name: str) -> Problem:
    return Problem(
        where=str(spatial / "scalefactors_json.json"),
        found=f"no scale factor tissue_{name}_scalef",
        expected="px of the PNG per full-resolution px, above 0",
        remedy="copy scalefactors_json.json of this run here, or give the full-resolution "
        "image in the column `image` of the manifest",
    )
