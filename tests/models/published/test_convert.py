"""Published weights land where they belong, or one message says all that is wrong."""

import hashlib

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, load_model

from histoscribe.encoders.catalog import missing_weights
from histoscribe.errors import DataContractError
from histoscribe.models.base import create_model
from histoscribe.models.layers.position_bias import resized_bias
from histoscribe.models.published.convert import convert_weights
from tests.models.published import reference
from tests.models.published.made import TI, XS, cmt_file, drawn, n_parameters, tcgn_file

SIDE_PX = 64
FUSION = "transformer_fusion_encoder"


@pytest.fixture(scope="module")
def cmt(tmp_path_factory):
    """A drawn file of CMT-Ti for small tiles, and its conversion."""
    folder = tmp_path_factory.mktemp("cmt")
    tensors = drawn(cmt_file(TI, SIDE_PX))
    torch.save({"model": tensors, "epoch": 300}, folder / "cmt.pth")
    out = folder / "cmt.safetensors"
    return tensors, convert_weights("cmt:ti", folder / "cmt.pth", out), out


@pytest.fixture(scope="module")
def tcgn(tmp_path_factory):
    """A drawn checkpoint of TCGN for 5 genes, and its conversion."""
    folder = tmp_path_factory.mktemp("tcgn")
    tensors = drawn(tcgn_file(TI, 5))
    torch.save({f"module.{name}": tensor for name, tensor in tensors.items()}, folder / "best.pth")
    out = folder / "tcgn.safetensors"
    return tensors, convert_weights("tcgn", folder / "best.pth", out, n_genes=5), out


@pytest.fixture(scope="module")
def net(tcgn):
    """The network with the converted checkpoint."""
    net = create_model("tcgn", n_genes=5).eval()
    load_model(net, tcgn[2])
    return net


@pytest.mark.parametrize(
    ("shapes", "n"),
    [
        (cmt_file(TI, 160), 9_492_426),
        (cmt_file(XS, 192), 15_247_208),
        (tcgn_file(TI), 22_547_073),
        (tcgn_file(XS), 28_660_769),
    ],
)
def test_the_made_files_have_the_published_counts(shapes, n):
    assert n_parameters(shapes) == n


def test_a_backbone_gives_the_last_map_of_the_published_one(cmt):
    tensors, _, out = cmt
    net = create_model("tcgn", n_genes=2, tile_px=SIDE_PX, graph="none").eval()
    net.start_from(out)
    tiles = torch.randint(0, 256, (2, 3, SIDE_PX, SIDE_PX), dtype=torch.uint8)
    with torch.no_grad():
        expected = reference.last_map(tensors, net.normalise(tiles), TI[1])
        torch.testing.assert_close(net.class_map(tiles), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1


def test_the_report_of_a_backbone_says_what_it_took_and_what_it_left(cmt, tmp_path):
    tensors, conversion, out = cmt
    left_out = [place.published for place in conversion.places if place.ours is None]
    assert left_out == ["head.weight", "head.bias"]
    assert conversion.checkpoint.container == ("model",)
    assert conversion.checkpoint.unread == ("epoch",)
    assert conversion.side_px == SIDE_PX
    assert len(load_file(out)) == len(tensors) - 2
    with safe_open(out, "pt") as file:
        source = hashlib.sha256((out.parent / "cmt.pth").read_bytes()).hexdigest()
        assert file.metadata() == {"network": "cmt:ti", "source": f"sha256:{source}"}


def test_position_biases_are_resized_to_the_tiles_of_the_network(cmt):
    tensors, _, out = cmt
    net = create_model("tcgn", n_genes=2, tile_px=128, graph="none")
    net.start_from(out)
    for stage, n in zip("abcd", (1024, 256, 64, 16), strict=True):
        found = getattr(net, f"stage_{stage}").bias
        expected = resized_bias(tensors[f"relative_pos_{stage}"], n, 16)
        assert torch.equal(found, expected)
    assert torch.equal(net.stem.layers[0][0].weight, tensors["stem_conv1.weight"])


def test_a_file_with_the_authors_names_is_told_to_be_converted(tmp_path):
    torch.save({"stem_conv1.bias": torch.zeros(16)}, tmp_path / "cmt.pth")
    net = create_model("tcgn-xs", n_genes=2, tile_px=SIDE_PX, preset="tiny")
    with pytest.raises(DataContractError, match=r"histoscribe convert cmt:xs .*cmt\.pth --out"):
        net.start_from(tmp_path / "cmt.pth")


def test_a_backbone_of_another_size_does_not_fit(cmt):
    net = create_model("tcgn", n_genes=2, tile_px=SIDE_PX, preset="tiny")
    with pytest.raises(DataContractError) as caught:
        net.start_from(cmt[2])
    assert "stage_a.bias (1, 256, 4) for" not in str(caught.value), "biases alone would be resized"
    assert "of another shape" in str(caught.value)


def test_missing_weights_say_how_to_convert_them(tmp_path):
    problem = missing_weights("cmt:ti", [tmp_path / "cmt-ti" / "model.safetensors"])
    assert "`histoscribe convert cmt:ti FILE.pth --out FILE`" in problem.remedy
    assert "--weights cmt:ti=FILE" in problem.remedy


def test_what_a_backbone_does_not_have_stays_as_it_was_drawn(cmt):
    _, conversion, out = cmt
    torch.manual_seed(5)
    net = create_model("tcgn", n_genes=2, tile_px=224)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.start_from(out)
    changed = {
        name.partition(".")[0]
        for name, tensor in net.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    untouched = set(conversion.network.parts_without_weights())
    assert untouched | changed | {"normalise"} == set(dict(net.named_children()))
    assert not untouched & changed


def test_a_whole_checkpoint_fits_strictly(tcgn, net):
    tensors, conversion, _ = tcgn
    places = {place.published.removeprefix("module."): place.ours for place in conversion.places}
    state = net.state_dict()
    assert all(torch.equal(state[places[name]], tensor) for name, tensor in tensors.items())
    colours = create_model("tcgn", n_genes=5).normalise.state_dict()
    assert all(torch.equal(state[f"normalise.{name}"], value) for name, value in colours.items())


def test_the_graph_of_a_whole_checkpoint_is_the_published_one(tcgn, net):
    tensors = tcgn[0]
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for graph, name, channels, patch in (
            (net.graphs[0], "gnn_block0", 46, 4),
            (net.graphs[1], "gnn_block1", 92, 2),
        ):
            grid = torch.randn(1, channels, 14 * patch, 14 * patch, generator=draw)
            expected = branches(tensors, name, grid, patch)
            close(graph.token_block(graph.embed(grid), graph.bias), expected[0])
            close(graph.convolve(grid), expected[1])
            maps = reference.as_tokens(expected[1])
            for found, of in zip(
                graph.attend(expected[0], maps),
                reference.cross_attention(tensors, f"{name}.MHSA", expected[0], maps),
                strict=True,
            ):
                close(found, of)


def branches(tensors, name, grid, patch):
    """Nodes of the token branch, and the map of the convolution branch."""
    tokens = reference.as_tokens(
        reference.convolve(tensors, f"{name}.patch_embedding.proj", grid, patch)
    )
    tokens = reference.layer_norm(tensors, f"{name}.patch_embedding.norm", tokens, 1e-5)
    bias = tensors[f"{name}.relative_pos"]
    tokens = reference.cmt_block(tensors, f"{name}.CMT_encoder1", tokens, bias, 2, eps=1e-5)
    maps = reference.convnext(tensors, f"{name}.convnext1", grid, 2)
    if patch == 4:
        maps = reference.convnext(tensors, f"{name}.convnext2", maps, 1)
    return tokens, maps


@pytest.mark.parametrize(
    ("part", "name", "heads", "diagonal"),
    [
        ("graphs.0.fuse.edge_block", f"gnn_block0.{FUSION}.edge_transformer", 2, 0),
        ("graphs.1.fuse.channel_block", f"gnn_block1.{FUSION}.channel_attention_196", 4, 0),
        ("read_graphs.0.block", "channel_attention0.transformer", 4, 1),
        ("read_graphs.1.block", "channel_attention1.transformer", 4, 1),
    ],
)
def test_interleaved_queries_keys_and_values_are_read_apart(tcgn, net, part, name, heads, diagonal):
    tensors = tcgn[0]
    tokens = torch.randn(2, 9, len(tensors[f"{name}.layernorm1.weight"]))
    with torch.no_grad():
        expected = reference.transformer(tensors, name, tokens, heads, diagonal)
        close(net.get_submodule(part)(tokens), expected)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
