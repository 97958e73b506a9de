"""Features of a run as jobs: a section by an encoder; encoders that folds train come first."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from histoscribe.io.job_turn import turn
from histoscribe.parallel import Place, Shard, in_turn, run_all
from histoscribe.threads import fixed_threads
from histoscribe.train.run_data import Extracted
from histoscribe.train.shared_run import SharedRun


@dataclass(frozen=True)
class ExtractorJob:
    """An encoder that a fold trains: all features of the fold need it."""

    shared: SharedRun
    encoder: str | None
    fold: str

    @property
    def label(self) -> str:
        """Encoder and fold."""
        return f"{self.encoder or 'encoder of the run'} of fold {self.fold}"

    def run(self) -> None:
        """Train the encoder into the cache; a finished one is kept."""
        data = self.shared.run.data
        with fixed_threads(), turn(data.cache / "claims" / _key(self), self.label, data.cache):
            data.source(self.encoder).open(self.shared.run.fold(self.fold))


@dataclass(frozen=True)
class FeatureJob:
    """Features of one section by one encoder; of a fold, where folds differ."""

    shared: SharedRun
    encoder: str | None
    section: str
    fold: str | None

    @property
    def label(self) -> str:
        """Section and encoder."""
        return f"section {self.section}, {self.encoder or 'encoder of the run'}"

    def run(self) -> Extracted:
        """Compute features missing in the cache."""
        opened, cache = self.shared.run, self.shared.run.data.cache
        claim = cache / "claims" / _key(self)
        with fixed_threads(), turn(claim, self.label, cache / "features"):
            return opened.data.extract(self.encoder, self.section, opened.fold(self.fold))


def extractor_jobs(shared: SharedRun) -> list[ExtractorJob]:
    """Encoders that folds train, fold by fold; none in most runs."""
    trained = [encoder for encoder in shared.run.data.encoders() if _by_fold(shared, encoder)]
    return [ExtractorJob(shared, e, fold) for fold in _folds(shared) if fold for e in trained]


def feature_jobs(shared: SharedRun) -> list[FeatureJob]:
    """All features of a run."""
    data = shared.run.data
    return [
        FeatureJob(shared, encoder, section, fold)
        for fold in _folds(shared)
        for encoder in data.encoders()
        for section in data.cohort.ids
    ]


def extract_all(
    shared: SharedRun, where: Place, shard: Shard | None = None
) -> Iterator[tuple[FeatureJob, Extracted]]:
    """Compute all features of a run that the cache lacks; a shard begins with its part.

    Raises
    ------
    DataContractError
        with the problems of all jobs that failed.
    """
    for _ in run_all(in_turn(extractor_jobs(shared), shard), where, "trained encoders"):
        pass
    for job, found in run_all(in_turn(feature_jobs(shared), shard), where, "features"):
        note(shared, job, found)
        yield job, found


def note(shared: SharedRun, job: FeatureJob, extracted: Extracted) -> None:
    """Keep the precision that a job used, for the card of the run."""
    shared.run.data.note(job.encoder, job.section, extracted, shared.run.fold(job.fold))


def state_folder(shared: SharedRun) -> Path:
    """Folder in the cache with the states of the jobs of `embed`, one for equal settings."""
    return shared.cache / "embedded" / sha256(shared.settings.encode()).hexdigest()[:12]


def _folds(shared: SharedRun) -> tuple[str | None, ...]:
    return tuple(shared.run.folds) if shared.run.data.by_fold else (None,)


def _by_fold(shared: SharedRun, encoder: str | None) -> bool:
    return shared.run.data.source(encoder).by_fold


def _key(job: ExtractorJob | FeatureJob) -> str:
    """Claim name of a job, equal in all processes."""
    parts = [job.shared.settings, job.label, str(job.fold)]
    return sha256("\n".join(parts).encode()).hexdigest()[:32]
