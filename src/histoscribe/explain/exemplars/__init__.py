"""The question `exemplars`: which training spots a model looks up, and whether it uses them."""
