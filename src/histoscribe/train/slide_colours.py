"""Tissue colour of each section, and of the training slides of a fold."""

from dataclasses import dataclass, field

from histoscribe.data.stain import TissueColour, reference_colour, tissue_colour
from histoscribe.data.tiles import SlideLook
from histoscribe.data.tissue import tissue_mask
from histoscribe.types import Cohort, Fold


@dataclass(eq=False)
class SlideColours:
    """Tissue and colour of the slides of a run, each measured once."""

    cohort: Cohort
    _looks: dict[str, SlideLook] = field(default_factory=dict)
    _colours: dict[str, TissueColour] = field(default_factory=dict)

    def slide_look(self, section: str) -> SlideLook:
        """Tissue of a section's slide, and its colour.

        Raises
        ------
        DataContractError
            if the slide shows no tissue or is grey.
        """
        if section not in self._looks:
            slide = self.cohort[section].slide
            mask = tissue_mask(slide)
            self._colours[section] = tissue_colour(slide, mask)
            self._looks[section] = SlideLook(mask, self._colours[section])
        return self._looks[section]

    def reference(self, fold: Fold) -> TissueColour:
        """Average colour of the slides of a fold's training sections only.

        The inner splits of a fold share it: six numbers from images, without labels. Separate
        references for inner splits would need separate features for each. So a setting is chosen on
        inner patients whose colour is in the average; the fold's test patients are never in it.
        """
        for section in fold.train:
            self.slide_look(section)
        patients = self.cohort.patients
        return reference_colour(
            [(str(patients[section]), self._colours[section]) for section in sorted(fold.train)]
        )
