"""Items: what one row of a batch is; one file per kind of item."""
