"""ServiceAccount: every pod runs as an account, and finds that account's token where clients look for it."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import Any

import anyio

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.authz.node import MIRROR, references
from kube_lite.resources.meta import Obj, dig

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
"""Lifetime of the projected token: an hour and a few seconds, as upstream asks for."""

ENFORCED = "kubernetes.io/enforce-mountable-secrets"
"""On an account: its pods may refer to no other secrets than it does."""
DEFAULT = "default"
ATTEMPTS = 10
"""How often the account that every namespace gets is looked for; a pod may come before it."""
PAUSE_SECONDS = (0.1, 0.2)
"""Least and most time between two attempts (``plugin/pkg/admission/serviceaccount``)."""
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})

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
    """Sets the account of new pods and mounts its token; some accounts bound what their pods refer to."""

    name = "ServiceAccount"
    resources = frozenset({"pods"})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Give a new pod its account, pull secrets and token.

        :raises Forbidden: no such account, or the pod refers to what it may not
        """
        if not request.is_("pods") or request.operation != "CREATE" or request.obj is None:
            return
        pod = request.obj
        spec = pod.setdefault("spec", {})
        if _is_mirror(pod):
            return _check(request, "a mirror pod may not ", _mirrored(pod))
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(request, objects, name)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(s) for s in account["imagePullSecrets"]]
        if self._wants_token(spec, account):
            self._mount(spec)
        if _enforces(account):
            _check(request, "", _beyond(spec, account))

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Look at what a pod refers to once all have changed it. :raises Forbidden: it may not"""
        pod = request.obj
        if pod is None or request.resource.group_resource != "pods":
            return
        spec = pod.get("spec") or {}
        if request.subresource == "ephemeralcontainers":
            account = await self._account(request, objects, spec.get("serviceAccountName") or DEFAULT)
            if _enforces(account):
                _check(request, "", _containers(spec, "ephemeralContainers", "ephemeral container", account))
            return
        if request.subresource or request.operation != "CREATE" or not request.reinvocations:
            return  # without webhooks and policies it is as ``admit`` left it
        if _is_mirror(pod):
            return _check(request, "a mirror pod may not ", _mirrored(pod))
        name = spec.get("serviceAccountName") or ""
        if not name:
            own = pod["metadata"].get("name") or ""
            raise request.refused(f"no service account specified for pod {request.namespace}/{own}")
        account = await self._account(request, objects, name)
        if _enforces(account):
            _check(request, "", _beyond(spec, account))

    async def _account(self, request: AdmissionRequest, objects: Objects, name: str) -> Obj:
        for attempt in range(ATTEMPTS if name == DEFAULT else 1):
            if attempt:
                await anyio.sleep(self._rng.uniform(*PAUSE_SECONDS))
            account = objects.lookup("serviceaccounts", request.namespace, name)
            if account is not None:
                return account
        why = f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
        raise request.refused(why)

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


def _is_mirror(pod: Obj) -> bool:
    return MIRROR in (dig(pod, "metadata", "annotations") or {})


def _enforces(account: Obj) -> bool:
    return (dig(account, "metadata", "annotations") or {}).get(ENFORCED) in _TRUE


def _check(request: AdmissionRequest, before: str, whys: Iterator[str]) -> None:
    """Refuse for the first reason there is."""
    for why in whys:
        raise request.refused(before + why)


def _mirrored(pod: Obj) -> Iterator[str]:
    """What nobody could keep from the node that says it runs this."""
    if dig(pod, "spec", "serviceAccountName"):
        yield "reference service accounts"
    if references(pod)["secrets"]:
        yield "reference secrets"
    for volume in dig(pod, "spec", "volumes") or ():
        if any("serviceAccountToken" in source for source in dig(volume, "projected", "sources") or ()):
            yield "use ServiceAccountToken volume projections"


def _beyond(spec: Obj, account: Obj) -> Iterator[str]:
    """What a pod refers to and its account does not."""
    secrets = _names(account.get("secrets"))
    for volume in spec.get("volumes") or ():
        name = dig(volume, "secret", "secretName")
        if name is not None and name not in secrets:
            yield f'volume with secret.secretName="{name}" {_not_known(account)} secret'
    yield from _containers(spec, "initContainers", "init container", account)
    yield from _containers(spec, "containers", "container", account)
    pulling = _names(account.get("imagePullSecrets"))
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        name = reference.get("name", "")
        if name not in pulling:
            yield f'imagePullSecrets[{index}].name="{name}" {_not_known(account)} imagePullSecret'


def _containers(spec: Obj, group: str, called: str, account: Obj) -> Iterator[str]:
    secrets = _names(account.get("secrets"))
    for container in spec.get(group) or ():
        uses = [
            (f"envVar {e.get('name', '')}", dig(e, "valueFrom", "secretKeyRef")) for e in container.get("env") or ()
        ]
        uses += [("envFrom", source.get("secretRef")) for source in container.get("envFrom") or ()]
        for use, reference in uses:
            name = (reference or {}).get("name", "")
            if reference is not None and name not in secrets:
                told = f'{called} {container.get("name", "")} with {use} referencing secret.secretName="{name}"'
                yield f"{told} {_not_known(account)} secret"


def _not_known(account: Obj) -> str:
    return f"is not allowed because service account {account['metadata']['name']} does not reference that"


def _names(references: Collection[Obj] | None) -> frozenset[str]:
    return frozenset(reference.get("name", "") for reference in references or ())
