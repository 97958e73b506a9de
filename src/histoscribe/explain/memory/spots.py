"""The spots of the probe: losses, simple rules, and how well each tells permuted labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from histoscribe.explain.finding import Number
from histoscribe.explain.memory.mixture import LossMixture
from histoscribe.explain.memory.separation import PermutedDraws, Separation, auroc
from histoscribe.explain.memory.trainings import (
    MEASURED,
    PROBE,
    MemoryTrainings,
    RecordedTraining,
)
from histoscribe.explain.retraining.labels import Exchange
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.types import SpotKeys

LOSSES = {
    "loss": "mean squared error of the label over the epochs up to the best",
    "relative_loss": "the same, in units of the squared error of the mean label",
}
RULES = {
    "depth": "logarithm of all counts of the spot of the label",
    "mean_count": "mean count of the label over the genes of the panel",
    "label_norm": "length of the label",
    "distance": "squared distance of the label from the mean label",
}


@final
@dataclass(frozen=True, eq=False)
class ProbedSpots:
    """Spots that training fitted, with their losses in the probe and on measured labels."""

    keys: SpotKeys
    label_of: tuple[str, ...]
    """Id of the spot whose label each spot had in the probe, in its section."""
    draws: PermutedDraws
    probe: RecordedTraining
    measured: RecordedTraining
    rules: Mapping[str, Float[np.ndarray, " n"]]
    """Values of `RULES` of the label in the probe."""
    mixtures: Mapping[tuple[str, str], LossMixture]
    """Training and kind of loss -> its mixture."""
    share: float

    @classmethod
    def of(
        cls,
        trainings: MemoryTrainings,
        done: Mapping[str, RecordedTraining],
        exchange: Exchange,
        share: float,
    ) -> "ProbedSpots":
        """The spots of the recorded trainings."""
        probe, measured = done[PROBE], done[MEASURED]
        table, rows = trainings.table.as_they_are, probe.rows
        if not np.array_equal(rows, measured.rows):
            raise ValueError("the trainings recorded other spots")
        keys, origin = table.keys.take(rows), exchange.origin[rows]
        labels = table.target[origin]
        seed = trainings.run_data.settings.seed
        return cls(
            keys=keys,
            label_of=tuple(str(spot) for spot in table.keys.spot[origin]),
            draws=PermutedDraws.again(exchange.permuted[rows], keys, share, seed),
            probe=probe,
            measured=measured,
            rules={
                "depth": table.log_total[origin],
                "mean_count": trainings.mean_counts[origin],
                "label_norm": np.sqrt(np.nansum(np.square(labels), axis=1)),
                "distance": probe.distance,
            },
            mixtures={
                (name, kind): LossMixture.of(getattr(done[name], kind))
                for name in (PROBE, MEASURED)
                for kind in LOSSES
            },
            share=share,
        )

    @property
    def permuted(self) -> Bool[np.ndarray, " n"]:
        """Whether the label of a spot was permuted in the probe."""
        return self.draws.permuted

    @property
    def values(self) -> Mapping[str, Float[np.ndarray, " n"]]:
        """Losses in the probe and simple rules, by name."""
        return {**{name: getattr(self.probe, name) for name in LOSSES}, **self.rules}

    def _separation(self, name: str) -> Separation:
        before = {"loss": self.probe.losses[0], "relative_loss": self.probe.relative_losses[0]}
        return self.draws.separation(self.values[name], before.get(name))

    @property
    def mixture_words(self) -> str:
        """What the mixtures say, in words."""
        measured = self.mixtures[MEASURED, "relative_loss"]
        probe = self.mixtures[PROBE, "relative_loss"]
        n_suspicious = int(measured.suspicious.sum())
        components = {1: "one component", 2: "two components"}
        words = (
            f"BIC prefers {components[measured.n_components]} for the relative losses of measured"
        )
        if n_suspicious:
            found = f"{n_suspicious} of {len(self.keys)} spots are of the higher one"
        elif measured.n_components == 1:
            found = "no group of spots stands apart, and none is called suspicious"
        else:
            found = "the lower one is a tail of low losses, and no spot is called suspicious"
        return (
            f"{words} labels: {found}. In the probe, where labels are wrong, it prefers "
            f"{components[probe.n_components]}."
        )

    def numbers(self) -> tuple[list[Number], list[Number]]:
        """Separations with their chance, and the mixtures of the probe beside measured labels."""
        pairs = [
            self._separation(name).number(f"auroc_{name}", _meaning(name)) for name in self.values
        ]
        statistic = [value for value, _ in pairs[: len(LOSSES)]]
        null = [by_chance for _, by_chance in pairs[: len(LOSSES)]]
        null += [value for value, _ in pairs[len(LOSSES) :]]
        for kind in LOSSES:
            meaning = f"BIC of one component minus that of two, of the {kind.replace('_', ' ')}"
            for name, into in ((PROBE, statistic), (MEASURED, null)):
                gain = self.mixtures[name, kind].bic_gain
                into.append(Number(f"bic_gain_{kind}", gain, f"{meaning}, {name} labels"))
        for name, into in ((MEASURED, statistic), (PROBE, null)):
            share = float(self.mixtures[name, "relative_loss"].suspicious.mean())
            meaning = f"share of spots in the component of higher relative losses, {name} labels"
            into.append(Number("suspicious_share", share, meaning))
        return statistic, null

    def write(self, spots: Path, separations: Path, epochs: Path) -> None:
        """Write the three tables."""
        write_text(spots, csv_text(self._spot_table()))
        write_text(separations, csv_text(self._separation_table()))
        write_text(epochs, csv_text(self._epoch_table()))

    def _spot_table(self) -> pd.DataFrame:
        mixture = self.mixtures[MEASURED, "relative_loss"]
        table = pd.DataFrame(
            {
                "section": self.keys.section_names,
                "patient": self.keys.patient_names,
                "spot": self.keys.spot,
                "relative_loss": self.measured.relative_loss,
                "loss": self.measured.loss,
                "of_higher_component": mixture.of_higher,
                "suspicious": mixture.suspicious,
                "probe_permuted": self.permuted,
                "probe_label_of": self.label_of,
                "probe_relative_loss": self.probe.relative_loss,
                "probe_loss": self.probe.loss,
                **{f"probe_{name}": values for name, values in self.rules.items()},
            }
        )
        return table.sort_values("relative_loss", ascending=False, kind="stable")

    def _separation_table(self) -> pd.DataFrame:
        rows = []
        for name in self.values:
            found, by_chance = self._separation(name).number(name, _meaning(name))
            rows.append(
                {
                    "value": name,
                    "auroc": found.value,
                    "by_chance": by_chance.value,
                    "by_chance_low": by_chance.low,
                    "by_chance_high": by_chance.high,
                    "meaning": (LOSSES | RULES)[name],
                }
            )
        return pd.DataFrame(rows)

    def _epoch_table(self) -> pd.DataFrame:
        probe, (score, scores) = self.probe, self.probe.scores
        epochs = np.arange(len(probe.losses))
        columns: dict[str, object] = {
            "epoch": epochs,
            "counts": (epochs > 0) & (epochs <= probe.best_epoch),
            score: [np.nan, *scores],
        }
        for name, values in (("loss", probe.losses), ("relative_loss", probe.relative_losses)):
            columns[f"{name}_true_labels"] = np.median(values[:, ~self.permuted], axis=1)
            columns[f"{name}_permuted_labels"] = np.median(values[:, self.permuted], axis=1)
            columns[f"auroc_{name}"] = [auroc(of_epoch, self.permuted) for of_epoch in values]
        return pd.DataFrame(columns)


def _meaning(name: str) -> str:
    return f"AUROC for permuted labels of: {(LOSSES | RULES)[name]}"
