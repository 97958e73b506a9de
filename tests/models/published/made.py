"""Made files with the names and shapes of the published ones."""

import math

import torch

TI = ((46, 92, 184, 368), (2, 2, 10, 2), 3.6)
XS = ((52, 104, 208, 416), (3, 3, 12, 3), 3.77)
"""Channels and blocks of the stages, and expansion."""
HEADS, REDUCTIONS = (1, 2, 4, 8), (8, 4, 2, 1)
NORM, BATCH_NORM = ("weight", "bias"), ("weight", "bias", "running_mean", "running_var")


def cmt_file(size=TI, side_px=160, n_classes=1000):
    """Shapes of an ImageNet file of CMT."""
    return backbone(*size, side_px) | linear("head", 1280, n_classes)


def tcgn_file(size=TI, n_genes=785):
    """Shapes of a checkpoint of TCGN, for tiles of 224 px."""
    a, b, c, _ = size[0]
    shapes = backbone(*size, 224)
    shapes |= graph_block("gnn_block0", a, b, 4) | graph_block("gnn_block1", b, c, 2)
    for i in (0, 1):
        shapes |= transformer(f"channel_attention{i}.transformer", 196)
    return shapes | linear("head.0", 1280, 5120) | linear("head.2", 5120, n_genes)


def backbone(widths, blocks, expansion, side_px):
    shapes, before, side = {}, 16, side_px // 2
    for i in (1, 2, 3):
        shapes |= convolution(f"stem_conv{i}", 3 if i == 1 else 16, 16, 3)
        shapes |= batch_norm(f"stem_norm{i}", 16)
    for i, stage in enumerate("abcd"):
        side //= 2
        width, keys = widths[i], (side // REDUCTIONS[i]) ** 2
        shapes |= convolution(f"patch_embed_{stage}.proj", before, width, 2)
        shapes |= norm(f"patch_embed_{stage}.norm", width)
        shapes[f"relative_pos_{stage}"] = (HEADS[i], side**2, keys)
        for j in range(blocks[i]):
            shapes |= cmt_block(f"blocks_{stage}.{j}", width, expansion, REDUCTIONS[i])
        before = width
    return shapes | convolution("_fc", before, 1280, 1) | batch_norm("_bn", 1280)


def cmt_block(name, width, expansion, reduction=1, qkv_bias=True):
    hidden = int(width * expansion)
    shapes = norm(f"{name}.norm1", width) | norm(f"{name}.norm2", width)
    for kind in "qkv":
        shapes |= linear(f"{name}.attn.{kind}", width, width, bias=qkv_bias)
    shapes |= linear(f"{name}.attn.proj", width, width)
    if reduction > 1:
        shapes |= convolution(f"{name}.attn.sr.0", 1, width, reduction)
        shapes |= batch_norm(f"{name}.attn.sr.1", width)
    shapes |= convolution(f"{name}.mlp.conv1.0", width, hidden, 1)
    shapes |= batch_norm(f"{name}.mlp.conv1.2", hidden)
    shapes |= convolution(f"{name}.mlp.proj", 1, hidden, 3) | batch_norm(
        f"{name}.mlp.proj_bn", hidden
    )
    shapes |= convolution(f"{name}.mlp.conv2.0", hidden, width, 1)
    return (
        shapes | batch_norm(f"{name}.mlp.conv2.1", width) | convolution(f"{name}.proj", 1, width, 3)
    )


def graph_block(name, channels, width, patch):
    shapes = {f"{name}.relative_pos": (2, 196, 196)}
    shapes |= convolution(f"{name}.patch_embedding.proj", channels, width, patch)
    shapes |= norm(f"{name}.patch_embedding.norm", width)
    shapes |= cmt_block(f"{name}.CMT_encoder1", width, 4.0, qkv_bias=False)
    if patch == 4:
        shapes |= convnext(f"{name}.convnext1", channels, channels, 2)
        shapes |= convnext(f"{name}.convnext2", channels, width, 1)
    else:
        shapes |= convnext(f"{name}.convnext1", channels, width, 2)
    for kind in ("k", "q", "value_transform"):
        shapes |= linear(f"{name}.MHSA.{kind}", width, width)
    for i, (n_in, n_out, p) in enumerate([(width, width, 6), (6, 12, width), (width, 48, 12)], 1):
        layer = f"{name}.censnet.gc{i}"
        shapes |= {f"{layer}.weight": (n_in, n_out), f"{layer}.p": (1, p)}
        shapes[f"{layer}.bias"] = (n_out,)
    fusion = f"{name}.transformer_fusion_encoder"
    shapes |= transformer(f"{fusion}.edge_transformer", 12)
    shapes |= cmt_block(f"{fusion}.node_transformer", 48, 4.0, qkv_bias=False)
    shapes |= transformer(f"{fusion}.channel_attention_196", 196)
    return shapes | linear(f"{fusion}.linear_fusion", 60, 48)


def convnext(name, channels, width, depth):
    shapes = norm(f"{name}.0.0", channels) | convolution(f"{name}.0.1", channels, width, 2)
    for j in range(1, depth + 1):
        shapes[f"{name}.{j}.block.0.weight"] = (width, 1, 7, 7)
        shapes |= norm(f"{name}.{j}.block.1", width)
        shapes |= convolution(f"{name}.{j}.block.2", width, 4 * width, 1)
        shapes |= convolution(f"{name}.{j}.block.4", 4 * width, width, 1)
        shapes[f"{name}.{j}.layer_scaler.gamma"] = (width,)
    return shapes


def transformer(name, width):
    shapes = norm(f"{name}.layernorm1", width) | norm(f"{name}.layernorm2", width)
    shapes |= linear(f"{name}.Attention.qkv", width, 3 * width)
    return (
        shapes
        | linear(f"{name}.FFN.0", width, 4 * width)
        | linear(f"{name}.FFN.3", 4 * width, width)
    )


def linear(name, n_in, n_out, *, bias=True):
    return {f"{name}.weight": (n_out, n_in)} | ({f"{name}.bias": (n_out,)} if bias else {})


def convolution(name, n_in, n_out, side):
    return {f"{name}.weight": (n_out, n_in, side, side), f"{name}.bias": (n_out,)}


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def batch_norm(name, width):
    moments = {f"{name}.{part}": (width,) for part in ("running_mean", "running_var")}
    return norm(name, width) | moments | {f"{name}.num_batches_tracked": ()}


def n_parameters(shapes):
    """Numbers that training changes."""
    not_trained = ("running_mean", "running_var", "num_batches_tracked")
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(not_trained))


def drawn(shapes, seed=3):
    """Random tensors of these shapes, cut from two short rows, so that a file of them is small."""
    draw = torch.Generator().manual_seed(seed)
    normal = 0.1 * torch.randn(3_000_000, generator=draw)
    positive = 1 + normal[:10_000].abs()
    return {name: _cut(name, shape, normal, positive, draw) for name, shape in shapes.items()}


def _cut(name, shape, normal, positive, draw):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    scales = name.endswith("running_var") or (len(shape) == 1 and name.endswith(".weight"))
    row, n = positive if scales else normal, math.prod(shape)
    copies = -(-n // len(row))  # 785 genes have a matrix longer than the row
    row = row.expand(copies, -1).flatten() if copies > 1 else row
    start = int(torch.randint(len(row) - n + 1, (), generator=draw))
    return row[start : start + n].view(shape)
