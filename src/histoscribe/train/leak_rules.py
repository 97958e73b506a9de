"""Rules for runs that choose the epoch on the test section, as a published protocol did."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from histoscribe.train.settings import RunSettings


def epoch_contradictions(settings: "RunSettings") -> Iterator[str]:
    """Reasons why these settings cannot leak the epoch, in words; none without the leak."""
    if "epoch" not in settings.folds.leaks:
        return
    if settings.train.keep != "best":
        yield 'the leak "epoch" chooses an epoch, and train.keep is "last": leave out one'
    if settings.train.counts is not None:
        yield f'the leak "epoch" is not for losses of counts like "{settings.train.loss}"'
    networks = [row for row in settings.rows if row.is_network]
    other = [row.name for row in networks if row.item != "spot" or row.exemplars is not None]
    if other:
        yield (
            'the leak "epoch" is for networks that read a spot without exemplars, and '
            f"{', '.join(other)} reads more: leave it out, or put it in another run"
        )
