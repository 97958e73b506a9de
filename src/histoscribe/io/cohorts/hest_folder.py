"""A folder of HEST-1k as a cohort: its samples by their metadata, with your corrections."""

import csv
import hashlib
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.selection import Where, choose, facts_of
from histoscribe.io.files import no_file, read_json, read_text
from histoscribe.io.sections.source import Source, is_file_name, positive
from histoscribe.io.slides.resolution import ORIGINS

CORRECTIONS = "corrections.csv"
"""File next to the metadata: a column `id` and any others, whose values replace the metadata."""
METADATA = '--include "HEST_v*.csv"'
"""Arguments of `hf download` for the metadata."""
_DOUBTED_STUDY = "Characterization of immune cell populations in the tumor microenvironment"
_DOUBT = (
    "HEST-1k names one patient for all samples of this study, whose paper has five "
    "(github.com/mahmoodlab/HEST/issues/126): correct the patient"
)
_FIELDS = ("section", "id", "patient", "mpp", "mpp_from")
"""Columns that are fields of a section and so no facts."""
_MOST = 8
"""Number of samples that a message lists."""


def hest_sources(
    folder: Path, sections: Sequence[str] | None = None, where: Where | None = None
) -> tuple[Source, ...]:
    """Sources of the samples of a HEST folder, with the columns of its metadata as facts.

    The metadata is the newest `HEST_v*.csv` in the folder or its `assets`, else the files
    `metadata/<id>.json`. Patients are named with their study, because HEST numbers them anew in
    each; a patient from `corrections.csv` is used as written.

    Raises
    ------
    DataContractError
        listing samples without a patient, patients that differ between table and JSON file, missing
        files, and missing columns or values of `where`.
    """
    rows = _samples(folder)
    known = {row["id"]: row for row in rows}
    unknown = [id_ for id_ in sections or () if id_ not in known]
    if unknown:
        raise DataContractError(
            Problem(
                str(folder), f"no sample {_some(unknown)}", f"some of {_some(list(known))}",
                "correct the list of sections",
            )
        )  # fmt: skip
    asked = rows if sections is None else [known[id_] for id_ in sections]
    columns = [_columns(row) for row in asked]
    fitting = choose(columns, where or {}, f"the metadata of {folder}")
    chosen = [known[row["id"]] for row in fitting]
    if odd := [row["id"] for row in chosen if not is_file_name(row["id"])]:
        raise DataContractError(
            _no_file_names(folder, odd)
        )  # files outside the folder are not read
    problems = [*_patient_problems(folder, chosen), *_mpp_problems(folder, chosen)]
    problems += _missing_files(folder, [row["id"] for row in chosen])
    if problems:
        raise DataContractError(problems)
    return tuple(_source(folder, row) for row in chosen)


def download_command(folder: Path | str, files: str) -> str:
    """Command that downloads files of HEST-1k: file names, or one `--include` pattern.

    The dataset is gated: accept its terms on its page, with an account, before this works.
    """
    where = folder if isinstance(folder, str) else shlex.quote(str(folder))
    return f"hf download MahmoodLab/hest --repo-type dataset --local-dir {where} {files}"


def _samples(folder: Path) -> list[dict[str, str]]:
    """Metadata of every sample, corrected; the table overrides JSON files."""
    rows = {row["id"]: row for row in _tables(folder)}
    for path in sorted((folder / "metadata").glob("*.json")):
        row = _json_row(path)
        if row["id"] not in rows:
            rows[row["id"]] = row
        elif row["patient"] and row["patient"] != rows[row["id"]]["patient"]:
            rows[row["id"]]["_patient_in_json"] = row["patient"]
    if not rows:
        raise DataContractError(_no_metadata(folder))
    corrections = folder / CORRECTIONS
    for row in _csv_rows(corrections) if corrections.is_file() else []:
        if row["id"] in rows:
            given = {name: value for name, value in row.items() if value}
            corrected = {"_corrected": "patient"} if "patient" in given else {}
            rows[row["id"]] |= given | corrected
    return [rows[id_] for id_ in sorted(rows)]


def _tables(folder: Path) -> list[dict[str, str]]:
    """Rows of the newest metadata table, if there is one."""
    found = [*folder.glob("HEST_v*.csv"), *(folder / "assets").glob("HEST_v*.csv")]
    newest = max(
        found, key=lambda path: [int(n) for n in re.findall(r"\d+", path.stem)], default=None
    )
    return _csv_rows(newest) if newest else []


def _csv_rows(path: Path) -> list[dict[str, str]]:
    try:
        lines = list(csv.DictReader(StringIO(read_text(path, "a CSV file"))))
    except csv.Error as error:
        raise DataContractError(
            Problem(str(path), f"cannot be read ({error})", "a CSV file in UTF-8", "copy it again")
        ) from error
    rows = [
        {
            name.strip(): (value or "").strip()
            for name, value in line.items()
            if name and value != []
        }
        for line in lines
    ]
    ids = [row.get("id", "") for row in rows]
    if not ids or not all(ids) or len(set(ids)) != len(ids):
        found = "no line, no column `id`, an empty one, or an id twice"
        raise DataContractError(
            Problem(str(path), found, "a CSV file with a sample a line", "correct the table")
        )
    return [{"patient": "", **row} for row in rows]


def _json_row(path: Path) -> dict[str, str]:
    values = read_json(path, "the metadata of a sample", "copy it again")
    if not isinstance(values, Mapping):
        found = "no object"
        raise DataContractError(
            Problem(str(path), found, "the metadata of a sample", "copy it again")
        )
    row = {str(name): _text(value) for name, value in values.items()}
    return {"patient": "", **row, "id": row.get("id") or path.stem}


def _text(value: object) -> str:
    """A cell as in the table: gaps (null, NaN) are empty."""
    empty = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if empty else str(value).strip()


def _patient_problems(folder: Path, rows: Sequence[Mapping[str, str]]) -> list[Problem]:
    missing = [row["id"] for row in rows if not row["patient"]]
    problems = []
    if missing:
        problems.append(
            Problem(
                where=str(folder),
                found=f"no patient for {len(missing)} of {len(rows)} samples: {_some(missing)}",
                expected="the patient of each sample: folds are made by patient",
                remedy=f"write {folder / CORRECTIONS} with the columns id,patient, one line per "
                "sample (see the study's paper or the column `subseries`; samples of one person "
                "share a name), or leave them out with `sections` or `where`",
            )
        )
    return problems + [
        Problem(
            where=f"{folder}, sample {row['id']}",
            found=f"patient {row['patient']!r} in the table, {row['_patient_in_json']!r} in its "
            "JSON file",
            expected="one patient",
            remedy=f"write the correct one to {folder / CORRECTIONS} (columns id,patient)",
        )
        for row in rows
        if "_patient_in_json" in row and "_corrected" not in row
    ]


def _mpp_problems(folder: Path, rows: Sequence[Mapping[str, str]]) -> list[Problem]:
    place = str(folder / CORRECTIONS)
    wrong = [row["id"] for row in rows if row.get("mpp") and positive(row["mpp"]) is None]
    problems = [Problem(place, f"mpp of {id_}", "um/px, above 0", "correct it") for id_ in wrong]
    wrong = [row["id"] for row in rows if row.get("mpp_from") and row["mpp_from"] not in ORIGINS]
    expected = f"one of {', '.join(ORIGINS)}"
    return problems + [
        Problem(place, f"mpp_from of {id_}", expected, "correct it") for id_ in wrong
    ]


def _missing_files(folder: Path, samples: Sequence[str]) -> list[Problem]:
    """One problem for all missing files, with the command that downloads them."""
    missing = [
        path.relative_to(folder)
        for id_ in samples
        for path in (_counts_path(folder, id_), _image_path(folder, id_))
        if no_file(path)
    ]
    if not missing:
        return []
    files = " ".join(shlex.quote(path.as_posix()) for path in missing[:_MOST])
    more = f" and {len(missing) - _MOST} more" if len(missing) > _MOST else ""
    return [
        Problem(
            where=str(folder),
            found=f"{len(missing)} files are missing: {_some([str(path) for path in missing])}",
            expected=f"st/<id>.h5ad and wsis/<id>.tif for each of {len(samples)} samples",
            remedy=f"{download_command(folder, files)}{more}, or select the samples that are here "
            "with `sections` or `where`",
        )
    ]


def _source(folder: Path, row: Mapping[str, str]) -> Source:
    named = "_corrected" in row
    doubted = row.get("dataset_title", "").startswith(_DOUBTED_STUDY) and not named
    return Source(
        section=row["id"],
        patient=_as_file_name(row["patient"] if named else _with_study(row)),
        kind="hest",
        path=_counts_path(folder, row["id"]),
        image=_image_path(folder, row["id"]),
        mpp=positive(row.get("mpp", "")),
        mpp_from=row.get("mpp_from") or None,
        notes=(_DOUBT,) if doubted else (),
        facts=facts_of(_columns(row), _FIELDS),
    )


def _columns(row: Mapping[str, str]) -> dict[str, str]:
    """Columns for `where` to select by: metadata, and the id as `section`."""
    return {"section": row["id"]} | {k: cell for k, cell in row.items() if not k.startswith("_")}


def _as_file_name(patient: str) -> str:
    """Results are filed under the patient, e.g. `P1/left`."""
    return re.sub(r"[/\\\x00-\x1f]|^\.", "-", patient)


def _with_study(row: Mapping[str, str]) -> str:
    """`Patient 1` of two studies are two people: the study's hash makes them different."""
    title = row.get("dataset_title", "")
    return f"{row['patient']} of study {hashlib.sha256(title.encode()).hexdigest()[:6]}"


def _no_file_names(folder: Path, samples: Sequence[str]) -> Problem:
    return Problem(
        where=f"the metadata of {folder}",
        found=f"samples named {_some([repr(id_) for id_ in samples])}",
        expected="ids that are names of files: st/<id>.h5ad and wsis/<id>.tif",
        remedy="copy the metadata again from where HEST-1k is published",
    )


def _no_metadata(folder: Path) -> Problem:
    get = download_command(folder, METADATA)
    return Problem(
        where=str(folder),
        found="no metadata of HEST-1k" if folder.is_dir() else "no such folder",
        expected="HEST_v*.csv or metadata/<id>.json, next to st/ and wsis/",
        remedy=f"accept the terms on https://huggingface.co/datasets/MahmoodLab/hest, then {get}",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST]) + (f", ... ({len(names)})" if len(names) > _MOST else "")


def _image_path(folder: Path, sample: str) -> Path:
    """Where the image of a sample lies in a HEST folder."""
    return folder / "wsis" / f"{sample}.tif"


def _counts_path(folder: Path, sample: str) -> Path:
    """Where counts and spots of a sample lie in a HEST folder."""
    return folder / "st" / f"{sample}.h5ad"
