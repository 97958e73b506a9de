"""A slide that was never sequenced.

From a trained model to maps of genes on a new slide, and how far to believe them.
"""

# %% [markdown]
# ## 1. A model with its scores
#
# Five patients of the demo are benchmarked and then used for training. The sixth gives the slide;
# its counts are not touched before the last step.

# %%
import histoscribe as hs

cohort = "demo/cohort.csv"
training = ["P1S1", "P2S1", "P3S1", "P4S1", "P5S1"]
result = hs.benchmark(
    cohort, ["depth", "ridge"], sections=training, target={"n_genes": 100}, out="run"
)
predictor = hs.train(
    cohort, "ridge", sections=training, target={"n_genes": 100}, scores=result, out="ridge"
)
predictor

# %% [markdown]
# ## 2. Predict
#
# The slide may have any format of OpenSlide, or be a TIFF, OME-Zarr, JPEG or PNG. The size of a
# pixel is never guessed: here the file does not state it.

# %%
prediction = hs.predict_slide(predictor, "demo/P6S1.jpg", mpp=0.5, spacing_um=50)
maps = hs.to_anndata(prediction)
maps

# %% [markdown]
# ## 3. Which genes, which places?
#
# Every gene has its score on held-out patients in `var`. A gene inside its band (`null_low` to
# `null_high`) was not predicted: its map means nothing, even if it is smooth.

# %%
above = maps.var["pcc_given_depth"] > maps.var["null_high"]
trusted = maps.var[above & (maps.var["q"] < 0.05)].sort_values("pcc_given_depth", ascending=False)
print(len(trusted), "of", maps.n_vars, "genes")
trusted[["pcc_given_depth", "null_high", "q"]].round(3).head()

# %% [markdown]
# Every place has its distance to the training tissue in `obs`. Above 1, nothing alike was in
# training, and the values are masked.

# %%
print(f"{maps.obs['trusted'].mean():.0%} of {maps.n_obs} places are like the training tissue")

# %%
import squidpy as sq

gene = trusted.index[0]
sq.pl.spatial_scatter(maps, color=[gene, "distance_to_training"], shape="square")

# %% [markdown]
# ## 4. Save
#
# AnnData for scanpy, squidpy and R. The command line also writes GeoJSON for QuPath:
#
# ```bash
# histoscribe predict ridge slide.svs --out maps
# ```

# %%
maps.write_h5ad("P6S1.h5ad")

# %% [markdown]
# ## 5. Was it right?
#
# For a slide that was never sequenced nobody knows. Here the sixth patient was sequenced, too, so
# the prediction at its spots can be scored: most genes that were found before are found again.

# %%
section = hs.read_cohort(cohort)["P6S1"]
scores = hs.score_section(predictor(section, keep_unlike=True), section, predictor)
before = result.genes[result.genes["model"] == "ridge"].set_index("gene")["pcc_given_depth"]
both = scores.assign(before=before.reindex(scores.index))

# %%
from matplotlib import pyplot as plt

figure, ax = plt.subplots(figsize=(4.2, 4), layout="constrained")
ax.axhline(0, color="0.8", lw=1)
ax.axvline(0, color="0.8", lw=1)
ax.plot(both["before"], both["pcc_given_depth"], ".", color="#0b6e99")
ax.set(xlabel="on held-out patients of the benchmark", ylabel="on the new patient")
ax.set_title("Score of each gene, given depth", fontsize=10)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Not all: the score of a gene on other patients is no promise for the next one. The two lowest
# genes are of the family `patient_flip`, whose sign changes from patient to patient:

# %%
both.sort_values("pcc_given_depth")[["before", "pcc_given_depth"]].round(2).head(2)

# %% [markdown]
# More: [Predict a slide that was never sequenced](../howto/new-slide.md).
