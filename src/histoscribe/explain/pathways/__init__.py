"""The question `pathways`: whether scores and attention of pathways follow what was measured."""
