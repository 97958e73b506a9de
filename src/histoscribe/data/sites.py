"""Site of each section, for folds that keep a hospital's patients on one side.

Slides of one site share stain and scanner, and sites differ in their patients, so a model can score
across sites by recognising the site (Howard et al. 2021, doi 10.1038/s41467-021-24698-1).
"""

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.bulk_slides import SITE, barcode_site
from histoscribe.types import Cohort


def section_sites(cohort: Cohort) -> dict[str, str]:
    """Site of each section: the fact `site`, else the one in the TCGA barcode of its patient.

    Raises
    ------
    DataContractError
        naming sections without a site, and patients on two sites.
    """
    known = {
        id_: cohort.facts[id_].get(SITE) or barcode_site(str(patient))
        for id_, patient in cohort.patients.items()
    }
    problems = []
    if missing := [id_ for id_, site in known.items() if site is None]:
        problems.append(
            Problem(
                where=f"section {', '.join(missing[:5])}" + (", ..." if len(missing) > 5 else ""),
                found=f"no site of {len(missing)} of {len(known)} sections",
                expected=f"a column `{SITE}`, or patients named by TCGA barcodes",
                remedy=f'fill the column `{SITE}`, or set folds.protocol = "patient"',
            )
        )
    of_patient: dict[str, set[str]] = {}
    for id_, site in known.items():
        if site is not None:
            of_patient.setdefault(str(cohort.patients[id_]), set()).add(site)
    problems += [
        Problem(
            where=f"patient {patient}",
            found=f"{len(sites)} sites: {', '.join(sorted(sites))}",
            expected="one site a patient",
            remedy=f"correct the column `{SITE}`, or the patient",
        )
        for patient, sites in sorted(of_patient.items())
        if len(sites) > 1
    ]
    if problems:
        raise DataContractError(problems)
    return {id_: str(site) for id_, site in known.items()}
