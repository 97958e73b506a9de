"""Tables in Parquet, as instruments of 10x Genomics write them."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pandas as pd

from histoscribe.extras import need
from histoscribe.io.files import read_bytes
from histoscribe.io.sections.table import broken, some

PARQUET = b"PAR1"
"""First bytes of such a file."""


def read_parquet(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Read some columns of a whole table; `optional` ones only where they exist.

    Raises
    ------
    DataContractError
        if the extra `parquet` is missing, the file is damaged, or a column is missing.
    """
    parquet = need("pyarrow.parquet", "parquet", f"reading {path}")
    try:
        file = parquet.ParquetFile(BytesIO(read_bytes(path)))
        check_columns(path, file.schema_arrow.names, columns)
        there = [name for name in (*columns, *optional) if name in file.schema_arrow.names]
        return file.read(columns=there).to_pandas()
    except (ValueError, OSError) as error:
        raise broken(path, f"not a table ({error})", ", ".join(columns)) from error


def check_columns(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Raise DataContractError for columns that a table lacks."""
    if missing := [name for name in columns if name not in names]:
        found = f"no column {', '.join(missing)}; it has {some(list(names))}"
        raise broken(path, found, ", ".join(columns))


def words_of(values: "pd.Series") -> "pd.Series":
    """Column as words; early Xenium software stored them as bytes."""
    if len(values) and isinstance(values.iloc[0], bytes):
        return values.str.decode("utf-8", "replace")
    return values.astype(str)
