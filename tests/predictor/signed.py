"""Change a predictor folder and sign it again: what its checksums cannot notice."""

import json

from histoscribe.predictor import folder as folder_module
from histoscribe.predictor.folder import RECORD, sha256


def signed(folder, change=None):
    """Sign a changed folder again; `change` edits the record first."""
    path = folder / RECORD
    record = json.loads(path.read_text())
    record.pop("sha256")
    record["files"] = {name: sha256(folder / name) for name in record["files"]}
    if change is not None:
        change(record)
    record["sha256"] = folder_module._record_hash(record)
    path.write_text(json.dumps(record))
    return folder
