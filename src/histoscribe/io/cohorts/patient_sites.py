"""Sites of patients: a column of the manifest, or a part of a TCGA barcode."""

from collections.abc import Iterable, Iterator, Mapping

from histoscribe.errors import Problem

SITE = "site"
"""Column with the hospital or centre of a patient."""

Slides = Iterable[tuple[str, Mapping[str, str]]]
"""Patient and facts of each slide or section."""


def sites_of(slides: Slides) -> dict[str, str]:
    """Site of each patient that has one: the fact `site` of any slide, else the TCGA barcode's."""
    sites: dict[str, str] = {}
    for patient, facts in slides:
        site = facts.get(SITE) or sites.get(patient) or barcode_site(patient)
        if site is not None:
            sites[patient] = site
    return sites


def barcode_site(patient: str) -> str | None:
    """Tissue source site in a TCGA barcode; None for any other name.

    >>> barcode_site("TCGA-AA-3516"), barcode_site("patient-AA-3516")
    ('AA', None)
    """
    parts = patient.split("-")
    return parts[1] if len(parts) >= 3 and parts[0] == "TCGA" else None


def patients_on_two_sites(slides: Slides, file: str = "") -> Iterator[Problem]:
    """Problem of each patient whose slides have different facts `site`, with the file it is in."""
    sites: dict[str, set[str]] = {}
    for patient, facts in slides:
        if SITE in facts:
            sites.setdefault(patient, set()).add(facts[SITE])
    for patient, of_patient in sorted(sites.items()):
        if len(of_patient) > 1:
            yield Problem(
                where=f"{file}, patient {patient}" if file else f"patient {patient}",
                found=f"{len(of_patient)} sites: {', '.join(sorted(of_patient))}",
                expected="one site a patient: folds keep a site together",
                remedy=f"correct the column `{SITE}`, or the patient",
            )
