"""Real slides: one laboratory's ordinary variation is quiet, another laboratory's slide is not."""

from dataclasses import replace

import numpy as np
import pytest

from histoscribe.data.stain_density import slide_stain
from histoscribe.data.tissue import tissue_mask
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.predict.warnings import unlike_training
from tests.predictor.references import reference_of

PATIENTS = {"A1": "A", "A2": "A", "B4": "B", "C2": "C", "C6": "C"}


@pytest.mark.data
@pytest.mark.slow
def test_the_stain_of_a_left_out_patient_is_quiet_and_that_of_another_laboratory_is_not(real_data):
    cohort = read_cohort("catalog:her2st", sections=tuple(PATIENTS))
    slides = {name: cohort[name].slide for name in PATIENTS}
    stain = {name: slide_stain(slide) for name, slide in slides.items()}
    reference = replace(reference_of(np.eye(3)), mpp=(0.5, 3.2))
    for left_out in "ABC":
        trained = {name: of for name, of in stain.items() if PATIENTS[name] != left_out}
        for name in PATIENTS.keys() - trained.keys():
            known = replace(reference, stain=trained)
            assert unlike_training(slides[name], tissue_mask(slides[name]), known, None) == ()
    other = open_whole_slide(real_data / "slides" / "CMU-1-Small-Region.svs", None)
    (sentence,) = unlike_training(other, tissue_mask(other), replace(reference, stain=stain), None)
    assert "more eosin" in sentence
