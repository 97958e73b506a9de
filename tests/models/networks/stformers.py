"""Small SpatialTranscriptFormers, sections for them, and the slow encoder they are held to."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from histoscribe.models.base import Facts, create_model
from histoscribe.types import Pathways

SIZES = (9, 5, 1)
N_FEATURES, N_GENES, N_PATHWAYS = 12, 6, 5
SMALL = {"width": 32, "layers": 2, "heads": 4, "dropout": 0.0, "n_pathways": N_PATHWAYS}


def facts(**others):
    return Facts(
        feature_mean=np.linspace(-1, 1, N_FEATURES),
        feature_scale=np.linspace(0.5, 2, N_FEATURES),
        target_mean=np.linspace(0, 4, N_GENES),
        **others,
    )


def pathways():
    """Three sets of the six genes; the last gene is in none."""
    members = np.zeros((3, N_GENES), dtype=bool)
    members[0, :2], members[1, 1:4], members[2, 4] = True, True, True
    return Pathways(("FIRST", "SECOND", "THIRD"), members)


def model(name="stformer", *, seed=0, of=None, **settings):
    """A small model in training mode; without dropout, so that it is the one of evaluation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = create_model(name, facts=facts() if of is None else of, **{**SMALL, **settings})
        with torch.no_grad():  # vectors of one, biases of zero would hide that they are used
            for parameter in made.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return made


def sections(sizes=SIZES, seed=0):
    """Features, places and presence of sections, padded with random numbers."""
    draws = torch.Generator().manual_seed(seed)
    n, longest = len(sizes), max(sizes)
    return {
        "context_feature": torch.randn(n, longest, N_FEATURES, generator=draws),
        "context_um": 500 * torch.randn(n, longest, 2, generator=draws),
        "present": torch.arange(longest)[None] < torch.tensor(sizes)[:, None],
    }


def slow_tokens(model, inputs):
    """Tokens of each section behind PyTorch's encoder with a boolean mask over all pairs.

    Sections are padded to one length, and the padding is masked by key.
    """
    present = inputs["present"]
    standard = (inputs["context_feature"] - model.feature_mean) / model.feature_scale
    spots = model.embed(standard) + torch.stack([model.position(um) for um in inputs["context_um"]])
    tokens = torch.cat([model.pathways.expand(len(present), -1, -1), spots], dim=1)
    n = model.pathways.shape[0]
    padding = torch.cat([torch.zeros(len(present), n, dtype=torch.bool), ~present], dim=1)
    blocked = square_mask(model.config.interactions, n, present.shape[1])
    for layer in model.transformer.layers:
        tokens = functional_layer(layer, tokens, blocked, padding)
    tokens = model.transformer.norm(tokens)
    return tokens[:, :n], tokens[:, n:]


def square_mask(flows, n_pathways, n_spots):
    """True where a token must not read another; every token reads itself."""
    blocked = torch.ones(n_pathways + n_spots, n_pathways + n_spots, dtype=torch.bool)
    p, h = slice(None, n_pathways), slice(n_pathways, None)
    for flow in flows:
        reader, read = ({"p": p, "h": h}[letter] for letter in flow[::2])
        blocked[reader, read] = False
    return blocked.fill_diagonal_(fill_value=False)


def functional_layer(layer, tokens, blocked, padding):
    """PyTorch's own pre-norm layer, with the weights of ours."""
    width, heads = layer.attention.out.out_features, layer.attention._n_heads
    made = nn.TransformerEncoderLayer(
        width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True
    ).train()
    ours = {
        "self_attn.in_proj": layer.attention.qkv,
        "self_attn.out_proj": layer.attention.out,
        "linear1": layer.feed_forward[1],
        "linear2": layer.feed_forward[4],
        "norm1": layer.norm,
        "norm2": layer.feed_forward[0],
    }
    weights = {}
    for name, part in ours.items():
        joint = "_" if name.endswith("in_proj") else "."
        weights |= {f"{name}{joint}weight": part.weight, f"{name}{joint}bias": part.bias}
    return torch.func.functional_call(
        made, weights, (tokens,), {"src_mask": blocked, "src_key_padding_mask": padding}
    )


def slow_scores(model, inputs):
    """Scores of pathways from the slow encoder."""
    pathways, spots = (functional.normalize(part, dim=2) for part in slow_tokens(model, inputs))
    return spots @ pathways.transpose(1, 2) * model.tau
