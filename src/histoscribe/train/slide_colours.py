"""The colour of each section's tissue, and of the training slides of a fold."""

from dataclasses import dataclass, field

from histoscribe.data.stain import TissueColour, reference_colour, tissue_colour
from histoscribe.data.tiles import SlideLook
from histoscribe.data.tissue import tissue_mask
from histoscribe.types import Cohort, Fold


@dataclass(eq=False)
class SlideColours:
    """Looks at the slides of a run, each taken once."""

    cohort: Cohort
    _looks: dict[str, SlideLook] = field(default_factory=dict)
    _colours: dict[str, TissueColour] = field(default_factory=dict)

    def look(self, section: str) -> SlideLook:
        """Tissue of a section's slide, and its colour.

        Raises
        ------
        DataContractError
            The slide shows no tissue or is grey.
        """
        if section not in self._looks:
            slide = self.cohort[section].slide
            mask = tissue_mask(slide)
            self._colours[section] = tissue_colour(slide, mask)
            self._looks[section] = SlideLook(mask, self._colours[section])
        return self._looks[section]

    def reference(self, fold: Fold) -> TissueColour:
        """Average colour of the slides of a fold's training sections, of no other slide.

        The inner splits of a fold share it. It is six numbers of the images and of no label; one
        for each inner split would have all features made anew for each. So a setting is chosen
        on inner patients whose colour is in the average; the fold's test patients never are.
        """
        for section in fold.train:
            self.look(section)
        patients = self.cohort.patients
        return reference_colour(
            [(str(patients[section]), self._colours[section]) for section in sorted(fold.train)]
        )
