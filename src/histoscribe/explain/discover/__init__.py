"""The question `discover`: hypotheses from training patients, tested once on others."""
