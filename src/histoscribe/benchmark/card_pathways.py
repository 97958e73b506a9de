"""Gene sets of a run on its card, in words: origin, coverage, and what was dropped."""

from collections.abc import Iterator, Mapping, Sequence

from histoscribe.data.genesets import MIN_MEMBERS
from histoscribe.train.settings import TrainSettings
from histoscribe.types import PathwaysCard


def pathway_lines(cards: Mapping[str, PathwaysCard], train: TrainSettings) -> Iterator[str]:
    """Section of the card; empty for a run without gene sets."""
    if not cards:
        return
    first = next(iter(cards.values()))
    spelled = ", spelled by a table of orthologues" if first.orthologues else ""
    yield "## Pathways"
    yield ""
    yield (
        f"- Gene sets: {first.source}{spelled} (sha256 {first.sha256[:12]}); "
        f"licence {first.licence}."
    )
    yield (
        "- Measured activity: counts per 10,000 of all genes, log1p, z-score of each gene over the "
        "spots of a section, mean over the members in the panel."
    )
    yield f"- {_supervision(train)}"
    yield (
        f"- Sets with fewer than {MIN_MEMBERS} members in the panel are dropped: "
        f"{'; '.join(_dropped(cards)) or 'none'}."
    )
    yield ""
    yield "| pathway | members | in the panel |"
    yield "|---|---|---|"
    for name, coverage in _coverage(cards).items():
        counts = sorted({n for n, _ in coverage})
        span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        yield f"| {name} | {coverage[0][1]} | {span} |"
    yield ""


def _supervision(train: TrainSettings) -> str:
    if train.pathway_weight == 0:
        return (
            "No loss reads measured activity (train.pathway_weight = 0): scores of pathways are "
            "what a network needs to predict the genes."
        )
    return (
        f"Scores of pathways were trained on measured activity (train.pathway_weight = "
        f"{train.pathway_weight:g}): the genes of the panel supervise both."
    )


def _coverage(cards: Mapping[str, PathwaysCard]) -> dict[str, Sequence[tuple[int, int]]]:
    """Coverage of each set, in every fold whose panel contains the set."""
    names = dict.fromkeys(name for card in cards.values() for name in card.coverage)
    return {
        name: [card.coverage[name] for card in cards.values() if name in card.coverage]
        for name in names
    }


def _dropped(cards: Mapping[str, PathwaysCard]) -> Iterator[str]:
    """Dropped sets with their members in the panel; by fold if folds differ."""
    lists = {fold: _listed(card.dropped) for fold, card in cards.items()}
    if len(set(lists.values())) == 1:
        yield from (text for text in list(lists.values())[:1] if text)
        return
    for fold, text in lists.items():
        yield f"{fold}: {text or 'none'}"


def _listed(dropped: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{name} {found} of {members}" for name, (found, members) in dropped.items())
