"""The table of published options on the page of the SpatialTranscriptFormer names what there is."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from histoscribe.models.base import make_config
from histoscribe.models.catalog import list_models
from histoscribe.models.layers.pathway_attention import FLOWS
from histoscribe.models.networks import stformer
from histoscribe.train.settings import RunSettings

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "stformer.md"
OPTIONS = (
    *("--model", "--backbone", "--token-dim", "--n-heads", "--n-layers", "--num-pathways"),
    *("--pathway-init", "--loss", "--pcc-weight", "--pathway-loss-weight", "--interactions"),
    *("--log-transform", "--return-attention", "--n-neighbors", "run_preset.py --preset"),
    *("dense mode", "global mode"),
)


def table():
    """Rows of the table, by option: cells of ours and of our default."""
    text = PAGE.read_text("utf-8").split("## Options of the published command line")[1]
    lines = [line for line in text.split("\n## ")[0].splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {option.strip("`"): (ours, default) for option, _, ours, default in rows}


ROWS = table()


def test_every_published_option_has_a_row_and_no_other():
    assert sorted(ROWS) == sorted(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_what_a_row_names_is_there_with_the_default_that_it_says(option):
    ours, default = ROWS[option]
    names = re.findall(r"`([^`]+)`", ours)
    assert names, "the row names nothing of ours"
    for name in names:
        if name.startswith("STFormer."):
            assert callable(getattr(stformer.STFormer, name.removeprefix("STFormer.")))
        else:
            check_setting(name)
    assert default.split(",")[0].strip("`") == default_of(names[0])


def check_setting(text):
    """A setting of this name, and this value if it has one, is accepted."""
    key, _, value = text.partition(" = ")
    if key == "models":
        assert set(tomllib.loads(text)["models"]) <= set(list_models())
        return
    *_, name = path = key.split(".")
    given = tomllib.loads(f"x = {value}")["x"] if value else None
    if path[0] == "settings":
        preset = make_config("stformer", {"preset": "tiny"})
        assert name == "preset" or hasattr(preset, name), text
        if given is not None:
            make_config(path[1], {name: given})
        return
    room = RunSettings.model_fields[path[0]].annotation
    assert hasattr(room(), name), text
    if given is not None:
        TypeAdapter(room).validate_python({name: given})


def default_of(text):
    """Default of the setting, as the table writes it."""
    path = text.partition(" = ")[0].split(".")
    if path[0] == "models":
        return "none"
    if path[0] == "STFormer":
        return "not asked for"
    if path[-1] == "preset":
        return "default"
    if path[0] == "settings":
        value = getattr(make_config("stformer", {}), path[-1])
        return "all four" if value == FLOWS else str(value)
    value = getattr(RunSettings.model_fields[path[0]].annotation(), path[1])
    return f"{value:g}" if isinstance(value, float) else str(value)
