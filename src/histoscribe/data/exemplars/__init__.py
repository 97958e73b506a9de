"""Exemplars: training spots that a model is given beside a spot, and how they are found."""
