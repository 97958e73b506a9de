"""The eight symmetries of windows."""

import numpy as np
import torch

from histoscribe.encoders.egn_extractor.symmetry import N_SYMMETRIES, turned


def test_each_symmetry_is_another_arrangement_of_the_same_pixels():
    window = torch.arange(27, dtype=torch.uint8).reshape(1, 3, 3, 3)
    made = turned(window.expand(N_SYMMETRIES, 3, 3, 3), np.arange(N_SYMMETRIES))
    assert len({tuple(of.flatten().tolist()) for of in made}) == N_SYMMETRIES
    assert torch.equal(made[0], window[0])
    for of in made:  # colours stay together, corners stay corners, the centre stays
        assert torch.equal(of - of[:1], window[0] - window[0, :1])
        assert of[0, 1, 1] == window[0, 0, 1, 1]
        assert {0, 2, 6, 8} == set(of[0, ::2, ::2].flatten().tolist())


def test_every_window_has_its_own_symmetry():
    windows = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8)
    kinds = np.array([3, 0, 7, 3, 1])
    together = turned(windows, kinds)
    for row, kind in enumerate(kinds):
        assert torch.equal(together[row], turned(windows[row : row + 1], np.array([kind]))[0])
