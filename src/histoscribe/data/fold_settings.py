"""Settings of the division into training and test, and reasons why a protocol leaks."""

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["patient", "site", "section", "spot"]
Leak = Literal["panel", "twins", "epoch"]

_LEAKY = {
    "section": "sections of one patient are on both sides, so a model can score by recognising "
    "the patient",
    "spot": "neighbouring spots of one section are on both sides, so a model can score by "
    "recognising the section",
}
_NAMED_LEAKS = {
    "panel": "the genes were chosen on all sections, including the test sections",
    "epoch": "the epoch of each network was chosen on the test section itself, so its scores are "
    "the best of many tries",
    "twins": "sections with the same picture may be on both sides, so a model can recall the "
    "answer",
}


@dataclass(frozen=True, kw_only=True)
class FoldSettings:
    """One protocol; two protocols need two runs."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # an unknown key is an error

    protocol: Protocol = "patient"
    """Unit that is held out; `section` and `spot` are leaky. `site` keeps all patients of a site (a
    column of the cohort, or the one in a TCGA barcode) on one side.
    """
    k: Literal["leave-one-out"] | int = "leave-one-out"
    """Number of folds, or one for each patient (or section); `spot` needs a number."""
    test: tuple[tuple[str, ...], ...] | None = None
    """Fixed folds instead of `k`: the test patients (or sections) of each."""
    max_train_spots: int | None = None
    """Upper limit of training spots per fold, to compare two protocols at equal numbers."""
    leaks: tuple[Leak, ...] = ()
    """Additional leaks, to repeat a published table; only under a leaky protocol: `panel` chooses
    the genes on all sections, `epoch` chooses the epoch of networks on the test section, `twins`
    allows one picture on both sides (protocol `section`).
    """

    def __post_init__(self) -> None:
        if self.protocol not in ("patient", "site", *_LEAKY):
            raise ValueError(
                f"no protocol {self.protocol!r}; choose patient, site, section or spot"
            )
        if self.k != "leave-one-out" and (not isinstance(self.k, int) or self.k < 2):
            raise ValueError(f"k must be 'leave-one-out' or at least 2, got {self.k!r}")
        if self.max_train_spots is not None and self.max_train_spots < 1:
            raise ValueError(f"max_train_spots must be at least 1, got {self.max_train_spots}")
        if self.test is not None and self.k != "leave-one-out":
            raise ValueError("give `k` or the fixed folds of `test`, not both")
        if self.protocol == "spot" and (self.test is not None or self.k == "leave-one-out"):
            raise ValueError("protocol 'spot' needs a number k of random parts, e.g. k = 5")
        self._check_leaks()

    def _check_leaks(self) -> None:
        if self.leaks and self.protocol not in _LEAKY:
            raise ValueError(
                f"leaks = {list(self.leaks)} under protocol {self.protocol!r}, which does not "
                'leak: set a leaky one (protocol = "section"), which every table then states, or '
                "leave it out"
            )
        if "twins" in self.leaks and self.protocol != "section":
            raise ValueError(
                "the leak 'twins' is for protocol 'section': under 'spot' every picture is on "
                "both sides anyway"
            )


def leaky(protocol: str) -> str | None:
    """Reason why a protocol leaks, for every table and card; None for `patient` and `site`."""
    return _LEAKY.get(protocol)


def leaks_in_words(settings: FoldSettings) -> tuple[str, ...]:
    """Leaks of a run in words: that of its protocol, then the additional ones."""
    by_protocol = leaky(settings.protocol)
    named = (_NAMED_LEAKS[leak] for leak in dict.fromkeys(settings.leaks))
    return () if by_protocol is None else (by_protocol, *named)
