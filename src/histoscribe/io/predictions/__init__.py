"""Predictions as files of other tools."""
