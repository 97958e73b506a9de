"""The SpatialTranscriptFormer: sizes, settings, heads, training recipe and checkpointing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.models.base import create_model, make_config
from histoscribe.models.count_start import CountStart
from histoscribe.models.layers.pathway_attention import FLOWS
from histoscribe.models.layers.section_rows import SectionRows
from tests.models.networks.networks import recipe_of
from tests.models.networks.stformers import N_GENES, SIZES, facts, model, pathways, sections

BOTH = ["stformer", "stformer-global"]


@pytest.mark.parametrize(
    ("preset", "millions"), [("tiny", 1.91), ("small", 7.61), ("medium", 19.65), ("large", 86.33)]
)
def test_presets_have_the_parameters_of_the_document(preset, millions):
    with torch.device("meta"):  # numbers of parameters need no parameters
        made = create_model("stformer", 1000, 768, preset=preset, positions="mlp")
    n = sum(parameter.numel() for parameter in made.parameters())
    assert n / 1e6 == pytest.approx(millions, rel=0.01)
    assert made.config.n_pathways == 50


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interactions": ["p2p", "h2g"]}, "'p2p', 'p2h', 'h2p' or 'h2h'"),
        ({"interactions": ["p2p", "p2h", "h2p"], "layers": 1}, "gather from spots in the first"),
        ({"interactions": [], "layers": 1}, "at least 2 are needed"),
        ({"width": 30, "heads": 4}, "no multiple of heads 4"),
        ({"width": 30, "heads": 3}, "no multiple of 4"),
        ({"dropout": 1.0}, "below 1"),
        ({"n_neighbors": -1}, "n_neighbors at least 0"),
        ({"dropped_neighbors": 2, "n_neighbors": 1}, "from 0 to n_neighbors = 1"),
        ({"positions": "learned"}, "'sinusoidal2d', 'mlp' or 'none'"),
        ({"preset": "huge"}, "tiny or small or medium or large"),
    ],
)
def test_wrong_settings_say_what_is_right(settings, message):
    with pytest.raises(ValueError, match=message):
        make_config("stformer", settings)


def test_one_layer_is_enough_where_spots_read_spots():
    assert make_config("stformer", {"interactions": ["h2h"], "layers": 1}).layers == 1


@pytest.mark.parametrize("init", ["init", "masked"])
def test_weights_of_pathways_need_pathways(init):
    with pytest.raises(ValueError, match="none are named"):
        create_model("stformer", 10, 4, pathway_init=init)


def test_neighbours_are_dropped_in_training_only():
    made, given = model(n_neighbors=3, dropped_neighbors=3, dropout=0.0), sections((9,))
    plain = model(n_neighbors=3, dropout=0.0)
    plain.load_state_dict(made.state_dict())
    made.eval(), plain.eval()
    assert torch.equal(made(**given).expression, plain(**given).expression)
    made.train(), plain.train()
    assert not torch.equal(made(**given).expression, plain(**given).expression)


def test_places_are_turned_where_the_settings_say_so():
    assert recipe_of(model()).turned == "no"
    assert recipe_of(model(turned=True)).turned == "right-angles"


def test_named_pathways_have_a_token_and_a_score_each():
    named = model(of=facts(pathways=pathways()), pathway_init="masked")
    output = named(**sections())
    assert output.heads["pathways"].shape == (3, 9, 3)
    assert output.expression.shape == (3, 9, N_GENES)


def test_scores_are_cosines_times_tau():
    made = model()
    with torch.no_grad():
        made.log_tau.zero_()
        assert made.tau == 1
        once = made(**sections()).heads["pathways"]
        made.log_tau.fill_(np.log(3.0))
        torch.testing.assert_close(made(**sections()).heads["pathways"], 3 * once)
    assert once.abs().max() <= 1 + 1e-6
    assert create_model("stformer", 5, 4, preset="tiny").log_tau == 0


@pytest.mark.parametrize(("log_tau", "tau"), [(-1e4, 0.01), (1e4, 100.0)])
def test_tau_stays_positive_and_finite(log_tau, tau):
    made = model()
    made.log_tau.data.fill_(log_tau)
    assert made.tau.item() == pytest.approx(tau)


def test_the_global_mode_reads_the_mean_of_the_spots():
    dense, whole = model(), model("stformer-global")
    whole.load_state_dict(dense.state_dict())
    given = sections()
    with torch.no_grad():
        output = whole(**given)
        tokens = dense._tokens(
            given["context_feature"], given["context_um"], SectionRows(given["present"])
        )
        paths, spots = dense.transformer(*tokens, SIZES, checkpointing=False)
        for place, section in enumerate(spots.split(SIZES)):
            cosine = torch.cosine_similarity(section.mean(dim=0)[None], paths[place], dim=1)
            torch.testing.assert_close(output.heads["pathways"][place], cosine * dense.tau)
    assert output.expression.shape == (3, N_GENES)
    torch.testing.assert_close(output.expression, whole.head(output.heads["pathways"]))


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "settings", [{"positions": "mlp"}, {"positions": "none"}, {"n_neighbors": 3}]
)
def test_padding_and_company_change_nothing_with_any_setting(name, settings):
    made, given = model(name, **settings), sections()
    with torch.no_grad():
        expected = made(**given).expression
        for place, size in enumerate(SIZES):
            alone = {key: value[place : place + 1, :size] for key, value in given.items()}
            found, wanted = made(**alone).expression[0], expected[place]
            wanted = wanted[:size] if name == "stformer" else wanted
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_neighbours_are_seen_without_any_flow():
    made, given = model(interactions=(), n_neighbors=2), sections((9,))
    changed = {**given, "context_feature": given["context_feature"].clone()}
    changed["context_feature"][0, 3] += 1
    with torch.no_grad():
        moved = (made(**given).expression != made(**changed).expression).any(dim=2)[0]
    assert moved[3]
    assert 2 < moved.sum() < 9


@pytest.mark.parametrize("flows", [FLOWS, ("p2h", "h2p")])
def test_checkpointing_changes_no_bit_and_keeps_less(flows):
    kept, gradients = {}, {}
    for checkpointing in (False, True):
        made = model(interactions=flows, dropout=0.1, layers=3)
        made.checkpointing = checkpointing
        n = []
        with torch.autograd.graph.saved_tensors_hooks(_counting(n), lambda tensor: tensor):
            torch.manual_seed(5)  # the same dropout
            loss = made(**sections()).expression.square().mean()
        loss.backward()
        kept[checkpointing] = sum(n)
        gradients[checkpointing] = [parameter.grad for parameter in made.parameters()]
    assert all(map(torch.equal, gradients[False], gradients[True]))
    assert kept[True] < kept[False] / 2


def _counting(n):
    def pack(tensor):
        n.append(tensor.numel())
        return tensor

    return pack


@pytest.mark.parametrize("family", ["nb", "zinb"])
@pytest.mark.parametrize("name", BOTH)
def test_counts_have_a_dispersion_of_each_spot(name, family):
    made, given = model(name, of=facts(counts=family)), sections()
    counts = made(**given).counts
    assert counts.rate.shape == counts.inverse_dispersion.shape
    there = given["present"] if name == "stformer" else slice(None)
    assert (counts.inverse_dispersion[there] > 0).all()
    assert counts.inverse_dispersion[there][:, 0].unique().numel() > 1
    assert (counts.zero_inflation is None) == (family == "nb")


def test_counts_start_from_those_of_the_training_spots():
    start = CountStart(np.linspace(0.5, 3, N_GENES), np.full(N_GENES, 0.2))
    of = replace(facts(counts="zinb", count_start=start), target_mean=np.full(N_GENES, 3.0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        counts = create_model("stformer", facts=of, preset="tiny").eval()(**sections((9,))).counts
    theta = torch.from_numpy(start.inverse_dispersion).float().expand(9, N_GENES)
    torch.testing.assert_close(counts.inverse_dispersion[0], theta, rtol=0, atol=0.2)
    assert counts.zero_inflation.mean().item() == pytest.approx(0.2, abs=0.02)
    assert counts.mean.mean().item() == pytest.approx(3, abs=0.2)


def test_it_is_trained_as_the_document_says():
    recipe = recipe_of(model())
    assert (recipe.optimiser, recipe.learning_rate, recipe.weight_decay) == ("adamw", 1e-4, 0)
    assert (recipe.schedule, recipe.warmup_epochs) == ("warmup-cosine", 10)
    assert make_config("stformer", {}).dropout == 0.1
