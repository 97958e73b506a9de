"""Sections: one reader a file, and what all readers share."""
