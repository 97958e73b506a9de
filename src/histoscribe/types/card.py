"""Cards: the origin of a predictor, as stored in its JSON file.

A field with its default value is left out of the file. Reading is strict: a card with a missing or
unknown key was written by another version.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from histoscribe.errors import DataContractError, Problem

_Kind = TypeVar("_Kind", bound="Card")
"""A kind of card."""


class Card:
    """Base of all cards: writes plain values for JSON, and reads them strictly."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return _adapter(type(self)).dump_python(self, mode="json", exclude_defaults=True)

    @classmethod
    def from_json(cls: type[_Kind], value: object, where: str, remedy: str) -> _Kind:
        """Restore a card from `to_json`; `where` and `remedy` go into the message.

        Raises
        ------
        DataContractError
            listing every key that is missing, unknown or of another type.
        """
        try:
            return _adapter(cls).validate_python(value)
        except ValidationError as error:
            raise DataContractError(_problems(error, where, remedy)) from None


@dataclass(frozen=True, kw_only=True)
class ModelSource(Card):
    """Origin of a user's model: file, module or cell, with its hash."""

    kind: Literal["file", "module", "cell"]
    """A file that was loaded or run, a module that was imported, or a cell of a notebook."""
    name: str = ""
    """Name of the file or module; empty for a cell."""
    sha256: str | None = None
    """Of the whole file or cell; None for a class that has no text."""

    @property
    def words(self) -> str:
        """Origin in words, with the beginning of the hash."""
        place = {"file": f"the file {self.name}", "module": f"the module {self.name}"}
        sha256 = f", sha256 {self.sha256[:12]}" if self.sha256 else ""
        return f"{place.get(self.kind, 'a cell of a notebook')}{sha256}"

    @property
    def remedy(self) -> str:
        """How to make the model known again."""
        if self.kind == "file":
            return f'give --plugin {self.name}; in Python, hs.load_plugin("{self.name}")'
        if self.kind == "module":
            return f"install the package of {self.name}; in Python, import it first"
        return "run the cell again; or save it as a file and give --plugin FILE.py"


@dataclass(frozen=True, kw_only=True)
class SectionCard(Card):
    """One section: patient, size, resolution, and the hashes of its data."""

    patient: str | None
    spots: int
    dropped: Mapping[str, int]
    """Number of dropped spots by reason."""
    notes: tuple[str, ...]
    mpp: float
    """um/px of the image."""
    median_total: float
    """Median of the total counts of its spots."""
    image_sha256: str
    counts_sha256: str
    n_genes: int | None = None
    """Genes in its table of counts; None on cards that do not say."""


@dataclass(frozen=True, kw_only=True)
class SpotSizes(Card):
    """Smallest and largest size of the spots of sections, in um."""

    diameter: tuple[float, float] | None
    """None for cells of unknown size."""
    pitch: tuple[float, float] | None = None
    """Pitch of the lattice; None for spots without a lattice."""


@dataclass(frozen=True, kw_only=True)
class TargetCard(Card):
    """Predicted genes, their choice, and their unit."""

    panel: str
    chosen_by: str
    chosen_on: str | tuple[str, ...]
    """Sections, or words if they were more than the training sections."""
    n_training_spots: int
    n_genes: int
    genes_sha256: str
    transform: str
    statistic: str
    """What a value rests on beside its spot."""
    size_factors: str
    absent_taken_as_zero: Mapping[str, int]
    """Section -> genes that its table leaves out."""


@dataclass(frozen=True, kw_only=True)
class EncoderCard(Card):
    """Paper and licence of an encoder."""

    licence: str
    paper: str
    needs: Mapping[str, str] = field(default_factory=dict)
    """Other nets that its training used, e.g. `compared_by`; see `EncoderSource.needs`."""


@dataclass(frozen=True, kw_only=True)
class ExemplarsCard(Card):
    """Exemplars of a network: pool and search."""

    n: int
    """Number of exemplars per spot."""
    draw: str
    distance: str
    training_exclusion: str
    """Exclusion of training spots: `section` or `patient`."""
    test_exclusion: str
    """Exclusion of predicted spots."""
    pool: int
    """Number of available training spots."""
    pool_in_training: int
    perceptual: str | None
    """Net of the perceptual distance; None for distances between features."""
    perceptual_weights: Mapping[str, str] = field(default_factory=dict)
    """Its weights by name, as `sha256:...`."""
    shift: str | None = None
    """A sentence, where training spots get exemplars of a kind that test spots never get."""


@dataclass(frozen=True, kw_only=True)
class PathwaysCard(Card):
    """Gene sets of a panel."""

    source: str
    """`catalog:NAME`, or the name of the file."""
    licence: str
    sha256: str
    """Of the sets and orthologues."""
    orthologues: bool
    """Whether a table of orthologues spells their genes as the counts do."""
    coverage: Mapping[str, tuple[int, int]]
    """Set -> number of members in the panel, and of all members."""
    dropped: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The same for sets with too few members in the panel; they are not used."""


@dataclass(frozen=True, kw_only=True)
class SteerCard(Card):
    """Concepts that steered the training of a network."""

    learn: tuple[str, ...]
    unlearn: tuple[str, ...]
    learn_weight: float
    unlearn_weight: float
    shares: Mapping[str, float]
    """Loss -> its share of the gradient at the representation, mean of the epochs up to the one
    that is kept; `genes` is the loss of the genes.
    """
    warnings: tuple[str, ...] = ()
    """Concepts whose share was larger than that of the genes, in words."""
    not_unlearned: tuple[str, ...] = ()
    """Concepts to unlearn whose gradient was left out in every step, in words."""


@dataclass(frozen=True, kw_only=True)
class TrainingCard(Card):
    """Training data and settings of a predictor, without any information about test sections."""

    protocol: str
    validation: str
    """Kind of the inner splits for settings and epochs; with the leak `epoch`: `the test section`.
    """
    seed: int
    training_spots: Mapping[str, int]
    """Section -> spots."""
    sections: Mapping[str, SectionCard]
    spots_um: SpotSizes
    target: TargetCard
    gene_names: tuple[str, ...]
    """Symbol of each gene, else its id, in the order of the panel."""
    n_features: int
    train: Mapping[str, Any]
    """Settings of training."""
    versions: Mapping[str, str]
    """Package -> version."""
    encoder: EncoderCard
    n_parameters: int
    """Number of fitted parameters."""
    views: int = 0
    """Number of additional jittered views of each training spot."""
    hed_jitter: float = 0.0
    """Strength of their stain jitter."""
    row: str | None = None
    """Name of the row, for networks: their initial weights depend on it."""
    weights: str | None = None
    """Initial weights of a network, as `sha256:...`; `none` for random numbers."""
    turned: Literal["tiles", "places"] | None = None
    """Part of the inputs that was turned and mirrored at random in training."""
    steer: SteerCard | None = None
    """None for a training without concepts."""
    corners: Literal["read", "mean"] | None = None
    """For tiles turned by any angle: whether their corners were read from the slide, or filled with
    the mean colour of ImageNet. None for turns by right angles.
    """
    exemplars: ExemplarsCard | None = None
    pathways: PathwaysCard | None = None
    """Gene sets of a network with scores of pathways."""
    departures: tuple[str, ...] = ()
    """What differs from the training of its publication, whose values stand in brackets."""
    source: ModelSource | None = None
    """Origin of the model; None for one of this package."""
    made_up_labels: str | None = None
    """How labels were exchanged between spots before training, in words: then it is a probe of
    training, and nothing is predicted with it. None for labels as they were measured.
    """

    @property
    def patients(self) -> set[str | None]:
        """Training patients."""
        return {section.patient for section in self.sections.values()}


@dataclass(frozen=True, kw_only=True)
class ScoreCard(Card):
    """A mean score with its interval; None if unknown."""

    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class BenchmarkCard(Card):
    """Summary of the benchmark of a model, kept with its predictor."""

    protocol: str
    patients: tuple[str, ...]
    folds_sha256: str
    sections: tuple[str, ...]
    scores: Mapping[str, Mapping[str, ScoreCard]]
    """The model and `shuffled` -> headline metric -> score; a metric may be missing."""


_ADAPTERS: dict[type[Card], TypeAdapter[Any]] = {}


def _adapter(card: type[Card]) -> Any:
    """Reader and writer of a kind of card; made once, because that takes milliseconds."""
    if card not in _ADAPTERS:
        _ADAPTERS[card] = TypeAdapter(card)
    return _ADAPTERS[card]


def _problems(error: ValidationError, where: str, remedy: str) -> Iterator[Problem]:
    found = {"missing": "no such key", "unexpected_keyword_argument": "an unknown key"}
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        yield Problem(
            where=f"{where}, {place}" if place else where,
            found=found.get(item["type"], item["msg"]),
            expected="a card in the format of this version of histoscribe",
            remedy=remedy,
        )
