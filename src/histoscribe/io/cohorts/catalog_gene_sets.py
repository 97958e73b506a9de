"""Public gene sets of the catalog."""

from histoscribe.io.cohorts.catalog_records import GENE_SETS, DataSet, PublicFile, PublicSection

_MSIGDB = "https://www.gsea-msigdb.org/gsea/msigdb"
_FILES = "https://data.broadinstitute.org/gsea-msigdb/msigdb/release"


def hallmark() -> DataSet:
    """Hallmark gene sets of MSigDB, in the spelling of human symbols."""
    version, file = "7.0", "h.all.v7.0.symbols.gmt"
    page = f"{_MSIGDB}/collections.jsp#H"
    return DataSet(
        name="hallmark",
        title=f"MSigDB Hallmark v{version}, 50 gene sets, human symbols",
        source=page,
        licence="CC BY 4.0: cite the paper and MSigDB",
        paper="10.1016/j.cels.2015.12.004",
        kind=GENE_SETS,
        folder="genesets",
        sections=(
            PublicSection(
                f"h.all.v{version}",
                "",
                (PublicFile("part", (file,), page, f"{_FILES}/{version}/{file}"),),
            ),
        ),
        facts={"species": "human", "version": version},
        remarks=("gene sets, no sections: `pathways.sets` of a run reads them",),
    )
