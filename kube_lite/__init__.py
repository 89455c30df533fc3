"""kube-lite: a Kubernetes that fits in one Python process."""

__version__ = "0.1.0"

KUBERNETES_VERSION = "v1.36.0"
"""The upstream release whose API is spoken; kubectl compares it with its own (``/version``)."""
