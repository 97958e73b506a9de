"""TransMIL places tiles on their true grid, one per slide, and never makes a square."""

import numpy as np
import pytest
import torch

from histoscribe.errors import DataContractError
from histoscribe.models.base import create_model
from histoscribe.models.layers.grid_convolutions import GridConvolutions


def made(**settings):
    torch.manual_seed(0)
    return create_model("transmil", n_genes=3, feature_width=4, preset="tiny", **settings).eval()


def bag(rows=5, columns=6, seed=0):
    """Tiles of one slide on a grid."""
    draws = torch.Generator().manual_seed(seed)
    row, column = np.divmod(np.arange(rows * columns), columns)
    um = torch.from_numpy(100.0 * np.stack([column, row], axis=1)).float()
    return {
        "context_feature": torch.randn(1, len(row), 4, generator=draws),
        "context_um": um[None],
        "context_slide": torch.zeros(1, len(row), dtype=torch.int64),
        "present": torch.ones(1, len(row), dtype=torch.bool),
    }


def predicted(model, inputs):
    with torch.no_grad():
        return model(**inputs).expression


def test_places_matter_and_their_scale_does_not():
    model, inputs = made(), bag()
    moved = {**inputs, "context_um": inputs["context_um"].flip(1).roll(7, 1)}
    wider = {**inputs, "context_um": 2.5 * inputs["context_um"]}
    assert (predicted(model, inputs) - predicted(model, moved)).abs().max() > 1e-3
    torch.testing.assert_close(predicted(model, inputs), predicted(model, wider))


def test_a_gap_in_the_tissue_keeps_the_places_of_the_others():
    """Released: 25 of 30 tiles would be laid as a square of 5 x 5, over the gap."""
    convolutions = GridConvolutions(2).eval()
    cell = torch.tensor([[[0, 0], [0, 1], [0, 6]]])
    tokens = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(0))
    slide = torch.zeros(1, 3, dtype=torch.int64)
    changed = tokens.clone()
    changed[:, 2] += 1.0
    one, other = convolutions(tokens, slide, cell), convolutions(changed, slide, cell)
    assert torch.equal(one[:, 0], other[:, 0]), "six cells away: outside of every kernel"
    assert torch.equal(one[:, 1], other[:, 1])


def test_slides_of_a_bag_have_each_their_own_grid():
    model, one, two = made(), bag(seed=1), bag(3, 3, seed=2)
    inputs = {name: torch.cat([one[name], two[name]], dim=1) for name in one}
    inputs["context_slide"][:, 30:] = 1
    shifted = {**inputs, "context_um": inputs["context_um"].clone()}
    shifted["context_um"][:, 30:] += torch.tensor([333.0, -50.0])
    torch.testing.assert_close(predicted(model, inputs), predicted(model, shifted))
    as_one_slide = {**inputs, "context_slide": torch.zeros_like(inputs["context_slide"])}
    with pytest.raises(DataContractError, match="two tiles in one cell"):
        predicted(model, as_one_slide)


@pytest.mark.parametrize("n_tiles", [1, 2, 7])
def test_fewer_tiles_than_landmarks_are_served(n_tiles):
    inputs = {name: value[:, :n_tiles] for name, value in bag().items()}
    assert predicted(made(), inputs).isfinite().all()


def test_attention_of_the_class_token_has_a_column_a_layer_and_head_and_no_square(monkeypatch):
    model, inputs = made(), bag(20, 20)
    with torch.no_grad():
        attention = model.evidence(**inputs)["class_attention"]
    assert attention.shape == (1, 400, 4)
    total = attention.sum(dim=1)
    assert ((total > 0.5) & (total < 1.1)).all(), "the rest is for the class token itself"
    largest = 0

    def widest(*matrices, **names):
        nonlocal largest
        product = original(*matrices, **names)
        largest = max(largest, product.shape[-1] * product.shape[-2])
        return product

    original = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", widest)
    with torch.no_grad():
        model.evidence(**inputs)
    assert 0 < largest <= 401 * 8, "tiles x landmarks"


def test_a_bag_of_many_slides_on_different_grids_learns():
    """Gradients pass gathering and scattering of tiles to their cells."""
    model, inputs = made().train(), bag()
    model(**inputs).expression.sum().backward()
    assert model.embed.weight.grad.abs().sum() > 0
    assert all(kernel.weight.grad.abs().sum() > 0 for kernel in model.places.kernels)
