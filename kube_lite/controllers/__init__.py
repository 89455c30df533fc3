"""Controllers: one file each, on the loop in ``base``; a file registers by being there."""
