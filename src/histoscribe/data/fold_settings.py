"""How spots are divided into training and test, and which ways leak."""

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["patient", "section", "spot"]

_LEAKY = {
    "section": "sections of one patient lie on both sides, so a model can score by "
    "recognising the patient",
    "spot": "neighbouring spots of one section lie on both sides, so a model can score by "
    "recognising the section",
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


def leaky(protocol: str) -> str | None:
    """Why a protocol leaks, for every table and card; None for `patient`."""
    return _LEAKY.get(protocol)
