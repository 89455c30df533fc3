"""Nodes: the machines, real or simulated."""

from __future__ import annotations

import re
from datetime import datetime

from kube_lite.errors import FieldError
from kube_lite.resources import names, quantity
from kube_lite.resources.addresses import range_errors
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, duplicate, forbidden, index, invalid, show
from kube_lite.resources.go.types import go_value
from kube_lite.resources.ip_warnings import cidr_warnings
from kube_lite.resources.kinds.configmap import NO_PATH
from kube_lite.resources.kinds.pod.requirements import validate_amount
from kube_lite.resources.kinds.pod.scheduling import validate_taint_effect
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    TWICE,
    Cells,
    Column,
    Resource,
    Subresource,
    prepare_status_update,
    status,
)
from kube_lite.resources.rules import POSITIVE, parse_cidr, qualified_name

_BAD_CIDR = "must be valid CIDR"
ROLE_PREFIX = "node-role.kubernetes.io/"
MAX_FEATURE = 253
"""Characters of the name of a declared feature."""
_is_feature = re.compile("[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*").fullmatch
ROLE_LABEL = "kubernetes.io/role"
_MAY_CHANGE_ONLY = (
    "node updates may only change labels, taints, or capacity "
    "(or configSource, if the DynamicKubeletConfig feature gate is enabled)"
)


def _default(obj: Obj) -> None:
    spec, state = obj.setdefault("spec", {}), obj.setdefault("status", {})
    if "allocatable" not in state and "capacity" in state:
        state["allocatable"] = dict(state["capacity"])
    # podCIDR is the old name of the first of podCIDRs; both are always shown.
    first, cidrs = spec.get("podCIDR"), spec.get("podCIDRs")
    if first and (not cidrs or cidrs[0] != first):
        spec["podCIDRs"] = [first]
    elif cidrs:
        spec["podCIDR"] = cidrs[0]
    for name in ("capacity", "allocatable"):
        for resource, text in (state.get(name) or {}).items():
            if text[-1:] in ("n", "u"):
                state[name][resource] = f"{quantity.milli(text)}m"


def _taints(taints: list[Obj]) -> Errors:
    found: Errors = []
    seen: set[tuple[str, str]] = set()
    for i, taint in enumerate(taints):
        # Upstream names metadata here, though taints are in the spec.
        at = index("metadata.taints", i)
        name, effect = taint.get("key", ""), taint.get("effect", "")
        found.extend(qualified_name(name, child(at, "key")))
        if problems := names.label_value(taint.get("value", "")):
            found.append(invalid(child(at, "value"), taint["value"], ";".join(problems)))
        found.extend(validate_taint_effect(effect, child(at, "effect"), allow_empty=False))
        if (name, effect) in seen:
            found.append(_same_taint(taint, at))
        seen.add((name, effect))
    return found


def _same_taint(taint: Obj, path: str) -> FieldError:
    error = duplicate(path, go_value("core.Taint", taint))
    return FieldError(error.reason, error.field, f"{error.message}: taints must be unique by key and effect pair")


def _pod_cidrs(cidrs: list[str]) -> Errors:
    found: Errors = []
    parsed = [parse_cidr(cidr) for cidr in cidrs]
    for i in range(len(cidrs)):
        at = index("spec.podCIDRs", i)
        if parsed[i] is None:
            found.append(invalid(at, cidrs, _BAD_CIDR))
        else:
            found.extend(range_errors(cidrs[i], at, _BAD_CIDR))
    families = [network.version for network in parsed if network is not None]
    if len(cidrs) > 2 or (len(families) == 2 and families[0] == families[1]):
        found.append(invalid("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family"))
    return found


def _resources(state: Obj) -> Errors:
    found: Errors = []
    for part in ("capacity", "allocatable"):
        for name, text in (state.get(part) or {}).items():
            found.extend(validate_amount(name, text, child(f"status.{part}", name)))
    return found


def _features(names_: list[str]) -> Errors:
    """What a node says it can do: names in order, each once."""
    found: Errors = []
    at = "status.declaredFeatures"
    for i, name in enumerate(names_):
        if problem := _feature_problem(name):
            found.append(invalid(index(at, i), name, f"invalid feature name {show(name)}: {problem}"))
        if i and name == names_[i - 1]:
            found.append(duplicate(index(at, i), name))
        elif i and name < names_[i - 1]:
            found.append(invalid(index(at, i), name, "list must be sorted alphabetically"))
    return found


def _feature_problem(name: str) -> str:
    if len(name) > MAX_FEATURE:
        return f"must be no more than {MAX_FEATURE} characters"
    if _is_feature(name):
        return ""
    return (
        "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or "
        "MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
    )


def _validate(obj: Obj) -> Errors:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    found: Errors = []
    if taints := spec.get("taints"):
        found.extend(_taints(taints))
    found.extend(_resources(state))
    swap = ((state.get("nodeInfo") or {}).get("swap") or {}).get("capacity")
    if swap is not None and swap <= 0:  # upstream names metadata here, too
        found.append(invalid("metadata.nodeSwapStatus.capacity", swap, POSITIVE))
    found.extend(_features(state.get("declaredFeatures") or []))
    if cidrs := spec.get("podCIDRs"):
        found.extend(_pod_cidrs(cidrs))
    return found


_MAY_CHANGE = ("taints", "unschedulable", "configSource")


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found: Errors = []
    if taints := after.get("taints"):
        found.extend(_taints(taints))
    munged = {k: v for k, v in after.items() if k not in _MAY_CHANGE}
    fixed = {k: v for k, v in before.items() if k not in _MAY_CHANGE}
    for name in ("podCIDR", "podCIDRs", "providerID"):
        if not fixed.get(name) and munged.get(name):
            fixed[name] = munged[name]
    if before.get("podCIDRs") and after.get("podCIDRs") != before["podCIDRs"]:
        found.append(forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'))
    if before.get("providerID") and after.get("providerID") != before["providerID"]:
        found.append(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'))
    if not before.get("podCIDRs") and (cidrs := after.get("podCIDRs")):
        found.extend(_pod_cidrs(cidrs))
    if munged != fixed:
        found.append(forbidden(NO_PATH, _MAY_CHANGE_ONLY))
    return found


def _prepare_update(new: Obj, old: Obj) -> None:
    new["status"] = old.get("status", {})
    _drop_config(new, (old.get("spec") or {}).get("configSource") is not None)


def _drop_config(obj: Obj, used: bool = False) -> None:
    """Configuration of kubelets by objects is gone; what a node has of it may stay."""
    if not used:
        (obj.get("spec") or {}).pop("configSource", None)


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    spec = new.get("spec") or {}
    found: list[str] = []
    if spec.get("configSource") is not None:
        found.append("spec.configSource: deprecated in v1.22, support removed in v1.26")
    if spec.get("externalID"):
        found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    for i, cidr in enumerate(spec.get("podCIDRs") or ()):
        found.extend(cidr_warnings(cidr, index("spec.podCIDRs", i)))
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    found = _resources(state)
    if features := state.get("declaredFeatures"):
        found.extend(_features(features))
    seen: set[tuple[str, str]] = set()
    for i, address in enumerate(state.get("addresses") or ()):
        pair = (address.get("type", ""), address.get("address", ""))
        if pair in seen:
            found.append(duplicate(index("status.addresses", i), go_value("core.NodeAddress", address)))
        seen.add(pair)
    return found


def _status(obj: Obj) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    shown = [
        "Ready" if condition.get("status") == "True" else "NotReady"
        for condition in conditions
        if condition.get("type") == "Ready"
    ] or ["Unknown"]
    if (obj.get("spec") or {}).get("unschedulable"):
        shown.append("SchedulingDisabled")
    return ",".join(shown)


def _roles(labels: dict[str, str]) -> str:
    roles = {name.removeprefix(ROLE_PREFIX) for name in labels if name.startswith(ROLE_PREFIX)} - {""}
    if role := labels.get(ROLE_LABEL):
        roles.add(role)
    return ",".join(sorted(roles)) or "<none>"


def _address(state: Obj, kind: str) -> str:
    addresses = state.get("addresses") or ()
    return next((a.get("address", "") for a in addresses if a.get("type") == kind), "<none>")


def _row(obj: Obj, now: datetime) -> Cells:
    state = obj.get("status") or {}
    info = state.get("nodeInfo") or {}
    return [
        name_of(obj),
        _status(obj),
        _roles((obj.get("metadata") or {}).get("labels") or {}),
        age(obj, now),
        info.get("kubeletVersion", ""),
        _address(state, "InternalIP"),
        _address(state, "ExternalIP"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


RESOURCES = (
    Resource(
        kind="Node",
        update_checks=TWICE,
        plural="nodes",
        definition="io.k8s.api.core.v1.Node",
        namespaced=False,
        short_names=("no",),
        subresources={
            "status": status(prepare=prepare_status_update, validate=_validate_status),
            "proxy": Subresource(
                name="proxy", verbs=("create", "delete", "get", "patch", "update"), kind="NodeProxyOptions"
            ),
        },
        generation=False,
        default=_default,
        prepare_create=_drop_config,
        prepare_update=_prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        warnings=_warnings,
        columns=(
            NAME_COLUMN,
            Column("Status"),
            Column("Roles"),
            AGE_COLUMN,
            Column("Version"),
            Column("Internal-IP", priority=1),
            Column("External-IP", priority=1),
            Column("OS-Image", priority=1),
            Column("Kernel-Version", priority=1),
            Column("Container-Runtime", priority=1),
        ),
        row=_row,
        selectable=lambda obj: {
            "spec.unschedulable": "true" if (obj.get("spec") or {}).get("unschedulable") else "false"
        },
        selectable_names=("spec.unschedulable",),
    ),
)
