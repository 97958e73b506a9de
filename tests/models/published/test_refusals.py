"""A published file that does not fit is refused with all that is wrong, and nothing is written."""

import pathlib

import pytest
import torch
from safetensors.torch import load_file

from histoscribe.errors import DataContractError
from histoscribe.models.published.convert import convert_weights
from histoscribe.models.published.names import grouped, parse_names, published_names
from tests.models.published.made import TI, XS, cmt_file, tcgn_file

COUNTER = "num_batches_tracked"


def empty(shapes):
    """Zeros that take no room in a pickle."""
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}


@pytest.fixture
def problems(tmp_path):
    """Converts tensors that do not fit, and gives the problems."""

    def convert(network, tensors, **settings):
        torch.save(tensors, tmp_path / "published.pth")
        out = tmp_path / "out.safetensors"
        with pytest.raises(DataContractError) as caught:
            convert_weights(network, tmp_path / "published.pth", out, **settings)
        assert not out.exists()
        return [str(problem) for problem in caught.value.problems]

    return convert


def test_a_checkpoint_for_another_number_of_genes_says_both_and_the_remedy(problems):
    (problem,) = problems("tcgn", empty(tcgn_file(TI, 171)))
    assert "a last layer for 171 genes" in problem
    assert "expected: 785 genes" in problem
    assert "--genes 171 (in Python n_genes = 171)" in problem


def test_a_checkpoint_of_other_widths_names_the_network_that_it_fits(problems):
    width, genes = problems("tcgn", empty(tcgn_file(XS, 171)))
    assert "tcgn-xs: stages of 52, 104, 208, 416 channels with 3, 3, 12, 3 blocks" in width
    assert "tcgn: stages of 46, 92, 184, 368 channels with 2, 2, 10, 2 blocks" in width
    assert "convert the file as tcgn-xs" in width
    assert "171 genes" in genes, "all problems at once"


@pytest.mark.parametrize(
    ("network", "shapes", "remedy"),
    [
        ("tcgn", cmt_file(TI, 160), "convert the file as cmt:ti"),
        ("cmt:ti", tcgn_file(TI, 9), "convert the file as tcgn"),
        ("cmt:xs", cmt_file(TI, 224), "convert the file as cmt:ti"),
    ],
)
def test_a_file_of_another_published_network_is_recognised(problems, network, shapes, remedy):
    assert remedy in problems(network, empty(shapes))[0]


def test_sizes_that_nobody_published_are_said_with_the_expected_ones(problems):
    found = problems("cmt:ti", empty(cmt_file(((64, 128, 256, 512), (3, 3, 16, 3), 4.0), 224)))
    assert "stages of 64, 128, 256, 512 channels with 3, 3, 16, 3 blocks" in found[0]
    assert "cmt:ti: stages of 46, 92, 184, 368 channels" in found[0]


def test_every_tensor_that_does_not_fit_stands_in_one_message(problems):
    tensors = empty(cmt_file(TI, 160))
    del tensors["stem_norm2.bias"]
    tensors["teacher.weight"] = torch.zeros(2)
    tensors |= {f"blocks_c.{i}.attn.q.lora": torch.zeros(3) for i in range(10)}
    tensors["_bn.bias"] = torch.zeros(7)
    tensors["_bn.weight"] = torch.full((1280,), torch.nan)
    found = problems("cmt:ti", tensors)
    assert len(found) == 4
    text = "\n".join(found)
    assert "11 tensors without a place: teacher.weight, blocks_c.#.attn.q.* (10)" in text
    assert "1 places without a tensor: stem.layers.1.2.bias" in text
    assert "1 tensors of another shape: _bn.bias 7 for 1280" in text
    assert "values that are not finite, in last_map.1.weight" in text


def test_two_tensors_for_one_place_are_not_chosen_between(problems):
    tensors = empty(cmt_file(TI, 160))
    (problem,) = problems("cmt:ti", tensors | {"module._fc.bias": torch.zeros(1280)})
    assert "2 tensors for the same place: _fc.bias, module._fc.bias" in problem


class Mischief:
    """What a pickle can do to whoever opens it."""

    def __reduce__(self):
        return (pathlib.Path.touch, (pathlib.Path("touched"),))


def test_a_pickle_with_more_than_tensors_is_refused_and_nothing_is_executed(
    problems, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    tensors = empty(cmt_file(TI, 160))
    (problem,) = problems("cmt:ti", {"model": tensors, "args": Mischief()})
    assert "published.pth: weights that cannot be read" in problem
    assert "nothing of it was executed" in problem
    assert not (tmp_path / "touched").exists()


def test_containers_prefixes_and_missing_counters_are_rules_that_are_named(tmp_path):
    tensors = empty(cmt_file(TI, 64))
    old = {f"module.{name}": tensor for name, tensor in tensors.items() if COUNTER not in name}
    both = {"state_dict": {"x": torch.zeros(1)}, "model": old, "epoch": 3}
    torch.save(both, tmp_path / "both.pth")
    conversion = convert_weights("cmt:ti", tmp_path / "both.pth", tmp_path / "out.safetensors")
    assert conversion.checkpoint.container == ("model",)
    assert conversion.checkpoint.unread == ("state_dict", "epoch")
    assert {place.prefix for place in conversion.places} == {"module."}
    assert len(conversion.filled) == sum(COUNTER in name for name in tensors)
    assert load_file(tmp_path / "out.safetensors")["last_map.1.num_batches_tracked"] == 0


def test_another_table_of_names_takes_the_place_of_ours(tmp_path):
    tensors = empty(cmt_file(TI, 64))
    renamed = {name.replace("stem_conv1", "entry"): tensor for name, tensor in tensors.items()}
    torch.save(renamed, tmp_path / "renamed.bin")
    out, table = tmp_path / "out.safetensors", tmp_path / "names.toml"
    with pytest.raises(DataContractError, match=r"2 tensors without a place: entry\.\* \(2\)"):
        convert_weights("cmt:ti", tmp_path / "renamed.bin", out)
    rules = {"^entry": "stem_conv1"} | dict(published_names().names)
    lines = [f"'{pattern}' = '{replacement}'" for pattern, replacement in rules.items()]
    table.write_text("\n".join(["[left_out]", r"'head\..*' = 'classifier'", "[names]", *lines]))
    conversion = convert_weights("cmt:ti", tmp_path / "renamed.bin", out, names=table)
    assert len(conversion.places) == len(tensors)


def test_a_table_that_is_none_says_every_reason():
    with pytest.raises(DataContractError) as caught:
        parse_names("prefix = ['x']\nnames = { '(' = 'a', 'b' = '\\\\1' }", "mine.toml")
    assert "prefixes" in str(caught.value)
    with pytest.raises(DataContractError) as caught:
        parse_names("[names]\n'(' = 'a'\n'b' = '\\1'", "mine.toml")
    first, second = map(str, caught.value.problems)
    assert "mine.toml, '(': no pattern" in first
    assert "names group 1" in second
    with pytest.raises(DataContractError, match="no TOML"):
        parse_names("[names", "mine.toml")


@pytest.mark.parametrize(
    ("network", "out", "message"),
    [
        ("cmt:s", "out.safetensors", "one of cmt:ti, cmt:xs, tcgn, tcgn-xs"),
        ("cmt:ti", "out.pth", "a file ending in .safetensors"),
        ("cmt:ti", "out.safetensors", "lost.pth: weights that cannot be read"),
    ],
)
def test_a_wrong_name_or_path_is_said_before_anything_is_written(tmp_path, network, out, message):
    with pytest.raises(DataContractError, match=message):
        convert_weights(network, tmp_path / "lost.pth", tmp_path / out)
    assert list(tmp_path.iterdir()) == []


def test_names_of_a_layer_and_of_its_like_are_one_group():
    names = ["a.0.w", "a.1.w", "b.w", "a.0.b", "c"]
    assert grouped(names) == "a.#.* (3), b.w, c"
