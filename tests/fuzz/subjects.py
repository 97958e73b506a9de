"""All subjects of the campaign: sections of every reader, slides, tables, saved files."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import READERS, read_section
from histoscribe.io.sections.source import PATHS, Source
from histoscribe.types import Section
from tests.fuzz.slide_subjects import MASKS, SLIDES
from tests.fuzz.subject import Subject, all_files, check
from tests.fuzz.table_subjects import SAVED, TABLES
from tests.io.conftest import Writer


def check_section(section: Section) -> None:
    """Everything that later rooms trust."""
    section.slide.pixel_hash()
    xy, counts = section.spots.xy, section.measured.matrix
    check(so=bool(np.isfinite(xy).all()), what="centres that are not finite")
    check(so=len(section.spots) == counts.shape[0], what="spots and counts differ")
    check(so=len(set(section.spots.ids)) == len(section.spots), what="a spot twice")
    dense = counts.toarray()
    check(so=dense.dtype == np.int32 and bool((dense >= 0).all()), what="no counts")
    check(so=dense.shape[1] == len(section.measured.gene_ids), what="genes and counts differ")
    check(so=bool((dense.sum(axis=1) > 0).all()), what="an empty spot")
    check(so=0 < section.slide.mpp < np.inf, what="um/px")
    sizes = (section.spots.diameter_um or 1.0, section.spots.pitch_um or 1.0)
    check(so=all(0 < size < np.inf for size in sizes), what="size of the spots")
    section.slide.overview(8 * section.slide.mpp)


def _make_section(write: Callable[[Writer], Source], folder: Path) -> None:
    """Write a section, and its source as JSON outside the files that are damaged."""
    source = write(Writer(folder))
    paths = {
        name: None if getattr(source, name) is None
        else str(getattr(source, name).relative_to(folder))
        for name in PATHS
    }  # fmt: skip
    told = {"kind": source.kind, "mpp": source.mpp, "facts": dict(source.facts), **paths}
    (folder / "source.json").write_text(json.dumps(told))


def _files_of_section(folder: Path) -> list[Path]:
    return [path for path in all_files(folder) if path.name != "source.json"]


def _read_section(folder: Path) -> None:
    told = json.loads((folder / "source.json").read_text())
    paths = {name: None if told[name] is None else folder / told[name] for name in PATHS}
    plain = Source(section="S", patient="P", kind=told["kind"], facts=told["facts"])
    check_section(read_section(replace(plain, mpp=told["mpp"], **paths), Filters()))


def _section(name: str, write: Callable[[Writer], Source]) -> Subject:
    return Subject(name, partial(_make_section, write), _read_section, _files_of_section)


SECTIONS = (
    *(_section(kind, partial(lambda kind, writer: writer.write(kind), kind)) for kind in READERS),
    _section("spaceranger-mtx", lambda w: w.spaceranger("list", "lowres", "mtx")),
    _section("spaceranger-parquet", lambda w: w.spaceranger("parquet", "full", "v2")),
)
SUBJECTS: tuple[Subject, ...] = (*SECTIONS, *SLIDES, *MASKS, *TABLES, *SAVED)
