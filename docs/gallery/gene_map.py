"""Map a gene, measured and predicted.

A score is one number. A map shows where a prediction is right, and where it is not.
"""

# %% [markdown]
# A benchmark predicts each patient from the others and keeps all maps. The run of the demo is
# finished, so the same call reads it.

# %%
import histoscribe as hs

result = hs.benchmark(settings="demo/run.toml", out="demo/runs/first")
ridge = result.genes[result.genes["model"] == "ridge"].sort_values("pcc_given_depth")
ridge = ridge.dropna(subset=["pcc_given_depth"]).reset_index(drop=True)
best, median = ridge["gene"].iloc[-1], ridge["gene"].iloc[len(ridge) // 2]
print("best:", best, " median:", median)

# %% [markdown]
# The best of 100 genes, chosen on the same patients on which it is shown, looks better than it
# is.

# %%
result.plot(best)

# %% [markdown]
# The median gene is what to expect of a gene without knowing anything about it.

# %%
result.plot(median)

# %% [markdown]
# Both panels share one colour scale. A prediction that is paler than the measured values is not a
# mistake of the picture: a model that minimises squared errors predicts the mean of what it
# cannot know.
#
# More on [targets and depth](../concepts/targets-and-depth.md).
