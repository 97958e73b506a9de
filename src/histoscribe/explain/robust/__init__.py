"""The question `robust`: how much of a score survives changes of the image."""
