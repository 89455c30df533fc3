"""How far a rollout is, in kubectl's words (``k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go``)."""

from __future__ import annotations

from kube_lite.cli.connection import Obj
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind

REVISION = "deployment.kubernetes.io/revision"


def status_of(kind: Kind, obj: Obj, revision: int = 0) -> tuple[str, bool]:
    """A sentence on the rollout, and whether it is done.

    :param revision: of a Deployment: fail when another is being rolled out
    :raises CommandError: it failed, or the kind has no rollouts
    """
    if kind.kind == "Deployment":
        return _deployment(obj, revision)
    if kind.kind == "DaemonSet":
        return _daemon_set(obj)
    if kind.kind == "StatefulSet":
        return _stateful_set(obj)
    raise CommandError(f"no status viewer has been implemented for {kind.kind}")


def _parts(obj: Obj) -> tuple[str, Obj, Obj, bool]:
    status = obj.get("status") or {}
    observed = status.get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)
    return obj["metadata"]["name"], obj.get("spec") or {}, status, observed


def _deployment(obj: Obj, revision: int) -> tuple[str, bool]:
    name, spec, status, observed = _parts(obj)
    current = (obj["metadata"].get("annotations") or {}).get(REVISION, "")
    if revision and current and int(current) != revision:
        raise CommandError(f"desired revision ({revision}) is different from the running revision ({current})")
    if not observed:
        return "Waiting for deployment spec update to be observed...", False
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise CommandError(f'deployment "{name}" exceeded its progress deadline')
    wanted, total = spec.get("replicas", 1), status.get("replicas", 0)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{waiting}{total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{waiting}{available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _daemon_set(obj: Obj) -> tuple[str, bool]:
    name, spec, status, observed = _parts(obj)
    if (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") != "RollingUpdate":
        raise CommandError("rollout status is only available for RollingUpdate strategy type")
    if not observed:
        return "Waiting for daemon set spec update to be observed...", False
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    waiting = f'Waiting for daemon set "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new pods have been updated...", False
    if available < wanted:
        return f"{waiting}{available} of {wanted} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _stateful_set(obj: Obj) -> tuple[str, bool]:
    _, spec, status, observed = _parts(obj)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        raise CommandError("rollout status is only available for RollingUpdate strategy type")
    if not status.get("observedGeneration") or not observed:
        return "Waiting for statefulset spec update to be observed...", False
    wanted, ready, updated = spec.get("replicas", 1), status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    if ready < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...", False
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    if partition:
        if updated < wanted - partition:
            return (
                f"Waiting for partitioned roll out to finish: {updated} out of {wanted - partition} new pods "
                "have been updated...",
                False,
            )
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    if status.get("updateRevision") != status.get("currentRevision"):
        return (
            f"waiting for statefulset rolling update to complete {updated} pods at revision "
            f"{status.get('updateRevision')}...",
            False,
        )
    done = status.get("currentReplicas", 0)
    return f"statefulset rolling update complete {done} pods at revision {status.get('currentRevision')}...", True
