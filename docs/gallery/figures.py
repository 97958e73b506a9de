"""Draw figures for a paper.

Vector files in mm, letters of 8 pt, colours that a colour-blind reader can tell apart.
"""

# %% [markdown]
# `figure` gives an object of matplotlib, so anything can be changed before it is saved.

# %%
import histoscribe as hs

result = hs.benchmark(settings="demo/run.toml", out="demo/runs/first")
models = result.figure("models")
models

# %%
models.savefig("models.pdf")
models.savefig("models.svg")

# %% [markdown]
# The map of a gene, in the same style:

# %%
genes = result.genes[result.genes["model"] == "ridge"].sort_values("pcc_given_depth")
gene = genes["gene"].iloc[-1]
chart = result.figure("map", gene=gene)
chart

# %%
chart.savefig("map.pdf")
width_mm, height_mm = chart.get_size_inches() * 25.4
print(f"{gene}: {width_mm:.0f} x {height_mm:.0f} mm, the best of {len(genes)} genes")
