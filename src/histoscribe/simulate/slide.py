"""A simulated slide that was never sequenced."""

from pathlib import Path

from histoscribe.simulate.patients import draw_patient
from histoscribe.simulate.section import draw_section
from histoscribe.simulate.tenx_files import write_tiff


def simulate_slide(
    path: str | Path, patient: str, *, spots_per_section: int = 120, seed: int = 0
) -> Path:
    """Write the slide of one more patient as a tiled TIFF that states its um/px.

    Patients of one seed have the same sites and kinds of tissue, so a cohort of `simulate` can
    teach what is on the slide. It has `P1` to `Pn` for `n_patients=n`: name another one.

    Examples
    --------
    >>> from histoscribe.simulate import simulate_slide
    >>> simulate_slide("biopsy.svs", "P7")  # doctest: +SKIP
    """
    path = Path(path)
    drawn = draw_section(f"{patient}S1", draw_patient(patient, seed), spots_per_section, seed)
    write_tiff(path, drawn.image)
    return path
