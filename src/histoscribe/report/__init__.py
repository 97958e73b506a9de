"""One page a person can open."""
