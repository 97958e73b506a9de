import numpy as np
import pandas as pd
from PIL import Image

from histoscribe.benchmark.checks_of_data import off_tissue
from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.results import Results
from tests.benchmark.runs import tiny_cohort, tiny_settings


def test_spots_beside_the_tissue_are_told_and_spots_on_it_are_not(tmp_path):
    manifest = tiny_cohort(tmp_path / "cohort")
    image = manifest.parent / "P2S1.jpg"
    pixels = np.asarray(Image.open(image))
    Image.fromarray(np.roll(pixels, pixels.shape[1] // 2, axis=1)).save(image)
    plan = make_plan(
        tiny_settings(manifest), tmp_path / "run", weights={}, cache=tmp_path / "cache"
    )
    results = Results(plan, [], pd.DataFrame(), {}, pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    checks = {check.code: check.message for check in off_tissue(results)}
    assert "P2S1 (" in checks["spots-off-tissue"]
    assert all("P1S1" not in message for message in checks.values())
