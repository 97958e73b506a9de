"""From sections to what models see: folds, targets, tiles, features."""
