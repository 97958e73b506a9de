"""The embedded cohort: simulated tissue, stain and counts, written as real files."""
