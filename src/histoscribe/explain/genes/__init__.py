"""The question `genes`: which genes and gene sets a model predicts well on held-out patients."""
