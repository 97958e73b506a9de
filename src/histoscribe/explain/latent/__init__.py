"""The question `latent`: whether a network groups spots by their tissue or by their patient."""
