"""The processes that kube-lite runs: a server around a cluster, and a node around a runtime."""
