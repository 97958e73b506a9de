"""Search for sections in folders."""
