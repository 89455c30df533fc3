"""Scheduler plugins, one file each; a file registers by being there."""
