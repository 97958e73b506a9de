"""Predict a slide, and open it in scanpy and squidpy.

A trained model is one folder. It predicts slides that were never sequenced, as AnnData.
"""

# %% [markdown]
# `demo/ridge` was trained on the six patients of the demo. The slide is of a seventh.

# %%
import histoscribe as hs

predictor = hs.load_predictor("demo/ridge")
prediction = hs.predict_slide(predictor, "demo/biopsy.svs", spacing_um=60)
prediction

# %% [markdown]
# As AnnData it has the picture of the slide in it, and genes are named by their symbols, so the
# tools of scverse draw the map on the tissue.

# %%
maps = hs.to_anndata(prediction)
maps.write_h5ad("biopsy.h5ad")
maps

# %%
import scanpy as sc
import squidpy as sq

maps = sc.read_h5ad("biopsy.h5ad")
sq.pl.spatial_scatter(maps, color=["COMPARTMENT001", "distance_to_training"], shape="square")

# %% [markdown]
# `distance_to_training` says how unlike its training tissue the model finds a position: above 1,
# values are masked (grey on the left).
#
# Statistics need positions with values. Moran's I is high for smooth maps, so it says that a map
# is smooth, not that it is right.

# %%
trusted = maps[maps.obs["trusted"]].copy()
sq.gr.spatial_neighbors_grid(trusted, n_neighs=4)
sq.gr.spatial_autocorr(trusted, mode="moran", n_perms=None)
trusted.uns["moranI"][["I", "pval_norm"]].round(3).head()

# %% [markdown]
# How far to trust such a map, and how to open it in QuPath: [Predict a new
# slide](../howto/new-slide.md).
