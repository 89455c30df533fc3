"""The kube-lite command: one command per file; parse, one call, print."""
