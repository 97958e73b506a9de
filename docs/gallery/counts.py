"""Predict counts with an interval.

A model of counts says not only how much of a gene to expect, but how far the counts will scatter.
"""

# %% [markdown]
# With the loss `nb` a network predicts the mean and the spread of a negative binomial. Here a
# small one is trained on five patients of the demo; the sixth is kept for the test.

# %%
import histoscribe as hs

cohort = hs.read_cohort("demo/cohort.csv")
*training, held_out = cohort.ids
predictor = hs.train(
    cohort,
    "mlp",
    sections=training,
    target={"n_genes": 100, "transform": "cp10k"},
    train={"loss": "nb", "epochs": 30},
)
section = cohort[held_out]
prediction = predictor(section, keep_unlike=True)

# %% [markdown]
# An interval is always for a stated total count, because it contains the noise of counting. For a
# test the measured total of each spot is taken; for a slide that is not sequenced, choose one.

# %%
import numpy as np

matrix = section.measured.matrix
columns = [section.measured.gene_ids.index(gene) for gene in prediction.genes]
counts = matrix[:, columns].toarray()
low, high = hs.prediction_interval(prediction, total=section.measured.total, level=0.9)
inside = (low <= counts) & (counts <= high)
print(f"{inside.mean():.1%} of the counts lie in their interval of 90 %")

# %% [markdown]
# One gene, spot by spot: the dots are measured, the bars are the intervals.

# %%
from matplotlib import pyplot as plt

gene = prediction.head.gene_names.index("COMPARTMENT001")
order = np.argsort(prediction.values[:, gene])
figure, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
ax.vlines(range(len(order)), low[order, gene], high[order, gene], color="0.75", lw=3)
ax.plot(counts[order, gene], ".", ms=5, color="#0b6e99")
ax.set(xlabel="spots, by predicted value", ylabel="counts of COMPARTMENT001")
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The spread was learned on training patients. On a new patient a distribution is wrong mostly
# because its mean is: look at each gene's share before you trust its interval.

# %%
share = inside.mean(axis=0)
figure, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
ax.hist(share, bins=np.linspace(0.5, 1, 26), color="0.7")
ax.axvline(0.9, color="#c1121f", lw=1.5)
ax.set(xlabel="share of a gene's counts inside their interval", ylabel="genes")
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# More on [losses, and predictions of counts](../concepts/counts.md).
