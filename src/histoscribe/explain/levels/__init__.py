"""The question `levels`: what tiles of high and of low expression look like."""
