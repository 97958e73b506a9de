"""Held-out patients in, an honest table out."""
