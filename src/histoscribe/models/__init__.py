"""Models and encoders behind one registry."""
