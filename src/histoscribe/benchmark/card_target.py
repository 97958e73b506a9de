"""Target and folds of a run on its card, in words."""

from collections.abc import Iterator, Mapping, Sequence

from histoscribe.data.measured_genes import panel_sizes
from histoscribe.data.transform import TRANSFORMS
from histoscribe.types import FoldCard, RunCard, TargetCard

_MOST_NAMED = 8  # sections named in a cell of a table; folds.json has all of them


def target_lines(card: RunCard) -> Iterator[str]:
    """Genes, unit and statistic of the target; what folds share is said once."""
    targets = list(card.target.values())
    first = targets[0]
    sizes = sorted({target.n_genes for target in targets})
    n_genes = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    yield f"- Genes: {n_genes} in each fold, panel `{first.panel}`: {first.chosen_by}."
    yield f"- Sections on which genes were chosen: {_chosen_on(targets)}."
    yield f"- Value of a gene: {_unit(first.transform)} (`{first.transform}`)."
    yield f"- Beside the spot itself, a value rests on: {first.statistic}."
    of_panel = panel_sizes(section.n_genes for section in card.sections.values())
    yield f"- Depth of a spot: {first.size_factors}{f', {of_panel}' if of_panel else ''}."
    if zeros := _zeros(targets):
        yield f"- Genes absent from a whole-transcriptome table, taken as zero: {zeros}."


def fold_lines(card: RunCard) -> Iterator[str]:
    """Table of the folds: tested and training sections, inner validation, hash of the genes."""
    yield "## Folds"
    yield ""
    yield (
        "Number of spots in brackets. The last column begins the sha256 of the list of genes; "
        "equal ones are equal lists."
    )
    yield ""
    yield "| fold | tested | trained on | inner validation | genes |"
    yield "|---|---|---|---|---|"
    for fold in card.folds:
        yield _fold_row(fold, card.target.get(fold.name))
    yield ""


def _fold_row(fold: FoldCard, target: TargetCard | None) -> str:
    genes = "" if target is None else f"{target.n_genes}, {target.genes_sha256[:12]}"
    cells = (fold.name, _sections(fold.test), _sections(fold.train), _inner(fold), genes)
    return f"| {' | '.join(cells)} |"


def _inner(fold: FoldCard) -> str:
    n = len(fold.inner)
    return f"by {fold.validation}, {n} split{'' if n == 1 else 's'}"


def _sections(spots: Mapping[str, int]) -> str:
    if len(spots) > _MOST_NAMED:
        return f"{len(spots)} sections ({sum(spots.values()):,})"
    return ", ".join(f"{name} ({n:,})" for name, n in sorted(spots.items()))


def _unit(transform: str) -> str:
    return TRANSFORMS[transform].unit if transform in TRANSFORMS else transform


def _chosen_on(targets: Sequence[TargetCard]) -> str:
    """Words of the target, or the training sections of each fold, which the folds list."""
    said = {of.chosen_on for of in targets if isinstance(of.chosen_on, str)}
    return "; ".join(sorted(said)) or "the training sections of each fold"


def _zeros(targets: Sequence[TargetCard]) -> str:
    of_section: dict[str, int] = {}
    for target in targets:
        for section, n in target.absent_taken_as_zero.items():
            of_section[section] = max(n, of_section.get(section, 0))
    return ", ".join(f"{section} {n:,}" for section, n in sorted(of_section.items()) if n)
