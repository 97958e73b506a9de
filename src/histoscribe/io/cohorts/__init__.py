"""Where sections come from: manifests, folders, the catalog."""
