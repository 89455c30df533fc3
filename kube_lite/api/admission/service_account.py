"""ServiceAccount: every pod runs as an account, and finds that account's token where clients look for it."""

from __future__ import annotations

import random
from typing import Any

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.authz.node import MIRROR
from kube_lite.errors import forbidden
from kube_lite.resources.meta import Obj

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
"""Lifetime of the projected token: an hour and a few seconds, as upstream asks for."""

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def _token_volume(name: str) -> Obj:
    items: list[Obj] = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    return {"name": name, "projected": {"sources": items, "defaultMode": 0o644}}


class ServiceAccount:
    """Sets the account of new pods and mounts its token."""

    name = "ServiceAccount"

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Give a new pod its account, pull secrets and token. :raises Forbidden: no such account"""
        if not request.is_("pods") or request.operation != "CREATE" or request.obj is None:
            return
        pod = request.obj
        spec = pod.setdefault("spec", {})
        if MIRROR in ((pod.get("metadata") or {}).get("annotations") or {}):
            return
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = objects.lookup("serviceaccounts", request.namespace, name)
        if account is None:
            why = f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden("pods", "", request.name, why)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(s) for s in account["imagePullSecrets"]]
        if self._wants_token(spec, account):
            self._mount(spec)

    @staticmethod
    def _wants_token(spec: Obj, account: Obj) -> bool:
        for holder in (spec, account):
            wish = holder.get("automountServiceAccountToken")
            if wish is not None:
                return bool(wish)
        return True

    def _mount(self, spec: Obj) -> None:
        containers: list[Any] = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
        needing = [
            c for c in containers if not any(m.get("mountPath") == MOUNT_PATH for m in c.get("volumeMounts") or ())
        ]
        if not needing:
            return
        existing = next(
            (v["name"] for v in spec.get("volumes") or () if v.get("name", "").startswith("kube-api-access-")), ""
        )
        name = existing or "kube-api-access-" + "".join(self._rng.choices(_SUFFIX, k=5))
        if not existing:
            spec["volumes"] = [*(spec.get("volumes") or []), _token_volume(name)]
        for container in needing:
            mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
            container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]
