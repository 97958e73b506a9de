"""From a fitted predictor to gene maps of slides that were never sequenced."""
