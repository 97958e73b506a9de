"""The question `where`: where a model looks, gene by gene, and whether that is about the gene."""
