"""Sources of sections: manifests, folders, the catalog."""
