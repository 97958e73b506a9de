"""Sections: one reader per file, and the code that all readers share."""
