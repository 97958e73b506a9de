"""The question what the last layer of a network tells apart."""
