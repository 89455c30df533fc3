"""``python -m kube_lite``, and the ``kube-lite`` command."""

from kube_lite.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
