"""A tiny cohort, the settings of every verb and a predictor, for commands in processes."""

from functools import cached_property
from shutil import copytree

from histoscribe.train.settings import dump_settings
from tests import toys
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.cli.killing import finish
from tests.predict.conftest import MPP, SPACING_UM, draw_slide

OF_SECTIONS = "predict-slide-as-section"
"""Verb of the slow tests: a model of sections, which predicts a slide in two passes."""
RUNS = {
    "all": {"models": ["mean", "knn", "mlp"]},
    "mlp": {"models": ["mlp"], "train": {"epochs": 40, "patience": 40}},
    "ridge": {"models": ["ridge"]},
}


class Scene:
    """A tiny cohort, the settings of every verb, and a predictor."""

    def __init__(self, folder):
        self.folder = folder
        self.manifest = tiny_cohort(folder / "cohort", n_patients=2)
        for name, changes in RUNS.items():
            settings = tiny_settings(self.manifest, **{"target": {"n_genes": 5}, **changes})
            (folder / f"{name}.toml").write_text(dump_settings(settings))
        finish(["train", self.file("ridge.toml"), "--out", self.file("ridge")], folder / "cache")
        self.slide = draw_slide(folder / "slide.png")

    @cached_property
    def of_sections(self):
        """A predictor whose model reads the slide as one section."""
        with toys.registered():
            settings = tiny_settings(
                self.manifest, models=[toys.SECTION], settings={}, train={"epochs": 1}
            )
        path = self.folder / "sections.toml"
        path.write_text(dump_settings(settings))
        finish(["train", str(path), "--out", self.file("sections")], self.folder / "cache")
        return self.file("sections")

    def file(self, name):
        return str(self.folder / name)

    def arguments(self, verb, out):
        """The command line of a verb that writes to `out`."""
        return {
            "embed": ["embed", self.file("all.toml")],
            "train": ["train", self.file("mlp.toml"), "--out", str(out)],
            "benchmark": ["benchmark", self.file("all.toml"), "--out", str(out)],
            "predict": ["predict", self.file("ridge"), str(self.manifest), "--out", str(out)],
            "predict-slide": self.of_slide(self.file("ridge"), out),
            "check": ["check", str(self.manifest), "--out", str(out)],
            "report": ["report", str(out)],
            "explain": [
                *("explain", "latent", self.file("ridge"), str(self.manifest)),
                *("--out", str(out)),
            ],
            OF_SECTIONS: self.of_slide(self.of_sections, out) if verb == OF_SECTIONS else [],
        }[verb]

    @cached_property
    def run(self):
        """A finished run, for a report of it."""
        out = self.folder / "run"
        finish(self.arguments("benchmark", out), self.folder / "cache")
        (out / "report.html").unlink()
        return out

    def lay(self, verb, out):
        """Put what a verb writes into."""
        if verb == "report":
            copytree(self.run, out)

    def of_slide(self, predictor, out):
        """Predict the slide into `out`."""
        place = ("--mpp", str(MPP), "--spacing-um", str(SPACING_UM))
        return ["predict", predictor, str(self.slide), "--out", str(out), *place]
