"""Everything that touches files: slides, counts, cohorts, caches."""
