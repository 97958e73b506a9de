"""Models of gene expression. `catalog.toml` lists them; a model is imported when it is used."""
