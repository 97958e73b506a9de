"""The question `subtypes`: what bulk expression says about the molecular subtype of a patient."""
