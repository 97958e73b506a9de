"""Pictures: maps and overlays."""
