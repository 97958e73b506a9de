"""Compare several runs.

The same models with another transform: what changes is in the protocol, and the page says so.
"""

# %% [markdown]
# Two runs on the same cohort and folds; the first is the demo's. They differ in the unit of
# expression that models learn: Pearson residuals divide out the depth of a spot, log-normalised
# counts keep a part of it.

# %%
import histoscribe as hs

demo = hs.read_settings("demo/run.toml")
runs = {
    "pearson-residuals": hs.benchmark(settings=demo, out="demo/runs/first"),  # finished: it is read
    "cp10k-log1p": hs.benchmark(
        "demo/cohort.csv",
        ["depth", "ridge"],
        target={"n_genes": 100, "transform": "cp10k-log1p"},
        out="log1p",
    ),
}

# %%
import pandas as pd

table = pd.concat({name: run.summary for name, run in runs.items()}, names=["run"])
table = table.query("metric in ['pcc', 'pcc_given_depth'] and model in ['depth', 'ridge']")
table.reset_index("run").pivot(index=["run", "model"], columns="metric", values="mean").round(3)

# %% [markdown]
# A line for each patient: one patient can carry a difference of means, and here one would see it.

# %%
from matplotlib import pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained")
for ax, metric in zip(axes, ["pcc", "pcc_given_depth"], strict=True):
    patients = pd.DataFrame(
        {
            name: run.scores.query("model == 'ridge' and metric == @metric")
            .groupby("patient")["value"]
            .mean()
            for name, run in runs.items()
        }
    )
    ax.plot(patients.T, "o-", color="#0b6e99", alpha=0.6, lw=1)
    ax.set(title=f"{metric} of ridge", xlim=(-0.4, 1.4), ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# `histoscribe report` writes a page of several runs, with charts and a list of what differs in
# their protocols:
#
# ```bash
# histoscribe report demo/runs/first log1p --out comparison
# ```
#
# To compare models in one run, see [Compare models and settings](../howto/compare-models.md).
