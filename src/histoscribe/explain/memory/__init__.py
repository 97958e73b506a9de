"""The question `memory`: whether a network learns from its labels, or memorises them."""
