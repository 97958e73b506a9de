"""Predictions over their slides in a browser: the data of the page, and its server."""
