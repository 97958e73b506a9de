"""Site of each section, for folds that keep a hospital's patients on one side.

Slides of one site share stain and scanner, and sites differ in their patients, so a model can score
across sites by recognising the site (Howard et al. 2021, doi 10.1038/s41467-021-24698-1).
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.patient_sites import SITE, patients_on_two_sites, sites_of
from histoscribe.types import Cohort, SpotKeys


def section_sites(cohort: Cohort) -> dict[str, str]:
    """Site of each section: one hospital or centre a patient.

    Raises
    ------
    DataContractError
        naming sections without a site, and patients on two sites.
    """
    of_section = {id_: str(patient) for id_, patient in cohort.patients.items()}
    slides = [(patient, cohort.facts[id_]) for id_, patient in of_section.items()]
    sites = sites_of(slides)
    problems = []
    if missing := [id_ for id_, patient in of_section.items() if patient not in sites]:
        problems.append(
            Problem(
                where=f"section {', '.join(missing[:5])}" + (", ..." if len(missing) > 5 else ""),
                found=f"no site of {len(missing)} of {len(of_section)} sections",
                expected=f"a column `{SITE}`, or patients named by TCGA barcodes",
                remedy=f'fill the column `{SITE}`, or set folds.protocol = "patient"',
            )
        )
    problems += patients_on_two_sites(slides)
    if problems:
        raise DataContractError(problems)
    return {id_: sites[patient] for id_, patient in of_section.items()}


def site_codes(
    keys: SpotKeys, sites: Mapping[str, str], rows: Int[np.ndarray, " B"]
) -> Int[np.ndarray, " B"]:
    """Number the sites of these rows; -1 where the site of a patient is unknown."""
    numbers = {site: number for number, site in enumerate(sorted(set(sites.values())))}
    # an unknown patient has the code -1, which is the last entry
    of_patient = [numbers.get(sites.get(name, ""), -1) for name in (*keys.patients, "")]
    return np.array(of_patient)[keys.patient[rows]]
