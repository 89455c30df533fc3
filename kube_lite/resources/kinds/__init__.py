"""One file per kind; a file registers by being there (see ``resources.registry``)."""
