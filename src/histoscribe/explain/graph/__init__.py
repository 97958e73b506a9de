"""The question `graph`: which places of a window a network links."""
