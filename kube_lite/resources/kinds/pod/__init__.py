"""Pods: the one kind with a folder of its own."""
