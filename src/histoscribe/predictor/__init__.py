"""The artefact: a fitted model with all it needs to predict, as one folder."""
