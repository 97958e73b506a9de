"""The file of frozen hypotheses, and the record of tested patients."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from pydantic import TypeAdapter, ValidationError

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.discover.hypotheses import Hypothesis
from histoscribe.io.atomic import write_json
from histoscribe.io.files import read_text

_EXPECTED = "a file `hypotheses.json` as `explain discover` wrote it"
_HASH = "sha256"


@final
@dataclass(frozen=True, kw_only=True)
class FrozenHypotheses:
    """Hypotheses stated before a test, and their origin."""

    predictor: str
    """Row and hash of the predictor whose panel and unit they have."""
    patients: tuple[str, ...]
    """Training patients from whom they come."""
    images: tuple[str, ...]
    """Hashes of the images of their sections."""
    measures: tuple[str, ...]
    n_tiles: int
    items: tuple[Hypothesis, ...]

    @property
    def sha256(self) -> str:
        """Hash of everything stated."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the file with its hash."""
        write_json(path, {_HASH: self.sha256, **asdict(self)})


_FROZEN = TypeAdapter(FrozenHypotheses)


def read_hypotheses(path: Path) -> FrozenHypotheses:
    """Read frozen hypotheses.

    Raises
    ------
    DataContractError
        for a file that is none, or that was edited after it was frozen.
    """
    try:
        content: Any = json.loads(read_text(path, _EXPECTED))
        written = content.pop(_HASH)
        frozen = _FROZEN.validate_python(content)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise _problem(path, "no such file", "give the file that the first step wrote") from None
    if frozen.sha256 != written:
        found = "the hypotheses were edited after they were frozen: they have another sha256"
        raise _problem(path, found, "restore the file, or look for hypotheses again")
    return frozen


@final
@dataclass(frozen=True, kw_only=True)
class PastTest:
    """One test of a file of hypotheses."""

    patients: tuple[str, ...]
    images: tuple[str, ...]
    """Hashes of the images of their sections: a renamed patient is the same one."""
    inputs: tuple[str, ...]
    """Hashes of counts and labels: with other ones it is another test."""
    folder: str
    """Where the answer was written."""


@final
@dataclass(frozen=True)
class TestRecord:
    """The tests of one file of hypotheses: beside it, and in the cache for copies of the file."""

    __test__ = False  # no test of pytest
    ledger: Path
    cached: Path

    @classmethod
    def of(cls, path: Path, frozen: FrozenHypotheses, cache: Path) -> "TestRecord":
        """Record of a file."""
        return cls(path.with_suffix(".tests.json"), cache / "discover" / f"{frozen.sha256}.json")

    def begin(self, test: PastTest, where: str) -> None:
        """Note a test before its result is known.

        The same test may be repeated into the same folder: it tells nothing new.

        Raises
        ------
        DataContractError
            if any of these patients was in another test of the same hypotheses.
        """
        past = self._read()
        for of in past:
            again = sorted({*of.patients} & {*test.patients})
            same = {*of.images} & {*test.images}
            if (again or same) and of != test:
                raise DataContractError(_again(where, again, of))
        if test in past:
            return
        content = [asdict(of) for of in (*past, test)]
        self.cached.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.cached, content)
        with suppress(OSError):  # a folder that only others may write: the cache remembers
            write_json(self.ledger, content)

    def _read(self) -> list[PastTest]:
        """Tests of both places; each once."""
        past: list[PastTest] = []
        for path in (self.ledger, self.cached):
            if path.is_file():
                past += _past_tests(path)
        return list(dict.fromkeys(past))


def _past_tests(path: Path) -> list[PastTest]:
    try:
        return TypeAdapter(list[PastTest]).validate_json(path.read_bytes())
    except ValidationError:
        raise DataContractError(
            Problem(
                where=str(path),
                found="no record of tests: the file is damaged or was edited",
                expected="the record that an earlier test wrote",
                remedy="restore it, or look for hypotheses again and keep other patients for them",
            )
        ) from None


def _again(where: str, patients: Sequence[str], past: PastTest) -> Problem:
    names = f"patients {', '.join(patients)}" if patients else "images of these patients"
    kept = "is in" if Path(past.folder).is_dir() else "was written to"
    return Problem(
        where=where,
        found=f"these hypotheses were tested on {names} before: the answer {kept} {past.folder}",
        expected="one test of a file on a patient: repeated tests find something by luck",
        remedy="give sections of other patients, or read that answer",
    )


def _problem(path: Path, found: str, remedy: str) -> DataContractError:
    if found == "no such file" and path.exists():
        found = "it is no such file"
    return DataContractError(Problem(f"hypotheses {path}", found, _EXPECTED, remedy))
