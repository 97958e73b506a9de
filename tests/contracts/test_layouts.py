"""Every layout of the simulated cohort is read as a section of the same tissue and molecules."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.cohorts.search.cohort_search import search_sections
from histoscribe.simulate.layouts import LAYOUTS
from histoscribe.types import Section

SQUARE_UM = 100.0
POOLED = sorted(set(LAYOUTS) - {"visium"})


@pytest.fixture(scope="module")
def sections(layout_folders: dict[str, Path]) -> dict[str, Section]:
    return {
        layout: read_cohort(folder / "cohort.csv")["P1S1"]
        for layout, folder in layout_folders.items()
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_section_is_read_at_the_scale_of_its_image(sections, layout):
    section = sections[layout]
    assert section.slide.mpp == pytest.approx(0.5)
    assert section.spots.pitch_um == pytest.approx(100.0)
    assert section.patient == "P1"
    assert section.facts["site"] == sections["visium"].facts["site"]
    assert not section.slide.warnings


@pytest.mark.parametrize("layout", POOLED)
def test_a_square_has_the_counts_of_the_visium_spots_in_it(sections, layout):
    visium, pooled = sections["visium"], sections[layout]
    assert pooled.spots.shape == "squares"
    assert pooled.measured.gene_ids == visium.measured.gene_ids
    # on the picture, which both see: an alignment turned round would put other spots into a square
    apart = np.abs(pooled.spots.xy[:, None] - visium.spots.xy[None]) * visium.slide.mpp
    inside = (apart < SQUARE_UM / 2.0).all(axis=-1)
    assert inside.sum(axis=1).max() == 2
    assert inside.any(axis=0).mean() > 0.8, "few squares at the edge are left out"
    expected = inside.astype(int) @ visium.measured.matrix.toarray()
    np.testing.assert_array_equal(pooled.measured.matrix.toarray(), expected)


@pytest.mark.parametrize("pool_um", [16, 55])
@pytest.mark.parametrize("layout", POOLED)
def test_smaller_squares_share_the_molecules(layout_folders, sections, layout, pool_um, tmp_path):
    table = pd.read_csv(layout_folders[layout] / "cohort.csv")
    for name in ("path", "image"):
        table[name] = [str(layout_folders[layout] / path) for path in table[name]]
    manifest = tmp_path / "cohort.csv"
    table.assign(pool_um=pool_um).to_csv(manifest, index=False)
    section, whole = read_cohort(manifest)["P1S1"], sections[layout]
    assert section.spots.pitch_um == pool_um
    assert len(section.spots) > len(whole.spots)
    # squares at the edge of the tissue are left out, more area of the large ones
    assert 0.9 < section.measured.matrix.sum() / whole.measured.matrix.sum() < 1.5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_init_finds_the_section_by_content(layout_folders, layout):
    (source,) = search_sections([layout_folders[layout]]).sources
    assert source.section == "P1S1"
    assert source.kind == LAYOUTS[layout].kind
