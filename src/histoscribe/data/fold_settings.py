"""How spots are divided into training and test, and which ways leak."""

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["patient", "section", "spot"]
Leak = Literal["panel", "twins"]

_LEAKY = {
    "section": "sections of one patient lie on both sides, so a model can score by "
    "recognising the patient",
    "spot": "neighbouring spots of one section lie on both sides, so a model can score by "
    "recognising the section",
}
_NAMED_LEAKS = {
    "panel": "the genes were chosen on all sections, those tested too",
    "twins": "sections that are one picture may lie on both sides, so a model can look the "
    "answer up",
}


@dataclass(frozen=True, kw_only=True)
class FoldSettings:
    """One protocol; two protocols are two runs."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # an unknown key is an error

    protocol: Protocol = "patient"
    """What is held out together; `section` and `spot` are leaky."""
    k: Literal["leave-one-out"] | int = "leave-one-out"
    """Number of folds, or one for each patient (or section); `spot` needs a number."""
    test: tuple[tuple[str, ...], ...] | None = None
    """Fixed folds in place of `k`: the test patients (or sections) of each."""
    max_train_spots: int | None = None
    """At most so many training spots a fold, so that two protocols compare at equal numbers."""
    leaks: tuple[Leak, ...] = ()
    """What leaks besides, to repeat a published table; only under a leaky protocol: `panel` chooses
    the genes on all sections, `twins` lets one picture lie on both sides (protocol `section`)."""

    def __post_init__(self) -> None:
        if self.protocol not in ("patient", *_LEAKY):
            raise ValueError(f"no protocol {self.protocol!r}; choose patient, section or spot")
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
                f"leaks = {list(self.leaks)} under protocol 'patient', which does not leak: name a "
                'leaky one (protocol = "section"), which every table then says, or leave it out'
            )
        if "twins" in self.leaks and self.protocol != "section":
            raise ValueError(
                "the leak 'twins' goes with protocol 'section': under 'spot' every picture is on "
                "both sides anyway"
            )


def leaky(protocol: str) -> str | None:
    """Why a protocol leaks, for every table and card; None for `patient`."""
    return _LEAKY.get(protocol)


def leaks_in_words(settings: FoldSettings) -> tuple[str, ...]:
    """Each leak of a run in words: that of its protocol, then those named besides."""
    by_protocol = leaky(settings.protocol)
    named = (_NAMED_LEAKS[leak] for leak in dict.fromkeys(settings.leaks))
    return () if by_protocol is None else (by_protocol, *named)
