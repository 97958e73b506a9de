"""Six public Visium runs of breast cancer by 10x Genomics: three sections of two people."""

from histoscribe.io.cohorts.catalog_records import DataSet, PublicFile, PublicSection

_FILES = "https://cf.10xgenomics.com/samples/spatial-exp"
_PARTS = ("scalefactors_json.json", "tissue_positions_list.csv")


def tenx_breast() -> DataSet:
    """Visium runs that the released code of EGN reads, with patient and image of each."""
    first, second = "V1_Breast_Cancer_Block_A_Section_1", "V1_Breast_Cancer_Block_A_Section_2"
    parent = "Parent_Visium_Human_BreastCancer"
    targeted = "Targeted_Visium_Human_BreastCancer_Immunology"
    return DataSet(
        name="10x-breast",
        title="breast cancer, Visium, 6 public runs of 10x Genomics: 3 sections of 2 people",
        source="https://www.10xgenomics.com/datasets",
        licence="CC BY 4.0",
        paper="10.48550/arXiv.2210.16721",
        kind="spaceranger",
        folder="10x-breast",
        sections=(
            _run("A1-1.0.0", "block A", "1.0.0", first),
            _run("A2-1.0.0", "block A", "1.0.0", second),
            _run("A1-1.1.0", "block A", "1.1.0", first, "the picture of A1-1.0.0"),
            _run("A2-1.1.0", "block A", "1.1.0", second, "the picture of A2-1.0.0"),
            _run("L-1.2.0", "lobular", "1.2.0", parent),
            _run("L-targeted-1.2.0", "lobular", "1.2.0", targeted,
                 "the tissue of L-1.2.0, sequenced for a panel of immunology"),
        ),
        facts={"species": "human", "organ": "breast"},
        remarks=(
            "two people check a pipeline; they cannot rank models",
            "1.0.0 and 1.1.0 are one experiment, counted by two versions of Space Ranger: take one",
            "unpack `<run>_spatial.tar.gz` in the folder of its run, e.g. "
            f"$HISTOSCRIBE_DATA/10x-breast/1.1.0/{first}",
        ),
    )  # fmt: skip


def _run(section: str, patient: str, version: str, run: str, *notes: str) -> PublicSection:
    folder = f"{version}/{run}"
    base = f"{_FILES}/{folder}/{run}"
    image, counts = f"{run}_image.tif", f"{run}_filtered_feature_bc_matrix.h5"
    return PublicSection(
        section,
        patient,
        (
            PublicFile("image", (f"{folder}/{image}",), f"{base}_image.tif", f"{base}_image.tif"),
            PublicFile("part", (f"{folder}/{counts}",), f"{_FILES}/{folder}/{counts}",
                       f"{_FILES}/{folder}/{counts}"),
            *(
                PublicFile("part", (f"{folder}/spatial/{name}",),
                           f"{base}_spatial.tar.gz, unpacked in {folder}")
                for name in _PARTS
            ),
        ),
        folder=folder,
        notes=notes,
        facts={"run": run, "space_ranger": version},
    )  # fmt: skip
