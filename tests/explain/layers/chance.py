"""What the question `layers` finds where there is nothing, and where layers were planted."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from histoscribe.data.images import SlideTiles
from histoscribe.explain.finding import Finding
from histoscribe.explain.layers.fourier_image import TissueColours
from histoscribe.explain.random_networks import N_RANDOM, random_networks
from histoscribe.explain.run import explain
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.predictor.predictor import Predictor
from histoscribe.simulate.cohort import simulate
from histoscribe.train.run import train
from tests.explain.alike import alike_cohort, is_outside, predictor_of, random_mlp, with_network
from tests.explain.layers.patterns import UNIT, cosine, made, pattern, pattern_predictor

FAMILIES = ("COMPARTMENT", "ARRANGEMENT")


def ask(*predictors: Predictor, seed: int = 0, **settings) -> Finding:
    """Put the question for sections whose spots differ in colour."""
    return explain("layers", predictors, alike_cohort(seed), **settings)


def random_predictor(seed: int) -> Predictor:
    """An untrained network of features."""
    return with_network(predictor_of("mlp"), random_mlp(seed))


def turned(predictor: Predictor) -> Predictor:
    """The same network, its hidden units in another order."""
    network = random_mlp(0)
    network.load_state_dict(predictor.model.state_dict())
    order = torch.arange(15, -1, -1)
    with torch.no_grad():
        network.hidden[0].weight.copy_(network.hidden[0].weight[order])
        network.hidden[0].bias.copy_(network.hidden[0].bias[order])
    return with_network(predictor, network)


def random_transformer(seed: int) -> Predictor:
    """An untrained vision transformer, of other draws than the question's."""
    predictor = predictor_of("vit")
    network = random_networks(predictor, N_RANDOM + 1 + seed)[-1]
    return with_network(predictor, network)


def random_weights(seed: int) -> bool:
    """An untrained network has layers, attention and images like those of random networks."""
    if seed % 3 == 2:
        finding = ask(random_predictor(seed), seed=seed, about="units", tiles=8, steps=5)
        return is_outside(finding, "made_activation")
    if seed % 3 == 1:
        finding = ask(random_transformer(seed), seed=seed, about="attention", tiles=8)
        return is_outside(finding, "attention_distance_um")
    return is_outside(ask(random_predictor(seed), seed=seed), "cka_to_random")


def same_layers() -> None:
    """The layers of two networks are the same but for the order of their units."""
    first = random_predictor(1)
    finding = ask(first, turned(first), layers=["network.hidden.0", "network.hidden"])
    assert finding.number("cka_of_predictors").value > 1 - 1e-9
    assert is_outside(finding, "cka_of_predictors")


def own_place() -> None:
    """One head of two reads nothing but its own token."""
    predictor = random_transformer(0)
    attention = predictor.model.get_submodule("patches.net.blocks.0.attn")
    with torch.no_grad():
        predictor.model.get_parameter("patches.net.pos_embed")[0, :, :16] = 100 * torch.eye(16)
        query_and_key = attention.qkv.weight[:64].view(2, 32, 32)
        query_and_key.zero_()
        query_and_key[:, :16, :16] = 10 * torch.eye(16)
    finding = ask(predictor, about="attention", layers="network.patches.net.blocks.0.attn")
    uniform = finding.chance("uniform_distance_um").value
    assert finding.number("local_heads").value == 0.5
    assert abs(finding.number("attention_distance_um").value - uniform / 2) < 0.05 * uniform
    assert is_outside(finding, "attention_distance_um")


def texture_alarm(seed: int, *, link: float = 0.0, moved: int = 0, random: bool = False) -> bool:
    """Whether a score lies above chance: above random maps, and above random networks."""
    predictor = random_predictor(seed) if random else predictor_of("mlp")
    cohort = alike_cohort(seed, link=link, moved=moved)
    with TemporaryDirectory() as folder:
        out = Path(folder) / "texture"
        given = {"about": "texture", "pieces": (2, 8), "out": out}
        finding = explain("layers", predictor, cohort, **given)
        return any(
            finding.number(name).value
            > max(finding.chance(name).high, finding.chance(f"{name}_random_networks").high)
            for name in ("score_whole", "score_shuffled_8")
        )


def permuted_patients(seed: int) -> bool:
    """Genes follow the tissue of another patient."""
    return texture_alarm(seed, link=0.7, moved=1)


def null_family(seed: int) -> bool:
    """Genes follow nothing that the image shows."""
    return texture_alarm(seed)


def families() -> None:
    """Simulated: scores of `compartment` survive cutting and shuffling, of `arrangement` not."""
    with TemporaryDirectory() as folder:
        manifest = simulate(
            Path(folder) / "cohort",
            *(6,),
            families=("compartment", "arrangement"),
            genes_per_family=4,
            spots_per_section=100,
        )
        names = [f"SIM-{family}00{gene}" for family in FAMILIES for gene in (1, 2, 3, 4)]
        predictor = train(
            read_cohort(manifest, [f"P{patient}S1" for patient in range(1, 5)]),
            "ridge",
            out=Path(folder) / "ridge",
            inputs={"encoder": "colour_texture", "tile_px": 112, "mpp": 1.0},
            target={"panel": "list", "genes": names, "transform": "cp10k-log1p"},
            run={"device": "cpu"},
        )
        out = Path(folder) / "texture"
        finding = explain("layers", predictor, manifest, about="texture", pieces=(16,), out=out)
        genes = pd.read_csv(out / "genes.csv")
    share = genes["score_shuffled_16"] / genes["score_whole"]
    assert finding.number("score_whole").value > finding.chance("score_whole").high
    assert share[:4].mean() > 0.7
    assert share[4:].mean() < 0.4
    assert (genes["read_from"][:4] == "texture").sum() >= 3
    assert (genes["read_from"][4:] == "arrangement").sum() >= 3


def unit() -> None:
    """The image made for a planted linear unit shows its pattern, and excites it most."""
    predictor, cohort = pattern_predictor(), alike_cohort(0)
    tiles = SlideTiles(next(iter(cohort)), predictor.encoding.tiles).read(np.arange(20))
    image = made(predictor, TissueColours.of(tiles), 100)
    assert cosine(image[0], pattern()) > 0.75
    finding = explain("layers", predictor, cohort, about="units", units=UNIT, tiles=12, steps=60)
    assert finding.number("above_real").value == 1.0


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": random_weights,
    "permuted-patients": permuted_patients,
    "null-family": null_family,
}
PLANTED: dict[str, Callable[[], None]] = {
    "same layers": same_layers,
    "own place": own_place,
    "families": families,
    "unit": unit,
}
NOT_APPLICABLE: dict[str, str] = {}
"""Similarity reads no labels; permuted patients and the null family are asked about texture."""
