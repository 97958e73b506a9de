"""Bulk expression of public tumours, with their subtypes."""

from histoscribe.io.cohorts.catalog_records import BULK, DataSet, PublicFile, PublicSection

_CMSCALLER = "https://github.com/Lothelab/CMScaller"


def tcga_crc() -> DataSet:
    """Colorectal tumours of TCGA with consensus molecular subtypes and microsatellite status."""
    names = (
        "crcTCGAsubset_expr.tsv.gz",
        "crcTCGAsubset_features.tsv.gz",
        "crcTCGAsubset_pheno.tsv",
        "templates.CMS.tsv",
    )
    return DataSet(
        name="tcga-crc",
        title="TCGA colorectal cancer, bulk expression of 92 tumours with molecular subtypes",
        source=_CMSCALLER,
        licence="GPL-3 (R package CMScaller): read it where it lies, do not pass it on",
        paper="10.1038/s41598-017-16747-x",
        kind=BULK,
        folder="cms",
        sections=(
            PublicSection(
                "crcTCGAsubset",
                "",
                tuple(
                    PublicFile("part", (name,), f"{_CMSCALLER}/tree/master/data") for name in names
                ),
                notes=("the package holds R objects; these four tables were made from them",),
            ),
        ),
        facts={"species": "human", "organ": "colon and rectum"},
        remarks=(
            "bulk expression, no sections: `explain subtypes --bulk catalog:tcga-crc` reads it",
            "the consensus subtypes were called from expression (10.1038/nm.3967)",
        ),
    )
