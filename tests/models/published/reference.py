"""The published networks from their tensors, in the plainest form: loops over heads, no classes."""

import torch
from torch.nn import functional

from tests.models.published.made import HEADS, REDUCTIONS


def last_map(tensors, tiles, blocks):
    """CMT from normalised tiles to its last map."""
    grid = tiles
    for i in (1, 2, 3):
        grid = functional.gelu(convolve(tensors, f"stem_conv{i}", grid, 2 if i == 1 else 1, 1))
        grid = batch_norm(tensors, f"stem_norm{i}", grid)
    for i, stage in enumerate("abcd"):
        grid = convolve(tensors, f"patch_embed_{stage}.proj", grid, 2)
        side = grid.shape[-1]
        tokens = grid.flatten(2).transpose(1, 2)
        tokens = layer_norm(tensors, f"patch_embed_{stage}.norm", tokens, 1e-5)
        bias = tensors[f"relative_pos_{stage}"]
        for j in range(blocks[i]):
            name = f"blocks_{stage}.{j}"
            tokens = cmt_block(tensors, name, tokens, bias, HEADS[i], REDUCTIONS[i])
        grid = tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
    return functional.silu(batch_norm(tensors, "_bn", convolve(tensors, "_fc", grid)))


def cmt_block(tensors, name, tokens, bias, heads, reduction=1, eps=1e-6):
    grid = as_grid(tokens)
    tokens = as_tokens(grid + convolve(tensors, f"{name}.proj", grid, 1, 1, grid.shape[1]))
    read = layer_norm(tensors, f"{name}.norm1", tokens, eps)
    coarse = read
    if reduction > 1:
        grid = as_grid(read)
        grid = convolve(tensors, f"{name}.attn.sr.0", grid, reduction, 0, grid.shape[1])
        coarse = as_tokens(batch_norm(tensors, f"{name}.attn.sr.1", grid))
    q = linear(tensors, f"{name}.attn.q", read)
    k, v = (linear(tensors, f"{name}.attn.{kind}", coarse) for kind in "kv")
    width = q.shape[2] // heads
    mixed = []
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        logits = q[..., part] @ k[..., part].transpose(1, 2) / width**0.5 + bias[h]
        mixed.append(logits.softmax(dim=2) @ v[..., part])
    tokens = tokens + linear(tensors, f"{name}.attn.proj", torch.cat(mixed, dim=2))
    grid = as_grid(layer_norm(tensors, f"{name}.norm2", tokens, eps))
    grid = functional.gelu(convolve(tensors, f"{name}.mlp.conv1.0", grid))
    grid = batch_norm(tensors, f"{name}.mlp.conv1.2", grid)
    grid = grid + convolve(tensors, f"{name}.mlp.proj", grid, 1, 1, grid.shape[1])
    grid = batch_norm(tensors, f"{name}.mlp.proj_bn", functional.gelu(grid))
    grid = convolve(tensors, f"{name}.mlp.conv2.0", grid)
    return tokens + as_tokens(batch_norm(tensors, f"{name}.mlp.conv2.1", grid))


def transformer(tensors, name, tokens, heads, diagonal=0.0):
    """Block whose first layer gives q, k and v in turns: output (h d_head + j) 3 + kind."""
    width = tokens.shape[2]
    of_head = width // heads
    read = layer_norm(tensors, f"{name}.layernorm1", tokens, 1e-5)
    outputs = linear(tensors, f"{name}.Attention.qkv", read)
    mixed = torch.empty_like(tokens)
    for h in range(heads):
        q, k, v = (
            torch.stack([outputs[..., (h * of_head + j) * 3 + kind] for j in range(of_head)], dim=2)
            for kind in range(3)
        )
        logits = q @ k.transpose(1, 2) + diagonal * torch.eye(tokens.shape[1]).to(q)
        weight = (logits / width**0.5).softmax(dim=2)
        mixed[..., h * of_head : (h + 1) * of_head] = weight @ v
    tokens = tokens + mixed
    read = layer_norm(tensors, f"{name}.layernorm2", tokens, 1e-5)
    wide = functional.gelu(linear(tensors, f"{name}.FFN.0", read))
    return tokens + linear(tensors, f"{name}.FFN.3", wide)


def convnext(tensors, name, grid, depth):
    grid = convolve(tensors, f"{name}.0.1", group_norm(tensors, f"{name}.0.0", grid), 2)
    for j in range(1, depth + 1):
        block = f"{name}.{j}.block"
        wide = functional.conv2d(
            grid, tensors[f"{block}.0.weight"], padding=3, groups=grid.shape[1]
        )
        wide = convolve(tensors, f"{block}.2", group_norm(tensors, f"{block}.1", wide))
        wide = convolve(tensors, f"{block}.4", functional.gelu(wide))
        grid = grid + tensors[f"{name}.{j}.layer_scaler.gamma"][:, None, None] * wide
    return grid


def cross_attention(tensors, name, tokens, maps, heads=2):
    """Attention of each head, and the values."""
    q, k, value = (
        linear(tensors, f"{name}.{kind}", of)
        for kind, of in (("q", tokens), ("k", maps), ("value_transform", maps))
    )
    width, of_head = tokens.shape[2], tokens.shape[2] // heads
    parts = [slice(h * of_head, (h + 1) * of_head) for h in range(heads)]
    one = torch.eye(tokens.shape[1]).to(q)
    weights = [
        (q[..., part] @ k[..., part].transpose(1, 2) / width**0.5 + one).softmax(dim=2)
        for part in parts
    ]
    return torch.stack(weights, dim=1), value


def linear(tensors, name, x):
    return functional.linear(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))


def convolve(tensors, name, grid, stride=1, padding=0, groups=1):
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    return functional.conv2d(grid, weight, bias, stride, padding, groups=groups)


def batch_norm(tensors, name, grid):
    mean, variance, weight, bias = (
        tensors[f"{name}.{part}"][:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (grid - mean) / (variance + 1e-5).sqrt() * weight + bias


def layer_norm(tensors, name, x, eps):
    return functional.layer_norm(
        x, x.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"], eps
    )


def group_norm(tensors, name, grid):
    return functional.group_norm(grid, 1, tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def as_grid(tokens):
    side = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)


def as_tokens(grid):
    return grid.flatten(2).transpose(1, 2)
