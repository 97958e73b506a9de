"""Gene sets from GMT files, and orthologues from a table of two columns."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.catalog import data_set
from histoscribe.io.cohorts.catalog_records import GENE_SETS, data_folders, find_file
from histoscribe.io.files import read_text

CATALOG = "catalog:"
ORTHOLOGUE_COLUMNS = ("set_gene", "panel_gene")
"""Header of a table of orthologues: a gene as the sets spell it, and as the counts do."""
_NAMED = 10  # number of lines listed for each problem


def gene_set_file(source: str) -> Path:
    """File of gene sets: a path, or the local file of `catalog:NAME`.

    Raises
    ------
    DataContractError
        for an unknown name, one that is no gene sets, and a file that is not on this machine.
    """
    if not source.startswith(CATALOG):
        return Path(source)
    name = source.removeprefix(CATALOG)
    entry = data_set(name)
    if entry.kind != GENE_SETS:
        raise DataContractError(
            Problem(source, f"sections ({entry.title})", "gene sets", "e.g. catalog:hallmark")
        )
    (file,) = entry.sections[0].files
    path = find_file(data_folders(entry), file)
    if path is None:
        raise DataContractError(
            Problem(
                where=source,
                found=f"missing: {data_folders(entry)[0] / file.place}",
                expected=f"the gene sets of {entry.source}",
                remedy=f"get them with `histoscribe data {name} --fetch`, or set HISTOSCRIBE_DATA",
            )
        )
    return path


def read_gmt(path: Path) -> dict[str, tuple[str, ...]]:
    """Read gene sets: name -> members, each once, in the order of the file.

    A line of a GMT file has tabs between the name of the set, a description, and its genes.

    Raises
    ------
    DataContractError
        listing every line that is no gene set, and every name that two sets have.
    """
    sets: dict[str, tuple[str, ...]] = {}
    names, broken = Counter[str](), []
    for number, line in enumerate(_lines(path, "gene sets in a GMT file (UTF-8)"), start=1):
        if not line.strip():
            continue
        name, _, *genes = [cell.strip() for cell in line.split("\t")] + [""]
        members = tuple(dict.fromkeys(gene for gene in genes if gene))
        if not name or not members:
            broken.append(number)
            continue
        names[name] += 1
        sets.setdefault(name, members)
    if problems := tuple(_gmt_problems(path, names, broken)):
        raise DataContractError(problems)
    return sets


def read_orthologues(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a CSV file of orthologues: gene of the sets -> its genes in the counts.

    The header is `set_gene,panel_gene`. A gene may have several orthologues, one per line; a line
    with an empty cell names none.

    Raises
    ------
    DataContractError
        for another header, lines of another length, and a table without a pair.
    """
    expected = (
        f"a CSV file with the header {','.join(ORTHOLOGUE_COLUMNS)}, one pair of genes a line"
    )
    rows = list(csv.reader(_lines(path, expected)))
    header = tuple(cell.strip() for cell in rows[0]) if rows else ()
    if header != ORTHOLOGUE_COLUMNS:
        found = f"the header {','.join(header)!r}"
        raise DataContractError(Problem(str(path), found, expected, "name the two columns"))
    body = [(n, row) for n, row in enumerate(rows[1:], start=2) if "".join(row).strip()]
    if ragged := [number for number, row in body if len(row) != len(header)]:
        found = f"lines without exactly two cells: {_listed(ragged)}"
        raise DataContractError(Problem(str(path), found, expected, "correct these lines"))
    pairs: dict[str, list[str]] = {}
    for _, (of_sets, of_panel) in body:
        if of_sets.strip() and of_panel.strip():
            pairs.setdefault(of_sets.strip(), []).append(of_panel.strip())
    if not pairs:
        raise DataContractError(Problem(str(path), "no pair of genes", expected, "add the pairs"))
    return {gene: tuple(dict.fromkeys(others)) for gene, others in pairs.items()}


def _lines(path: Path, expected: str) -> list[str]:
    return read_text(path, expected).splitlines()


def _gmt_problems(path: Path, names: Mapping[str, int], broken: list[int]) -> Iterator[Problem]:
    line = "lines of a name, a description and genes, with tabs between them"
    if broken:
        found = f"lines that are no gene set: {_listed(broken)}"
        yield Problem(str(path), found, line, "correct these lines; spaces are no tabs")
    twice = [name for name, times in names.items() if times > 1]
    if twice:
        found = f"several sets of one name: {_listed(twice)}"
        yield Problem(str(path), found, "a name for each set", "rename or remove one of each")
    if not names and not broken:
        yield Problem(str(path), "an empty file", line, "give a GMT file, e.g. of MSigDB")


def _listed(items: list[int] | list[str]) -> str:
    more = len(items) - _NAMED
    return ", ".join(map(str, items[:_NAMED])) + (f" and {more} more" if more > 0 else "")
