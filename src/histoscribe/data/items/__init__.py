"""What one row of a batch is; one file an item."""
