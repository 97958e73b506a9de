"""Images that excite units: known answers of the parts, and the whole answer."""

import numpy as np
import pandas as pd
import pytest
import torch

from histoscribe.data.images import SlideTiles
from histoscribe.errors import DataContractError
from histoscribe.explain.layers.fourier_image import FourierImages, TissueColours
from histoscribe.explain.layers.unit_results import UnitResults, in_deviations
from histoscribe.explain.layers.unit_targets import (
    UnitTarget,
    parse_target,
    read_targets,
    target_values,
)
from histoscribe.explain.layers.units import most_varying
from histoscribe.explain.run import explain
from histoscribe.explain.taps import tapped
from tests.explain.alike import TILE_PX, alike_cohort, predictor_of
from tests.explain.layers.patterns import UNIT, cosine, made, pattern, pattern_predictor


@pytest.fixture(scope="module")
def tiles():
    section = next(iter(alike_cohort(0)))
    return SlideTiles(section, predictor_of("mlp").encoding.tiles).read(np.arange(20))


def test_a_planted_linear_unit_finds_its_direction(tiles):
    predictor, colours = pattern_predictor(), TissueColours.of(tiles)
    start = made(predictor, colours, 0)
    image = made(predictor, colours, 100)
    other = predictor.model.filters.weight[1].detach().view_as(pattern())
    assert abs(cosine(start[0], pattern())) < 0.2
    assert cosine(image[0], pattern()) > 0.75
    assert abs(cosine(image[0], other)) < 0.2
    assert torch.equal(image, made(predictor, colours, 100))


def test_images_start_in_colours_of_tissue_and_depend_on_their_name_only(tiles):
    colours = TissueColours.of(tiles)
    both = FourierImages(["a", "b"], TILE_PX, colours)
    alone = FourierImages(["b"], TILE_PX, colours)
    assert both.tiles().shape == (2, 3, TILE_PX, TILE_PX)
    assert torch.equal(both.tiles()[1], alone.tiles()[0])
    assert not torch.equal(*both.tiles())
    tissue = tiles.double().mean(dim=(0, 2, 3))
    assert (both.tiles().double().mean(dim=(0, 2, 3)) - tissue).abs().max() < 6


def test_waves_of_deviation_one_have_the_colours_of_tissue(tiles):
    colours = TissueColours.of(tiles)
    images = FourierImages([str(number) for number in range(30)], TILE_PX, colours)
    with torch.no_grad():
        images.spectrum /= images.spectrum.std()
        field = (images._canvas() / 255).logit().permute(0, 2, 3, 1).reshape(-1, 3)
    ratio = torch.cov(field.T) / (colours.mixing @ colours.mixing.T)
    assert ((ratio > 0.5) & (ratio < 2.0)).all()


def test_views_are_shifted_and_turned_and_the_same_again(tiles):
    images = FourierImages(["a"], TILE_PX, TissueColours.of(tiles))
    assert torch.equal(images.view(3), images.view(3))
    assert not torch.equal(images.view(3), images.view(4))
    assert 0 < images.view(3).min() < images.view(3).max() < 255


def test_colours_are_decorrelated_and_white_is_left_out(tiles):
    colours = TissueColours.of(tiles)
    white = torch.cat([tiles, torch.full_like(tiles, 255)])
    torch.testing.assert_close(TissueColours.of(white).mixing, colours.mixing)
    logit = (tiles.double() / 255).logit().permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(
        colours.mixing @ colours.mixing, torch.cov(logit).float(), rtol=1e-3, atol=1e-5
    )
    assert torch.isfinite(TissueColours.of(torch.full_like(tiles, 255)).mixing).all()


def test_targets_are_written_as_layer_channel_and_place():
    assert parse_target("a.b") == UnitTarget("a.b")
    assert parse_target("a.b:2") == UnitTarget("a.b", 2)
    assert parse_target("a.b:2:7") == UnitTarget("a.b", 2, 7)
    assert [parse_target(text) for text in (":2", "a:-1", "a:1:2:3", "a:b")] == [None] * 4
    assert UnitTarget("a", 2, 7).name == "a:2:7"


def test_a_layer_channel_unit_and_gene_are_what_they_say(tiles):
    predictor = predictor_of("mlp")
    targets = [
        UnitTarget("network.hidden"),
        UnitTarget("network.hidden", 3),
        UnitTarget("network.hidden", 3, 0),
        UnitTarget("", 5, gene="G"),
    ]
    with target_values(predictor, targets) as values:
        read = read_targets(values, tiles)
    with torch.no_grad(), tapped(predictor, ["network.hidden"]) as taps:
        genes = predictor.from_pixels(tiles.float()).expression
        hidden = taps.activation("network.hidden")
    np.testing.assert_allclose(read[:, 0], hidden.square().mean(dim=1), rtol=1e-5)
    np.testing.assert_allclose(read[:, 1], hidden[:, 3], rtol=1e-5)
    np.testing.assert_allclose(read[:, 2], hidden[:, 3], rtol=1e-5)
    np.testing.assert_allclose(read[:, 3], genes[:, 5], rtol=1e-5)


def test_the_channel_that_varies_most_is_chosen_and_constants_have_no_deviations():
    channels = np.random.default_rng(0).normal(size=(30, 4)) * [1.0, 3.0, 2.0, 0.0]
    assert most_varying("layer", channels).channel == 1
    far = in_deviations(channels, channels)
    np.testing.assert_allclose(far[:, :3].std(axis=0), 1.0)
    assert np.isnan(far[:, 3]).all()


def test_tapped_layers_pass_gradients_back_to_the_pixels(tiles):
    predictor = predictor_of("mlp")
    pixels = tiles[:2].float().requires_grad_()
    with tapped(predictor, ["network.hidden"]) as taps:
        predictor.from_pixels(pixels)
        (hidden,) = taps.attached("network.hidden")
    (slope,) = torch.autograd.grad(hidden.sum(), [pixels])
    assert (slope != 0).any()


def results(made, random_made, random_best):
    """Two targets in one network, whose best tile lies 7 deviations up, and in five random ones."""
    return UnitResults(
        targets=(UnitTarget("a", 0), UnitTarget("b", 0)),
        real=np.eye(50)[:, [0, 1]],
        made=np.full(2, made),
        directions=np.zeros((3, 2)),
        random_made=np.linspace(0.9, 1.1, 5)[:, None] * np.full(2, random_made),
        random_best=np.linspace(0.9, 1.1, 5)[:, None] * np.full(2, random_best),
        random_read=np.zeros((5, 2)),
    )


def test_chance_is_that_of_random_networks_with_images_of_their_own():
    statistic, null = results(9.0, 3.0, 2.0).numbers()
    chance = {number.name: number for number in null}
    assert chance["made_activation"].value == pytest.approx(3)
    assert chance["best_real_activation"].value == pytest.approx(2)
    assert chance["above_real"].value == chance["above_real"].high == 1
    assert 0 <= chance["above_real"].low < 1
    assert chance["made_activation_random_directions"].value == 0
    made, best, above = statistic
    assert (best.value, above.value) == (pytest.approx(7), 1)
    assert made.value > chance["made_activation"].high
    assert best.value > chance["best_real_activation"].high
    statistic, null = results(1.0, 3.0, 2.0).numbers()
    assert statistic[0].value < null[0].low


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return answer(tmp_path_factory.mktemp("units") / "answer")


def answer(out):
    given = {"about": "units", "units": (UNIT, "network.filters"), "genes": ("G3",)}
    return explain(
        *("layers", pattern_predictor(), alike_cohort(0)), **given, tiles=12, steps=8, out=out
    )


def test_an_answer_has_a_row_for_each_target_and_every_number_by_chance(asked):
    table = pd.read_csv(asked.folder / asked.table)
    assert list(table["target"]) == [UNIT, "network.filters", "G3"]
    assert {number.name for number in asked.statistic} <= {number.name for number in asked.null}
    row = table.iloc[0]
    assert row["made"] > row["best_real"] > row["least_real"]
    assert row["made"] > row["made_read_by_random_networks"]
    assert row["best_spot"].startswith("s")


def test_the_same_question_gives_the_same_bytes(asked, tmp_path):
    again = answer(tmp_path / "again")
    for path in asked.folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes()


def test_without_names_layers_and_genes_are_chosen_by_rule(tmp_path):
    given = {"about": "units", "tiles": 8, "steps": 2}
    finding = explain("layers", predictor_of("mlp"), alike_cohort(1), out=tmp_path / "a", **given)
    targets = pd.read_csv(finding.folder / finding.table)["target"]
    assert [name.rsplit(":", 1)[0] for name in targets[:-2]] == finding.about["layers"].split()
    assert all(name.startswith("network.") for name in targets[:-2])
    assert "network.head" not in finding.about["layers"]
    assert any("encoder mean_colour is the same" in words for words in finding.caveat)


def test_what_cannot_be_asked_is_refused_at_once(tmp_path):
    wrong = ("network.filters:32", "network.filters:0:1", "network.fliters:0", "network.filters:x")
    with pytest.raises(DataContractError) as error:
        explain(
            *("layers", pattern_predictor(), alike_cohort(0)),
            **{"about": "units", "units": wrong, "genes": ("G3", "NOPE")},
            out=tmp_path / "out",
        )
    words = str(error.value)
    for part in (
        "channel 32",
        "place 1",
        "network.fliters",
        "LAYER:CHANNEL",
        "NOPE",
        "did you mean",
    ):
        assert part in words
    with pytest.raises(DataContractError, match="no network"):
        explain("layers", predictor_of("ridge"), alike_cohort(0), about="units")
    with pytest.raises(DataContractError, match="at most 10"):
        explain("layers", pattern_predictor(), alike_cohort(0), about="units", units=11 * (UNIT,))
    assert not (tmp_path / "out").exists()
