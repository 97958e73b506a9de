"""Named public data sets, with the published address of each file."""

from collections.abc import Sequence

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.catalog_cortex import dlpfc
from histoscribe.io.cohorts.catalog_gene_sets import hallmark
from histoscribe.io.cohorts.catalog_records import DataSet, PublicFile, PublicSection, local_sources
from histoscribe.io.cohorts.catalog_tcga import tcga_crc
from histoscribe.io.cohorts.catalog_tenx import tenx_breast
from histoscribe.io.cohorts.hest_folder import METADATA, download_command
from histoscribe.io.cohorts.selection import Where
from histoscribe.io.cohorts.stnet_folder import DATA_URL
from histoscribe.io.sections.source import Source
from histoscribe.io.slides.resample import Box
from histoscribe.near_names import did_you_mean

_RAW = "https://raw.githubusercontent.com"
_HER2ST = "https://github.com/almaan/her2st"
_HER2ST_COUNTS = f"{_RAW}/almaan/her2st/e75e5c53a994726a8ad251aaf653a02d7932eb6a/data/ST-cnts"
_HER2ST_FILES = f"{_RAW}/almaan/her2st/9f2260c6aa8347996955d53f0a5f06ac14c93470/data"
_HER2ST_IMAGES = {
    "B4": "B/B4/BT10737_D2_HE.jpg",
    "C2": "C/C2/5714_HE_BT_C2.jpg",
    "C3": "C/C3/5714_HE_BT_D1.jpg",
    "C4": "C/C4/5714_HE_BT_D2.jpg",
    "C5": "C/C5/5714_HE_BT_E1.jpg",
    "C6": "C/C6/5714_HE_BT_E2.jpg",
}
"""Images whose names in the published tree are recorded."""
_STUTILITY = "https://github.com/jbergenstrahle/STUtility"
_STUTILITY_FILES = f"{_RAW}/jbergenstrahle/STUtility/master/inst/extdata/counts"
_SCMUSCLE = "https://github.com/mckellardw/scMuscle"
_COLON = "https://github.com/ludvigla/murine_colon_explorer"


def data_set(name: str) -> DataSet:
    """Data set of this name; the error of an unknown one lists all names."""
    if name not in CATALOG:
        raise DataContractError(
            Problem(
                where=f"catalog:{name}",
                found="no such data set",
                expected=f"one of {', '.join(CATALOG)}",
                remedy=did_you_mean(
                    name, CATALOG, "correct the name, or give the path of a manifest"
                ),
            )
        )
    return CATALOG[name]


def catalog_sources(
    name: str, sections: Sequence[str] | None = None, where: Where | None = None
) -> tuple[Source, ...]:
    """Local files of a data set's sections; `where` selects by their columns.

    They lie below `$HISTOSCRIBE_DATA` or among the downloads in the cache folder. Raises one
    DataContractError that names every missing file of the selected sections.
    """
    return local_sources(data_set(name), sections, where)


def _her2st(section: str) -> PublicSection:
    """Section in the published tree or the flat one."""
    tree = f"{_HER2ST}/tree/master/data"
    patient = section[0]
    images = (
        f"ST-imgs/{patient}/{section}/*.jpg",
        f"ST-imgs/{section}/*.jpg",
        f"ST-imgs/{section}.jpg",
    )
    name = _HER2ST_IMAGES.get(section)
    image = f"{_HER2ST_FILES}/ST-imgs/{name}" if name else None
    return PublicSection(
        section,
        patient,
        (
            PublicFile("image", images, f"{tree}/ST-imgs/{patient}/{section}", image),
            _her2st_counts(section),
            PublicFile("spots", (f"ST-spotfiles/{section}_selection.tsv",),
                       f"{tree}/ST-spotfiles/{section}_selection.tsv",
                       f"{_HER2ST_FILES}/ST-spotfiles/{section}_selection.tsv"),
        ),
    )  # fmt: skip


def _her2st_counts(section: str) -> PublicFile:
    return PublicFile(
        "counts",
        (f"ST-cnts/{section}.tsv.gz", f"ST-cnts/{section}.tsv"),
        f"{_HER2ST}/tree/master/data/ST-cnts/{section}.tsv.gz",
        f"{_HER2ST_COUNTS}/{section}.tsv.gz",
    )


def _her2st_rescaled(section: str, *notes: str) -> PublicSection:
    """Section of patient A with the 2000 px image of the whole array frame."""
    return PublicSection(
        section,
        section[0],
        (
            PublicFile("image", (f"app-imgs/{section}_HE_image_dark.png",), None),
            _her2st_counts(section),
            PublicFile("spots", (f"app-imgs/{section}_spots_in_app_image.tsv",), None),
        ),
        # a thumbnail of the slide is pasted into the top right corner
        white=(Box(1480.0, 0.0, 2000.0, 560.0),),
        notes=("image rescaled to 2000 px, thumbnail corner made white", *notes),
    )


def _mob(section: str) -> PublicSection:
    names = {"image": f"{section}.jpg", "counts": f"{section}.tsv"}
    names["spots"] = f"alignment_table_{section}.tsv"
    page = f"{_STUTILITY}/tree/master/inst/extdata/counts"
    return PublicSection(
        section,
        "not stated",
        tuple(
            PublicFile(role, (name,), f"{page}/{name}", f"{_STUTILITY_FILES}/{name}")
            for role, name in names.items()
        ),
        notes=("the animal is not stated: the four sections may come from one",),
    )


def _muscle(section: str, animal: str, days: str, counts_url: str) -> PublicSection:
    folder = f"{section}_{days}dpi"
    page = f"{_SCMUSCLE}/tree/main/visium_data/{folder}"
    spatial = {
        "scalefactors_json.json": "80c37c246c1afc2b09588ab0d82e213094f3478e",
        "tissue_lowres_image.png": "80c37c246c1afc2b09588ab0d82e213094f3478e",
        "tissue_positions_list.csv": "80c37c246c1afc2b09588ab0d82e213094f3478e",
    }
    if section == "Vis7B":
        later = "66edc6a264ff49b365ac4e804df364d737e6297c"
        spatial = dict.fromkeys(spatial, later)
        spatial["tissue_positions_list.csv"] = "968c2d41ef11c77042dd9dd94846ae10f87c3842"
    raw = f"{_RAW}/mckellardw/scMuscle"
    files = [
        PublicFile("part", (f"{folder}/spatial/{name}",), page,
                   f"{raw}/{commit}/visium_data/{folder}/spatial/{name}")
        for name, commit in spatial.items()
    ]  # fmt: skip
    counts = f"{folder}/{section}_filtered_feature_bc_matrix.h5"
    return PublicSection(
        folder,
        animal,
        (PublicFile("part", (counts,), page, f"{raw}/{counts_url}"), *files),
        folder=folder,
        facts={"days_after_injury": days},
    )


def _colon() -> PublicSection:
    names = {
        "image": "HE_8192.jpg",
        "counts": "counts_genes_x_spots.npz",
        "spots": "coords.csv",
        "path": "genes.txt",
    }
    return PublicSection(
        "d0",
        "d0",
        tuple(PublicFile(role, (name,), None) for role, name in names.items()),
        notes=("image put together from the tiles of the explorer, 8192 px",),
        facts={"pitch_um": "100", "diameter_um": "55"},
    )


_DATA_SETS = (
    DataSet(
        name="her2st",
        title="HER2-positive breast cancer, legacy ST arrays, 8 sections of 3 patients",
        source=_HER2ST,
        licence="none stated",
        paper="10.1038/s41467-021-26271-2",
        kind="st",
        folder="her2st",
        sections=(
            _her2st_rescaled("A1"),
            _her2st_rescaled("A2", "re-registered"),
            *(_her2st(section) for section in ("B4", "C2", "C3", "C4", "C5", "C6")),
        ),
        facts={"species": "human", "organ": "breast", "subtype": "HER2-positive"},
        remarks=("three patients check a pipeline; they cannot rank models",),
    ),
    DataSet(
        name="her2st-published",
        title="HER2-positive breast cancer, legacy ST arrays, all 36 sections of 8 patients",
        source=_HER2ST,
        licence="none stated",
        paper="10.1038/s41467-021-26271-2",
        kind="st",
        folder="her2st",
        sections=tuple(
            _her2st(f"{patient}{number}")
            for patient, n_sections in zip("ABCDEFGH", (6, 6, 6, 6, 3, 3, 3, 3), strict=True)
            for number in range(1, n_sections + 1)
        ),
        facts={"species": "human", "organ": "breast", "subtype": "HER2-positive"},
        remarks=(
            "the published names of 30 images are not recorded here: fetch those by hand (they "
            "are also in the archive 10.5281/zenodo.4751624)",
        ),
    ),
    DataSet(
        name="mob-st2k",
        title="mouse olfactory bulb, ST 2k arrays, 4 sections; the animals are not stated",
        source=_STUTILITY,
        licence="MIT",
        paper="10.1186/s12864-020-06832-3",
        kind="st2k",
        folder="mob_st_stutility",
        sections=tuple(_mob(f"MOB{number}") for number in range(1, 5)),
        facts={"species": "mouse", "organ": "olfactory bulb"},
        remarks=(
            "the animals are not stated: results say nothing about new animals",
            "images of 4.4 um/px: nuclei are not visible; 1,000 genes were kept",
        ),
    ),
    DataSet(
        name="visium-mouse-muscle",
        title="mouse tibialis anterior after injury, Visium, 2 sections of 2 animals",
        source=_SCMUSCLE,
        licence="none stated (GEO GSE161318)",
        paper="10.1038/s42003-021-02810-x",
        kind="spaceranger",
        folder="visium_mouse_muscle_scmuscle",
        sections=(
            _muscle("Vis5A", "mouse 2 dpi", "2", "80c37c246c1afc2b09588ab0d82e213094f3478e/"
                    "visium_data/Vis5A_2dpi/Vis5A_filtered_feature_bc_matrix.h5"),
            # stored once under the name Vis7A; its 1,011 barcodes are those of Vis7B
            _muscle("Vis7B", "mouse 5 dpi", "5", "a1f1a9c234494bcb79ee5c18605e3a2e3a7196c2/"
                    "visium_data/Vis7A_filtered_feature_bc_matrix.h5"),
        ),
        facts={"species": "mouse", "organ": "muscle"},
        remarks=(
            "colour only as an image of 600 px (13 um/px): good for the reader, too coarse for "
            "morphology",
            "two animals, 2 and 5 days after injury: animal and day cannot be told apart",
        ),
    ),
    DataSet(
        name="visium-mouse-colon",
        title="mouse colon, naive, Visium swiss roll, 1 section of 1 animal",
        source=_COLON,
        licence="none stated",
        paper="10.1038/s41467-022-28497-0",
        kind="sparse",
        folder="visium_mouse_colon_d0",
        sections=(_colon(),),
        facts={"species": "mouse", "organ": "colon"},
        remarks=(
            "one animal: only for readers, whole-section inference and within-section "
            "demonstrations",
            "the repository holds R objects and image tiles; these four files were made from them",
        ),
    ),
    DataSet(
        name="stnet",
        title="breast cancer of 5 subtypes, legacy ST arrays, 68 sections of 23 patients",
        source=DATA_URL,
        licence="CC BY 4.0",
        paper="10.1038/s41551-020-0578-x",
        kind="stnet",
        folder="stnet",
        sections=(),
        remarks=(
            f"get it by hand (0.8 GB): download all of {DATA_URL} and unpack it in "
            "$HISTOSCRIBE_DATA/stnet",
            "its metadata.csv names patient, subtype (`type`) and files of each section",
        ),
    ),
    tenx_breast(),
    dlpfc(),
    DataSet(
        name="hest",
        title="HEST-1k, 1,229 samples of Visium, Visium HD, Xenium and ST, human and mouse",
        source="https://huggingface.co/datasets/MahmoodLab/hest",
        licence="CC BY-NC-SA 4.0; each sample has its own licence, too",
        paper="10.48550/arXiv.2406.16192",
        kind="hest",
        folder="hest",
        sections=(),
        remarks=(
            "gated and very large: accept the terms on its page, then take its metadata with "
            f"`{download_command('$HISTOSCRIBE_DATA/hest', METADATA)}` and the samples you need "
            f"with `{download_command('$HISTOSCRIBE_DATA/hest', 'st/ZEN36.h5ad wsis/ZEN36.tif')}`",
            "many samples have no patient: name them in corrections.csv, or select with `where`",
        ),
    ),
    hallmark(),
    tcga_crc(),
)  # fmt: skip

CATALOG: dict[str, DataSet] = {entry.name: entry for entry in _DATA_SETS}
"""Data sets that a setting may name as `catalog:<name>`."""
