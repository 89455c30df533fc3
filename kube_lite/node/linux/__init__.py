"""The only code that needs root: containers from namespaces, cgroups and overlayfs."""
