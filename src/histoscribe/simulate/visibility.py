"""Which input of a model can see which family of simulated genes.

Rows are inputs by their name in `Inputs`, and two simple readings of them. `yes`: the signal is
there across patients. `-`: nothing but chance, or less than the tests allow it (mean colour
reads `density` through the compartments, below 0.3).

| input              | compartment | density | arrangement | position | lookup | pathway | null | patient_flip |
|--------------------|-------------|---------|-------------|----------|--------|---------|------|--------------|
| mean_colour        | yes         | -       | -           | -        | -      | yes     | -    | -            |
| depth              | -           | -       | -           | -        | -      | -       | -    | -            |
| feature            | yes         | yes     | yes         | -        | yes    | yes     | -    | -            |
| image              | yes         | yes     | yes         | -        | yes    | yes     | -    | -            |
| exemplar_feature   | yes         | yes     | yes         | -        | yes    | yes     | -    | -            |
| context_feature    | yes         | yes     | yes         | -        | yes    | yes     | -    | -            |
| context_um         | -           | -       | -           | yes      | -      | -       | -    | -            |

`feature` is that of `colour_texture` or better; `depth` is the total that an image predicts, with
depth independent of the tissue (with `depth="density"` it follows the nuclei, and so the image).
`lookup` gives every motif a value of its own: a linear model finds a little of it, the memory of
single motifs more. `patient_flip` is seen by whatever recognises the patient, but only where
the same patient is in the training set.
"""  # noqa: E501 - a table row is a line

from collections.abc import Mapping

_MORPHOLOGY = frozenset({"compartment", "density", "arrangement", "lookup", "pathway"})

VISIBLE: Mapping[str, frozenset[str]] = {
    "mean_colour": frozenset({"compartment", "pathway"}),
    "depth": frozenset(),
    "feature": _MORPHOLOGY,
    "image": _MORPHOLOGY,
    "exemplar_feature": _MORPHOLOGY,
    "context_feature": _MORPHOLOGY,
    "context_um": frozenset({"position"}),
}
"""The families that each input can see; the table above, for tests to read."""
