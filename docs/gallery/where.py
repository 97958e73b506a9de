"""Ask where a model looks.

Which part of a tile raises a gene, and do two ways to ask this agree?
"""

# %% [markdown]
# The question needs a predictor, a section and a gene. This predictor of the demo was trained
# without patient P6. Pixels are explained in the tile of the spot with the highest prediction.

# %%
import histoscribe as hs

gene = "COMPARTMENT001"
predictor = hs.load_predictor("demo/runs/first/predictors/ridge/P6")
section = hs.read_cohort("demo/cohort.csv")["P6S1"]
prediction = predictor(section, keep_unlike=True)
highest = prediction.values[:, prediction.head.gene_names.index(gene)].argmax()
spot = section.spots.ids[highest]

# %% [markdown]
# Each number of the answer stands beside the range that it has by chance. Below the map is what
# the answer does not show.

# %%
finding = hs.explain(
    "where",
    predictor,
    "demo/cohort.csv",
    section="P6S1",
    genes=[gene],
    tiles=[spot],
    out="where",
)
finding

# %% [markdown]
# The tile, with the maps of its pixels: integrated gradients add up the slope of the prediction,
# occlusion covers one square after the other. Where the two disagree, neither should be believed.

# %%
from PIL import Image

Image.open(finding.folder / "where-tiles.png")

# %% [markdown]
# All questions are listed in [Explain a prediction](../howto/explain-a-prediction.md).
