"""The question which exemplars a prediction rests on."""
