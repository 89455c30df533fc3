"""Which pods of a node a drain evicts, which it leaves, and which stand in its way.

Mirror pods stay, since only their node can remove them. Pods of a DaemonSet would come back at once. Pods without a
controller, and the data of an emptyDir, would be lost: that has to be asked for.
"""

from __future__ import annotations

import argparse

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.main import api_error
from kube_lite.cli.names import builtin_named

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of pods that a node runs from a file of its own."""

DAEMON_SETS = "DaemonSet-managed Pods"
LOCAL_STORAGE = "Pods with local storage"
UNMANAGED = "Pods that declare no controller"


class Sorted:
    """What is to become of the pods of a node."""

    def __init__(self) -> None:
        self.going: list[Obj] = []
        self.warnings: list[str] = []
        self.refused: list[str] = []


def sort_pods(args: argparse.Namespace, api: Api, pods: list[Obj]) -> Sorted:
    """By the flags ``--ignore-daemonsets``, ``--delete-emptydir-data`` and ``--force``."""
    found = Sorted()
    refused: dict[str, list[str]] = {}
    warned: dict[str, list[str]] = {}
    for pod in sorted(pods, key=_name):
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            continue
        if _leaving_for(pod) > (args.skip_wait_for_delete_timeout or float("inf")):
            continue
        finished = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        owner = next((o for o in pod["metadata"].get("ownerReferences") or () if o.get("controller")), None)
        if owner is not None and owner.get("kind") == "DaemonSet" and not finished:
            if _exists(api, pod, owner):
                if args.ignore_daemonsets:
                    warned.setdefault(f"ignoring {DAEMON_SETS}", []).append(_name(pod))
                else:
                    text = f"cannot delete {DAEMON_SETS} (use --ignore-daemonsets to ignore)"
                    refused.setdefault(text, []).append(_name(pod))
                continue
            owner = None
        stands = False
        if _has_local_data(pod) and not finished and not args.delete_emptydir_data:
            text = f"cannot delete {LOCAL_STORAGE} (use --delete-emptydir-data to override)"
            refused.setdefault(text, []).append(_name(pod))
            stands = True
        if owner is None and not finished:
            if args.force:
                warned.setdefault(f"deleting {UNMANAGED}", []).append(_name(pod))
            elif not stands:
                text = f"cannot delete {UNMANAGED} (use --force to override)"
                refused.setdefault(text, []).append(_name(pod))
                stands = True
        if not stands:
            found.going.append(pod)
    found.refused = [f"{text}: {', '.join(names)}" for text, names in refused.items()]
    found.warnings = [f"{text}: {', '.join(names)}" for text, names in warned.items()]
    return found


def _name(pod: Obj) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _has_local_data(pod: Obj) -> bool:
    return any("emptyDir" in volume for volume in (pod.get("spec") or {}).get("volumes") or ())


def _leaving_for(pod: Obj) -> float:
    """Seconds since its deletion began; 0 if it did not."""
    from kube_lite import clock

    since = pod["metadata"].get("deletionTimestamp")
    return (clock.now() - clock.parse_timestamp(since)).total_seconds() if since else 0.0


def _exists(api: Api, pod: Obj, owner: Obj) -> bool:
    """Whether the DaemonSet is still there: pods that it left behind come back to nobody."""
    kind = builtin_named("daemonsets")
    assert kind is not None
    try:
        api.get(kind.path(pod["metadata"]["namespace"], owner["name"]))
    except api_error() as error:
        if error.code != 404:
            raise
        return False
    return True
