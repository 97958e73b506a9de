"""The command that translates published weights says what went where."""

import torch

from tests.models.published.made import TI, cmt_file


def test_convert_says_what_was_read_placed_left_out_and_missing(histoscribe, tmp_path):
    tensors = {name: torch.zeros(()).expand(s) for name, s in cmt_file(TI, 64).items()}
    named = {f"module.{name}": tensor for name, tensor in tensors.items()}
    torch.save({"model": named, "epoch": 9}, tmp_path / "cmt.pth")
    out = tmp_path / "cmt-ti" / "model.safetensors"
    done = histoscribe("convert", "cmt:ti", tmp_path / "cmt.pth", "--out", out)
    assert done.code == 0
    assert out.is_file()
    first, parts, *rest = done.out.splitlines()
    assert first == f"cmt:ti: {len(tensors) - 2} of {len(tensors)} tensors"
    assert parts.startswith("  in our parts: stem 21, stage_a ")
    assert rest == [
        "  read under: model",
        "  beside it, not read: epoch",
        f"  `module.` removed from {len(tensors)} names",
        "  left out: module.head.* (2) (classifier of ImageNet's 1000 classes)",
        "  not in the file, random at the start: hidden, head, graphs, read_graphs",
        "  position biases for 64 px, resized when they are loaded",
        str(out),
    ]
    other = tmp_path / "tcgn.safetensors"
    refused = histoscribe("convert", "tcgn", tmp_path / "cmt.pth", "--out", other)
    assert refused.code == 2
    assert "convert the file as cmt:ti" in refused.err
    assert not other.exists()
