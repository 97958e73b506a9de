"""Scores under the identifiers of the evaluation protocol."""
