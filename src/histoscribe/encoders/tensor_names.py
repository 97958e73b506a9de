"""Tensor names of published files, translated to timm's.

transformers and DINOv2 name the parts of the same vision transformer differently from timm, and
transformers 5 differently from transformers 4, so whether their net loads a file depends on the
version. Names without a rule stay unchanged: exact loading then reports them.
"""

import math
import re
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

_RULES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^(vit|dinov2)\.(?=embeddings\.|encoder\.|layernorm\.)", ""),
        (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^embeddings\.position_embeddings$", "pos_embed"),
        (r"^embeddings\.cls_token$", "cls_token"),
        (r"^(embeddings\.)?register_tokens$", "reg_token"),
        (r"^layernorm\.", "norm."),
        (r"^encoder\.layer\.(\d+)\.", r"blocks.\1."),
        (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),  # DINOv2 may split its blocks into chunks
        (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.layernorm_before\.", ".norm1."),
        (r"\.layernorm_after\.", ".norm2."),
        (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
        (r"\.(intermediate\.dense|mlp\.weights_in|mlp\.w12)\.", ".mlp.fc1."),
        (r"^(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
        (r"\.mlp\.(weights_out|w3)\.", ".mlp.fc2."),
    )
)
_UNUSED = re.compile(
    r"mask_token$|relative_position_index$|attn_mask$|^head\."
)  # used in training only, computed when the net is built, or part of a classifier
_PART = re.compile(r"^(blocks\.\d+\.attn\.)(query|key|value)(\.(?:weight|bias))$")
_DOWN = re.compile(r"^layers\.(\d+)\.downsample\.")


def in_timm_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a published file; queries, keys and values become one matrix."""
    kept = {name: tensor for name, tensor in tensors.items() if not _UNUSED.search(name)}
    named = {_renamed(name): tensor for name, tensor in kept.items()}
    if "layers.0.downsample.reduction.weight" in named:  # old timm merged patches after a stage
        named = {_DOWN.sub(_a_stage_later, name): tensor for name, tensor in named.items()}
    return _joined(named)


def with_positions_of(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], file_px: int | None
) -> dict[str, Tensor]:
    """Adapt the position table to the net: fold in the class position, resize the grid.

    Parameters
    ----------
    expected
        Tensors of the net. If its positions are for patches only, the position of the class token
        is added to the token once, instead of at every tile.
    file_px
        Tile side of the file's table, if the net uses another: the grid is resized bicubically, as
        DINOv2 does for every tile.
    """
    found = dict(tensors)
    if not {"pos_embed", "cls_token"} <= found.keys() & expected.keys():
        return found
    table, n_wanted = found["pos_embed"], expected["pos_embed"].shape[1]
    if "reg_token" in found and table.shape[1] == n_wanted + 1:
        found["cls_token"] = found["cls_token"] + table[:, :1]
        found["pos_embed"] = table[:, 1:]
    elif file_px is not None and table.shape[1] != n_wanted:
        found["pos_embed"] = torch.cat([table[:, :1], _resized(table[:, 1:], n_wanted - 1)], dim=1)
    return found


def _renamed(name: str) -> str:
    for pattern, replacement in _RULES:
        name = pattern.sub(replacement, name)
    return name


def _a_stage_later(match: re.Match[str]) -> str:
    return f"layers.{int(match[1]) + 1}.downsample."


def _joined(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stack the query, key and value of each block, in this order."""
    joined: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        part = _PART.match(name)
        if part is None:
            joined[name] = tensor
            continue
        parts = [f"{part[1]}{kind}{part[3]}" for kind in ("query", "key", "value")]
        if not all(other in tensors for other in parts):
            joined[name] = tensor  # incomplete: exact loading will report what is missing
        elif part[2] == "query":
            joined[f"{part[1]}qkv{part[3]}"] = torch.cat([tensors[other] for other in parts])
    return joined


def _resized(table: Float[Tensor, "1 N D"], n_wanted: int) -> Float[Tensor, "1 M D"]:
    """Resize the table of a square grid; another table is unchanged, and will not fit."""
    side, wanted = math.isqrt(table.shape[1]), math.isqrt(n_wanted)
    if side**2 != table.shape[1] or wanted**2 != n_wanted:
        return table
    grid = table.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = functional.interpolate(grid, (wanted, wanted), mode="bicubic", align_corners=False)
    return grid.permute(0, 2, 3, 1).flatten(1, 2)
