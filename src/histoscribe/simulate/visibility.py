"""Which input of a model can see which family of simulated genes.

Rows are inputs by their name in `Inputs`, and two simple summaries of them. `yes`: the signal is
there across patients. `-`: nothing but chance, or less than the tests allow (mean colour reads
`density` through the compartments, below 0.3).

| input              | compartment | density | arrangement | position | lookup | pathway | null | patient_flip |
|--------------------|-------------|---------|-------------|----------|--------|---------|------|--------------|
| mean_colour        | yes         | -       | -           | -        | -      | yes     | -    | -            |
| depth              | -           | -       | -           | -        | -      | -       | -    | -            |
| feature            | yes         | yes     | yes         | -        | yes    | yes     | -    | -            |
| image              | yes         | yes     | yes         | -        | yes    | yes     | -    | -            |
| exemplar_feature   | yes         | yes     | yes         | -        | yes    | yes     | -    | -            |
| context_feature    | yes         | yes     | yes         | -        | yes    | yes     | -    | -            |
| context_um         | -           | -       | -           | yes      | -      | -       | -    | -            |

`feature` is `colour_texture` or a better encoder. `depth` is the total that an image predicts, with
depth independent of the tissue (with `depth="density"` it follows the nuclei, and so the image).
`lookup` gives every motif its separate value: a linear model learns a little of it, a memory of
single motifs learns more. `patient_flip` is seen by models that recognise the patient, but only
where the same patient is in the training set.
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
"""Families that each input can see; the table above in a form that tests read."""
