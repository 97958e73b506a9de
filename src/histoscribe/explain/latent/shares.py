"""How many neighbours of a spot are of the same patient, site or label, in what a network reads."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.finding import Number
from histoscribe.explain.latent.purity import (
    N_NEAREST,
    N_SHUFFLES,
    nearest,
    nearest_of_others,
    nearest_within,
    same_kind_share,
    shuffled_share,
)
from histoscribe.explain.representation import Representation
from histoscribe.seed import stream

_SEED = 0  # of shuffles; nobody needs another one


@dataclass(frozen=True, eq=False)
class KindShares:
    """Share of neighbours of one kind: of each spot, in the mean, and by chance."""

    kind: str
    """`patient`, `site` or `label`."""
    names: tuple[str | None, ...]
    """Kind of each spot; None where it is unknown."""
    of_spot: Float[np.ndarray, " N"]
    """NaN where it is unknown."""
    statistic: tuple[Number, ...] = ()
    """Empty where the spots are too few or of one kind."""
    null: tuple[Number, ...] = ()


def patient_shares(spots: Representation) -> KindShares:
    """How many neighbours are of the same patient; no numbers where there is one patient."""
    patient = spots.keys.patient_names
    names = tuple(patient.tolist())
    of_spot = same_kind_share(nearest(spots.values), patient)
    if len(np.unique(patient)) < 2:
        return KindShares("patient", names, of_spot)
    meaning = f"of the {N_NEAREST} nearest spots, the share of the same patient"
    drawn = shuffled_share(nearest(spots.values), patient, len(spots) * ("",), _SEED)
    before = same_kind_share(nearest(spots.feature), patient).mean()
    null = (
        Number.of_draws("same_patient", drawn, f"{meaning}, patients shuffled among all spots"),
        Number("same_patient_in_features", float(before), f"{meaning}, in the encoder's features"),
    )
    statistic = (Number("same_patient", float(of_spot.mean()), meaning),)
    return KindShares("patient", names, of_spot, statistic, null)


def site_shares(spots: Representation, sites: Mapping[str, str]) -> KindShares | None:
    """How many nearest spots of other patients are of the same site.

    None unless the sites of all patients are known, there are two, and one has two patients with
    enough other spots. By chance sites are exchanged between patients, who keep all their spots.
    """
    patients, code = np.unique(spots.keys.patient_names, return_inverse=True)
    if any(patient not in sites for patient in patients):
        return None
    site = np.array([sites[patient] for patient in patients])
    n_each = np.unique(site, return_counts=True)[1]
    n_others = len(spots) - np.bincount(code).max()
    if len(n_each) < 2 or n_each.max() < 2 or n_others < N_NEAREST:
        return None
    meaning = f"of the {N_NEAREST} nearest spots of other patients, the share of the same site"
    near = nearest_of_others(spots.values, code)
    of_spot = _same(near, code, site)
    orders = [stream(_SEED, f"explain-sites-{n}").permutation(site) for n in range(N_SHUFFLES)]
    drawn = np.array([_same(near, code, order).mean() for order in orders])
    before = _same(nearest_of_others(spots.feature, code), code, site).mean()
    null = (
        Number.of_draws("same_site", drawn, f"{meaning}, sites exchanged between patients"),
        Number("same_site_in_features", float(before), f"{meaning}, in the encoder's features"),
    )
    statistic = (Number("same_site", float(of_spot.mean()), meaning),)
    return KindShares("site", tuple(site[code].tolist()), of_spot, statistic, null)


def label_shares(spots: Representation) -> KindShares | None:
    """How many neighbours of labelled spots have the same label; None where too few have one."""
    labelled = np.flatnonzero([label is not None for label in spots.label])
    if len(labelled) <= N_NEAREST:
        return None
    part = spots.take(labelled)
    labels = tuple(str(label) for label in part.label)
    of_spot = np.full(len(spots), np.nan)
    of_spot[labelled] = same_kind_share(nearest(part.values), labels)
    return KindShares("label", spots.label, of_spot, *_label_numbers(part, labels))


def _label_numbers(
    part: Representation, labels: tuple[str, ...]
) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    meaning = f"of the {N_NEAREST} nearest labelled spots, the share with the same label"
    section = part.keys.section_names
    share = same_kind_share(nearest(part.values), labels).mean()
    drawn = shuffled_share(nearest(part.values), labels, section, _SEED)
    before = same_kind_share(nearest(part.feature), labels).mean()
    null = [
        Number.of_draws("same_label", drawn, f"{meaning}, labels shuffled within each section"),
        Number("same_label_in_features", float(before), f"{meaning}, in the encoder's features"),
    ]
    if min(len(rows) for _, _, rows in part.keys.by_section()) > N_NEAREST:
        place = same_kind_share(nearest_within(part.um, section), labels).mean()
        meaning_place = (
            f"{meaning}, nearest by place in the section, whatever the tissue looks like"
        )
        null.append(Number("same_label_by_place", float(place), meaning_place))
    return (Number("same_label", float(share), meaning),), tuple(null)


def _same(
    near: Int[np.ndarray, "N k"], patient: Int[np.ndarray, " N"], site: np.ndarray
) -> Float[np.ndarray, " N"]:
    """Share of neighbours whose patient is of the same site."""
    return (site[patient[near]] == site[patient][:, None]).mean(axis=1)
