"""The model card in words: content, reliability and use of a predictor."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from histoscribe.data.fold_settings import leaky
from histoscribe.data.measured_genes import panel_sizes
from histoscribe.data.target import Target
from histoscribe.data.transform import transform_class
from histoscribe.precision import arithmetic
from histoscribe.predictor.encoding import Encoding
from histoscribe.predictor.facts import needs_in_words
from histoscribe.predictor.gene_scores import Benchmarked
from histoscribe.predictor.reference import MOST_FAR, MPP_MARGIN, Reference
from histoscribe.predictor.steer_lines import steer_lines
from histoscribe.types import (
    CountFamily,
    ExemplarsCard,
    PathwaysCard,
    ScoreCard,
    TrainingCard,
)
from histoscribe.types.gene_labels import gene_labels

CARD_FILE = "MODEL_CARD.md"
_TURNED = {
    "tiles": "In training, tiles were turned and mirrored at random",
    "places": "In training, the places of the spots of a section were turned and mirrored at "
    "random; their features were not, for the encoder read the tiles as they are",
}
_CORNERS = {
    "read": "by any angle; what came into their corners was read from the slide",
    "mean": "by any angle; their corners were filled with the mean colour of ImageNet",
}
_UNKNOWN_UM = (100.0, 100.0)
"""Distance between predicted places where training spots were cells of unknown size."""
_MOST_LISTED = 300  # genes or sections; all of them are in predictor.json


@dataclass(frozen=True, eq=False)
class CardFacts:
    """Source of the card; everything is saved in the predictor folder."""

    model: str
    paper: str
    target: Target
    encoding: Encoding
    card: TrainingCard
    reference: Reference
    benchmark: Benchmarked | None
    """None without a benchmark."""
    counts: CountFamily | None = None
    """Family of the count distribution that it predicts; None for a model of values."""


def model_card(facts: CardFacts) -> str:
    """Write the card as Markdown; the same predictor gives the same text."""
    parts = (
        [f"# Model card: {facts.model}, {len(facts.target.genes)} genes", ""],
        ["Predicts spatial gene expression from a slide stained with H&E.", ""],
        ["## Prediction", "", *_predicts(facts), ""],
        ["## Training data", "", *_trained_on(facts), ""],
        ["## Scores on held-out patients", "", *_how_well(facts), ""],
        ["## Limits of use", "", *_not_for(facts), ""],
        ["## Warnings", "", *_warns(facts), ""],
        ["## Usage", "", *_how_to_run(facts), ""],
        ["## Versions", "", _versions(facts.card.versions), ""],
    )
    return "\n".join(line for part in parts for line in part)


def _predicts(facts: CardFacts) -> Iterator[str]:
    encoding, target = facts.encoding, facts.target
    spots = facts.card.spots_um
    side_um = encoding.tile_px * encoding.mpp
    unit = transform_class(target.transform).unit
    yield f"- A value for each gene at each spot. Unit: {unit}."
    if facts.counts is not None:
        yield (
            "- The standard deviation of the count of a spot with 10,000 counts, in the layer "
            "`deviation`. `histoscribe.prediction_interval` gives the counts that spots of a "
            "stated depth will show."
        )
    apart = (
        "on no lattice" if spots.pitch is None else f"{_range(spots.pitch)} um from the next one"
    )
    wide = f"{_range(spots.diameter)} um wide" if spots.diameter else "of unknown width"
    yield f"- A spot is {wide}, {apart}, as in training."
    yield (
        f"- It looks at {encoding.tile_px} x {encoding.tile_px} px at {encoding.mpp:g} um/px "
        f"around a spot ({side_um:.0f} um a side)"
        f"{', background made white' if encoding.white_off_tissue else ''}"
        f"{_beside(facts.card.exemplars)}."
    )
    if of_panel := panel_sizes(section.n_genes for section in facts.card.sections.values()):
        yield f"- Depth of a spot: {target.state.size_factors}, {of_panel}."
    if encoding.stain is not None:
        yield (
            "- The tissue of a slide is first given the colours of the training slides (Reinhard "
            "2001), so weak or strong stain matters less."
        )
    labels = gene_labels(target.genes, facts.card.gene_names)
    listed = ", ".join(labels[:_MOST_LISTED])
    more = len(target.genes) - _MOST_LISTED
    yield f"- Genes: {listed}{f' and {more} more, see predictor.json' if more > 0 else ''}."
    if facts.card.pathways is not None:
        yield from _pathways(facts.card.pathways)


def _pathways(card: PathwaysCard) -> Iterator[str]:
    """Gene sets of the scores of pathways, with members in the panel and all members."""
    spelled = ", spelled by a table of orthologues" if card.orthologues else ""
    yield (
        f"- A score of each of {len(card.coverage)} pathways at each spot, without unit: in `obsm` "
        "of its predictions, as `pathways`."
    )
    yield f"- Gene sets: {card.source}{spelled}; licence {card.licence}."
    for what, sets in (("in the panel", card.coverage), ("dropped, too few genes", card.dropped)):
        listed = [f"{name} {found} of {all_}" for name, (found, all_) in sets.items()]
        more = len(listed) - _MOST_LISTED
        if listed:
            tail = f" and {more} more, see predictor.json" if more > 0 else ""
            yield f"- Members of each set {what}: {', '.join(listed[:_MOST_LISTED])}{tail}."


def _beside(shown: ExemplarsCard | None) -> str:
    """Inputs besides the tile."""
    if shown is None:
        return ", and nothing else"
    how = "drawn at random" if shown.draw == "random" else "that look most like it"
    how += f" by {shown.perceptual}" if shown.perceptual else ""
    shift = f" ({shown.shift})" if shown.shift else ""
    return (
        f", and at the expression of {shown.n} of {shown.pool:,} training spots {how}, "
        f"which are in exemplars.safetensors{shift}"
    )


def _trained_on(facts: CardFacts) -> Iterator[str]:
    card, encoding = facts.card, facts.encoding
    spots, sections = card.training_spots, card.sections
    yield (
        f"- {_n(len(card.patients), 'patient')}, {_n(len(sections), 'section')}, "
        f"{_n(sum(spots.values()), 'spot')}; images of {_range(facts.reference.mpp)} um/px."
    )
    yield f"- Model: {facts.model} ({facts.paper}), {card.n_parameters} fitted numbers."
    if card.weights is not None:
        yield f"- The network began with {_start(card.weights)}{_length(card.train)}."
    yield from _not_as_published(card.departures)
    if card.turned is not None:
        corners = "" if card.corners is None else f", {_CORNERS[card.corners]}"
        yield f"- {_TURNED[card.turned]}{corners}."
    if card.steer is not None:
        yield from steer_lines(card.steer)
    encoder = card.encoder
    layer = f", layer {encoding.layer}" if encoding.layer else ""
    yield (
        f"- Encoder: {encoding.encoder}{layer} ({encoder.paper}); weights {encoding.weights}; "
        f"licence {encoder.licence}."
    )
    if encoding.trained:
        needs = needs_in_words(encoder.needs)
        yield f"- The encoder was trained on the tiles of these spots{needs}."
    yield f"- Arithmetic: {arithmetic(encoding.precision)}."
    if card.views:
        yield (
            f"- Fitted on {_n(card.views, 'view')} more of each spot, stains jittered by up to "
            f"{card.hed_jitter:g}."
        )
    yield f"- Training protocol: {card.protocol}; choices made by {card.validation}."
    yield ""
    yield "| section | patient | spots | um/px |"
    yield "|---|---|---|---|"
    for name in sorted(sections)[:_MOST_LISTED]:
        section = sections[name]
        yield f"| {name} | {section.patient} | {spots[name]} | {section.mpp:g} |"
    if len(sections) > _MOST_LISTED:
        yield f"\nand {len(sections) - _MOST_LISTED} more, see predictor.json."


def _not_as_published(departures: tuple[str, ...]) -> Iterator[str]:
    if departures:
        yield f"- Not as published (in brackets what is): {', '.join(departures)}."


def _start(weights: str) -> str:
    return "random numbers" if weights == "none" else f"published weights ({weights})"


def _length(train: Mapping[str, Any]) -> str:
    at_most = "at most " if train["keep"] == "best" else ""
    n_epochs = _n(train["epochs"], "epoch")
    return f", and had {at_most}{n_epochs} in batches of at most {train['batch_size']}"


def _how_well(facts: CardFacts) -> Iterator[str]:
    if facts.benchmark is None:
        yield (
            "Unknown: run `histoscribe benchmark`, and train with `--benchmark RUN` to store its "
            "scores here. A predictor inside the folder of a benchmark is scored in the "
            "`genes.csv` of that folder."
        )
        return
    found, scores = facts.benchmark.card, facts.benchmark.card.scores
    own, shuffled = scores[facts.model], scores["shuffled"]
    count = facts.benchmark.gene_scores.count()
    yield (
        f"Benchmarked on {_n(len(found.patients), 'patient')}, the model fitted anew without "
        "the patients it was tested on; mean over genes, sections and patients:"
    )
    yield ""
    yield f"- Measured and predicted values correlate at {_score(own.get('pcc'))}."
    yield (
        f"- Among spots of equal depth they correlate at {_score(own.get('pcc_given_depth'))}. "
        "Depth is how much was counted in a spot: it follows tissue and preparation, and is not "
        "regulation of genes."
    )
    if shuffled:
        yield (
            "- A model trained on shuffled spots reaches "
            f"{_score(shuffled.get('pcc_given_depth'), 'of 100 such runs 95 lie at')}."
        )
    yield (
        f"- {count.words()}; {len(facts.target.genes) - count.n_genes} genes of this predictor "
        "were not scored."
    )
    yield "- `genes.csv` has the scores of each gene, which show the value of its map."


def _not_for(facts: CardFacts) -> Iterator[str]:
    card = facts.card
    if card.made_up_labels is not None:
        yield f"- Any prediction: it is a probe of training ({card.made_up_labels})."
    yield "- Diagnosis, or any decision about a patient: it is for research."
    yield (
        "- Tissue, species, stains or scanners outside its training data: numbers there mean "
        "nothing. Spots that it can tell to be unlike its training are left out (NaN)."
    )
    if len(card.patients) == 1:
        yield (
            "- Other patients: it was trained on one, so variation between patients is unknown "
            "to it."
        )
    if leaky(card.protocol):
        yield f"- Claims about new patients: {leaky(card.protocol)}."
    yield "- Genes whose row in `genes.csv` is empty or not above their band (`null_high`)."
    yield "- Single cells: a value belongs to a whole spot."
    statistic = facts.target.state.statistic
    yield f"- Absolute levels. Statistics used besides the spot: {statistic}."


def _warns(facts: CardFacts) -> Iterator[str]:
    low, high = facts.reference.mpp
    yield "`histoscribe predict` warns, and still predicts, where a slide"
    yield ""
    yield (
        f"- has other um/px than the training slides, by more than {MPP_MARGIN:.0%} "
        f"(below {low * (1 - MPP_MARGIN):.3g} or above {high * (1 + MPP_MARGIN):.3g});"
    )
    yield "- is stained more weakly or strongly than the training slides;"
    yield (
        f"- has more than {MOST_FAR:.0%} of its spots further from the training tissue than "
        "training spots are from each other: if less than half are like training, no gene is "
        "offered as trusted there, and the scores of the genes are left out;"
    )
    yield "- gets values outside the range that was measured in training: they are clipped to it."
    yield ""
    yield (
        f"Each spot carries that distance as `distance_to_training`: {_unit(facts.reference)} Up "
        "to 1 a spot is `trusted`; beyond it, its values are NaN unless `--keep-unlike`."
    )


def _unit(reference: Reference) -> str:
    if reference.unit is None:
        return "it is unknown, for there are too few training spots to compare."
    other = {
        "patient": "the nearest spot of another patient",
        "section": "the nearest spot of another section (there is one patient)",
        "place": "the nearest spot elsewhere on the section (there is one)",
    }[reference.unit_of]
    return f"1 is the distance within which 95 % of training spots have {other}."


def _how_to_run(facts: CardFacts) -> Iterator[str]:
    needed = _files_needed(facts)
    weights = "".join(f" --weights {name}=FILE" for name in needed)
    spots = facts.card.spots_um
    pitch = (spots.pitch or spots.diameter or _UNKNOWN_UM)[0]
    yield f"    histoscribe predict THIS_FOLDER SLIDE --spacing-um {pitch:g} --out DIR{weights}"
    yield ""
    yield "or in Python"
    yield ""
    yield "    import histoscribe as hs"
    yield ""
    yield '    predictor = hs.load_predictor("THIS_FOLDER")'
    yield f'    prediction = hs.predict_slide(predictor, "SLIDE", spacing_um={pitch:g})'
    if needed:
        expected = ", ".join(f"{name} {weights}" for name, weights in needed.items())
        yield ""
        yield (
            "These weights are not in this folder, and a file with another checksum is refused. "
            f"Expected: {expected}."
        )


def _files_needed(facts: CardFacts) -> dict[str, str]:
    """Weight files that users need: of the encoder and of the perceptual distance."""
    shown = facts.card.exemplars
    nets = {} if shown is None else shown.perceptual_weights
    compared_by = {name: of for name, of in nets.items() if of.startswith("sha256:")}
    return {**facts.encoding.needed_weights, **compared_by}


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(versions.items())) + "."


def _score(score: ScoreCard | None, between: str = "95 % interval") -> str:
    if score is None or score.mean is None:
        return "an unknown value"
    if score.low is None or score.high is None:
        return f"{score.mean:.3f} (no interval: too few patients)"
    return f"{score.mean:.3f} ({between} {score.low:.3f} to {score.high:.3f})"


def _range(values: tuple[float, float] | list[float]) -> str:
    low, high = values
    return f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g} to {high:.4g}"


def _n(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
