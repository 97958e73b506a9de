import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from histoscribe.models import catalog
from histoscribe.models.base import (
    ExpressionModel,
    create_model,
    make_config,
    model_class,
    register,
)
from histoscribe.models.catalog import list_models
from histoscribe.models.recipe import Recipe
from histoscribe.types import Output

NETWORKS = [name for name in list_models() if issubclass(model_class(name), ExpressionModel)]


def test_an_unknown_model_names_the_near_ones():
    with pytest.raises(ValueError, match="did you mean ridge"):
        create_model("rigde")


def test_an_unknown_setting_names_the_known_ones():
    with pytest.raises(ValueError, match="dropout, hidden"):
        create_model("mlp", colour=3)
    with pytest.raises(ValueError, match="hiden: did you mean hidden"):
        create_model("mlp", hiden=3)


def test_a_network_is_a_plain_module_of_its_widths():
    net = create_model("mlp", n_genes=5, feature_width=3)
    assert net(torch.zeros(2, 3)).expression.shape == (2, 5)
    net = create_model("nsl", n_genes=5, tile_px=32)
    assert net(torch.zeros(2, 3, 32, 32)).expression.shape == (2, 5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_widths_that_a_network_reads_are_enough_and_each_is_needed(name):
    cls, config = model_class(name), make_config(name, {"preset": "tiny"})
    inputs = cls.inputs(config)
    widths = {"n_genes": 5}
    if any(read.endswith("feature") for read in inputs):
        widths["feature_width"] = 3
    if any(read.endswith("image") for read in inputs):
        widths["tile_px"] = 64
    assert isinstance(create_model(name, **widths, preset="tiny"), torch.nn.Module)
    for width in widths:
        fewer = {key: value for key, value in widths.items() if key != width}
        if width == "tile_px" and cls.usual_tile_px is not None:
            assert isinstance(create_model(name, **fewer, preset="tiny"), torch.nn.Module)
        else:
            with pytest.raises(ValueError, match=f"give {width}, or facts"):
                create_model(name, **fewer, preset="tiny")


@pytest.mark.parametrize(
    ("name", "widths", "says"),
    [
        ("mlp", {"n_genes": 5}, "give feature_width"),
        ("nsl", {}, "give n_genes and tile_px"),
        ("mlp", {"n_genes": 5, "feature_width": 3, "tile_px": 32}, "leave out tile_px"),
        ("mlp", {"n_genes": 0, "feature_width": 3}, "n_genes = 0: must be at least 1"),
        ("ridge", {"n_genes": 5}, "is no network"),
        ("tcgn", {}, "give n_genes, or facts"),
        ("tcgn", {"n_genes": 5, "feature_width": 3}, "leave out feature_width"),
    ],
)
def test_missing_and_unread_widths_are_named(name, widths, says):
    with pytest.raises(ValueError, match=says):
        create_model(name, **widths)


def test_a_config_may_offer_presets_of_its_own(monkeypatch):
    monkeypatch.setattr(catalog, "_ADDED", {})

    @dataclass(frozen=True, kw_only=True)
    class Sizes:
        width: int = 8
        PRESETS: ClassVar = ("large",)

        @classmethod
        def large(cls):
            return cls(width=64)

    mean = type("Sized", (model_class("mean"),), {"__module__": "sized", "Config": Sizes})
    register("sized")(mean)
    assert make_config("sized", {"preset": "large"}).width == 64
    with pytest.raises(ValueError, match="choose default or large"):
        make_config("sized", {"preset": "tiny"})


def test_a_model_that_names_a_label_is_refused():
    with pytest.raises(TypeError, match="target: labels are for `loss`"):

        @register("cheat")
        class Cheat(ExpressionModel):
            """Looks at what it should predict."""

            def forward(self, feature, target) -> Output:
                return Output(target)

    assert "cheat" not in list_models()


def test_a_recipe_that_needs_a_made_network_is_refused():
    with pytest.raises(TypeError, match=r"Late\.recipe must be a class method of the settings"):

        @register("late")
        class Late(ExpressionModel):
            """Tells its recipe too late."""

            def recipe(self):
                return Recipe()

            def forward(self, feature) -> Output:
                raise NotImplementedError

    assert "late" not in list_models()


def test_a_model_of_an_unknown_item_is_refused():
    with pytest.raises(TypeError, match="item is 'slide'; choose from spot, section, bag"):

        @register("whole")
        class Whole(ExpressionModel):
            """Takes a slide for one item."""

            item = "slide"

            def forward(self, context_feature) -> Output:
                return Output(context_feature)

    assert "whole" not in list_models()


def test_the_baselines_of_the_protocol_are_there():
    assert list_models()[:6] == ("mean", "colour", "depth", "knn", "ridge", "ridge-hest")
    assert "mlp" in list_models()


@pytest.mark.parametrize("name", catalog.CATALOG)
def test_every_model_of_the_catalog_is_where_it_says(name):
    record, cls = catalog.CATALOG[name], model_class(name)
    assert cls.name == name
    assert record.place == f"{cls.__module__}:{cls.__qualname__}"
    assert (record.paper, bool(record.title)) == (cls.paper, True)


def test_a_class_of_the_package_must_be_in_the_catalog_as_it_is():
    mean = model_class("mean")
    with pytest.raises(ValueError, match=r"catalog\.toml has no model 'average'"):
        register("average")(type("Average", (mean,), {"__module__": mean.__module__}))
    changed = {"__module__": mean.__module__, "__qualname__": "MeanModel", "paper": "arXiv:1"}
    with pytest.raises(ValueError, match=r"catalog\.toml has .baseline."):
        register("mean")(type("MeanModel", (mean,), changed))


def test_a_users_model_cannot_take_the_name_of_another():
    with pytest.raises(ValueError, match="another model needs another name"):
        register("ridge")(type("Mine", (model_class("mean"),), {"__module__": "mine"}))


@pytest.fixture
def plug_in(monkeypatch, tmp_path):
    """A package that is installed beside this one and adds the model `median`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(catalog, "_ADDED", {})
    (tmp_path / "medians.py").write_text(
        "from histoscribe.models.base import model_class, register\n"
        "@register('median')\n"
        "class Median(model_class('mean')):\n"
        "    'The middle one.'\n"
    )
    info = tmp_path / "medians-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: medians\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[histoscribe.models]\nmedian = medians:Median\n")
    catalog._entry_points.cache_clear()
    yield
    catalog._entry_points.cache_clear()


@pytest.mark.usefixtures("plug_in")
def test_an_installed_package_adds_a_model_that_is_imported_when_it_is_used():
    assert list_models()[-1] == "median"
    assert catalog.model_record("median").place == "medians:Median"
    assert "medians" not in sys.modules
    assert type(create_model("median")).__module__ == "medians"
    assert catalog.model_record("median").title == "The middle one."
    del sys.modules["medians"]


@pytest.mark.parametrize(
    ("model", "own", "said"),
    [
        ("egn", {"projector": "perhaps"}, "projector = 'perhaps'"),
        ("egn", {"dim": "big"}, "dim = 'big'"),
        ("egn", {"sees": "nothing"}, "'exemplars', 'feature' or 'image'"),
        ("mpvit", {"widths": 64}, "widths = 64"),
        ("stnet", {"weights": "fiel"}, "'file' or 'random'"),
        ("vit", {"learning_rate": "fast"}, "learning_rate = 'fast'"),
        ("nsl", {"learning_rate": -1.0}, "above 0"),
    ],
)
def test_a_value_of_another_kind_is_named_with_the_model(model, own, said):
    with pytest.raises(ValueError, match=said) as caught:
        make_config(model, own)
    assert f"model {model!r}" in str(caught.value)


@pytest.mark.parametrize("word", ["False", "false"])
def test_a_word_that_means_no_is_no(word):
    assert make_config("egn", {"projector": word}).projector is False
    assert make_config("retro", {"with_expression": word}).with_expression is False
