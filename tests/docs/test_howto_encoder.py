"""The examples of docs/howto/add-an-encoder.md run as they stand there."""

import re
import tomllib
from pathlib import Path

from histoscribe import torchvision_guard  # noqa: F401 - before timm, as the page says
from histoscribe.encoders.catalog import find_record
from histoscribe.train.settings import InputSettings

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "add-an-encoder.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_a_net_of_timm_is_read_from_a_file_at_a_layer(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {})
    assert re.fullmatch(r"torch.Size\(\[2, 256\]\) sha256:[0-9a-f]{6}\n", capsys.readouterr().out)


def test_an_encoder_of_the_table_gives_the_features_of_its_authors_net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[1], {"TABLE": blocks("toml")[1], "Path": Path})


def test_the_settings_of_the_page_are_settings_and_its_command_is_the_record():
    settings = InputSettings(**tomllib.loads(blocks("toml")[0])["inputs"])
    record = find_record(settings.encoder)
    assert settings.mpp == record.mpp
    assert f"hf download {record.hub} {record.files[0]}" in blocks("sh")[0]
