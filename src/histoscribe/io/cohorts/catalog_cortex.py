"""Visium sections of human cortex of the package spatialLIBD: twelve of three donors."""

from histoscribe.io.cohorts.catalog_records import DataSet, PublicFile, PublicSection

_PAGE = "https://github.com/LieberInstitute/HumanPilot"
_COMMIT = "39ed906fad38095e3d7005e1b47f48c00b846371"
_PLACES = f"https://raw.githubusercontent.com/LieberInstitute/HumanPilot/{_COMMIT}/10X"
_FILES = "https://spatial-dlpfc.s3.us-east-2.amazonaws.com"
_SECTIONS = {
    "Br5292": ("151507", "151508", "151509", "151510"),
    "Br5595": ("151669", "151670", "151671", "151672"),
    "Br8100": ("151673", "151674", "151675", "151676"),
}
"""Sections of each donor."""


def dlpfc() -> DataSet:
    """Dorsolateral prefrontal cortex, four sections of each of three donors."""
    return DataSet(
        name="dlpfc",
        title="human dorsolateral prefrontal cortex, Visium, 12 sections of 3 donors",
        source=_PAGE,
        licence="none stated for the files (package spatialLIBD: Artistic-2.0)",
        paper="10.1038/s41593-020-00787-0",
        kind="spaceranger",
        folder="dlpfc",
        sections=tuple(
            _section(section, donor) for donor, ids in _SECTIONS.items() for section in ids
        ),
        facts={"species": "human", "organ": "brain"},
        remarks=(
            "three donors check a pipeline; they cannot rank models",
            "of the four sections of a donor two and two lie side by side, 10 um apart",
        ),
    )


def _section(section: str, donor: str) -> PublicSection:
    image, counts = f"{section}_full_image.tif", f"{section}_filtered_feature_bc_matrix.h5"
    positions = f"{section}/spatial/tissue_positions_list"
    return PublicSection(
        section,
        donor,
        (
            PublicFile("image", (f"{section}/{image}",), f"{_FILES}/images/{image}",
                       f"{_FILES}/images/{image}"),
            PublicFile("counts", (f"{section}/{counts}",), f"{_FILES}/h5/{counts}",
                       f"{_FILES}/h5/{counts}"),
            # published under the ending txt, with the content of Space Ranger's csv
            PublicFile("spots", (f"{positions}.csv", f"{positions}.txt"),
                       f"{_PAGE}/tree/master/10X/{section}",
                       f"{_PLACES}/{section}/tissue_positions_list.txt"),
        ),
        folder=section,
    )  # fmt: skip
