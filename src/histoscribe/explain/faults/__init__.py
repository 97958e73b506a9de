"""The question `faults`: for whom a predictor fails, and what else it knows."""
