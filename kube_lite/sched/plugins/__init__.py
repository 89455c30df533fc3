"""Scheduling plugins, one file each; a file registers by naming its class ``PLUGIN``."""
