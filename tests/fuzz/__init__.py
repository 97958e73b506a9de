"""Damaged files of every kind, with seeds: each is read, or refused in words."""
