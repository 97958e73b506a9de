"""From sections to the inputs of models: folds, targets, tiles, features."""
