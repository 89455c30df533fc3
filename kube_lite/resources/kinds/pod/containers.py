"""Validation of containers: ports, mounts, and what differs between the three sorts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kube_lite.resources import names
from kube_lite.resources.field import (
    Errors,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    not_found,
    not_supported,
    required,
)
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.environment import validate_env, validate_env_from
from kube_lite.resources.kinds.pod.lifecycle import validate_life, validate_resize_policy, validate_restarts
from kube_lite.resources.kinds.pod.requirements import validate_requirements
from kube_lite.resources.kinds.pod.security import validate_container_security
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import port_number

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_NOT_IN_INIT = "must not be set for init containers"
_NO_RESTART = "must not be set to 'RestartContainer' for non-sidecar initContainers"
_HOOKS = {"lifecycle": "Lifecycle", "livenessProbe": "Probe", "readinessProbe": "Probe", "startupProbe": "Probe"}
"""What only containers that keep running may have, and the type of each."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What the containers of one pod are judged against."""

    volumes: Mapping[str, Obj]
    claims: Collection[str]
    grace_period: int
    restart_policy: str = "Always"
    host_users: bool = True


def _ports(ports: list[Obj], path: str) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for i, port in enumerate(ports):
        if name := port.get("name", ""):
            at = child(index(path, i), "name")
            if problems := names.port_name(name):
                found.extend(invalid(at, name, problem) for problem in problems)
            elif name in seen:
                found.append(duplicate(at, name))
            seen.add(name)
        number = port.get("containerPort", 0)
        if not number:
            found.append(required(child(index(path, i), "containerPort")))
        elif not 0 < number < 65536:
            found.extend(port_number(number, child(index(path, i), "containerPort")))
        if host := port.get("hostPort", 0):
            found.extend(port_number(host, child(index(path, i), "hostPort")))
        protocol = port.get("protocol", "")
        if protocol not in PROTOCOLS:
            at = child(index(path, i), "protocol")
            found.append(not_supported(at, protocol, PROTOCOLS) if protocol else required(at))
    return found


def host_port_conflicts(containers: list[Obj], path: str, seen: set[str]) -> Errors:
    """Two ports of one pod that want the same port of the node."""
    found: Errors = []
    for i, container in enumerate(containers):
        for j, port in enumerate(container.get("ports") or ()):
            if number := port.get("hostPort"):
                text = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{number}"
                if text in seen:
                    at = child(index(child(index(path, i), "ports"), j), "hostPort")
                    found.append(duplicate(at, text))
                seen.add(text)
    return found


def validate_descending_path(text: str, path: str) -> Errors:
    """A path that stays below where it starts."""
    found: Errors = []
    if text.startswith("/"):
        found.append(invalid(path, text, "must be a relative path"))
    if ".." in text.split("/"):
        found.append(invalid(path, text, "must not contain '..'"))
    return found


def _mount_options(mount: Obj, container: Obj, path: str, at: str) -> Errors:
    """Sub-paths, propagation and recursion; upstream names the list, not the entry, for most of them."""
    found: Errors = []
    sub, expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
    if sub:
        found.extend(validate_descending_path(sub, child(path, "subPath")))
    if expression:
        if sub:
            detail = "subPathExpr and subPath are mutually exclusive"
            found.append(invalid(child(at, "subPathExpr"), expression, detail))
        found.extend(validate_descending_path(expression, child(path, "subPathExpr")))
    propagation = mount.get("mountPropagation")
    if propagation is not None:
        where, choices = child(path, "mountPropagation"), ("Bidirectional", "HostToContainer", "None")
        if propagation not in choices:
            found.append(not_supported(where, propagation, choices))
        privileged = (container.get("securityContext") or {}).get("privileged")
        if propagation == "Bidirectional" and not privileged:
            detail = "Bidirectional mount propagation is available only to privileged containers"
            found.append(forbidden(where, detail))
    recursive = mount.get("recursiveReadOnly")
    if recursive is not None:
        where = child(path, "recursiveReadOnly")
        if recursive not in ("Disabled", "Enabled", "IfPossible"):
            found.append(not_supported(where, recursive, ("Disabled", "Enabled", "IfPossible")))
        elif recursive != "Disabled":
            if not mount.get("readOnly"):
                found.append(forbidden(where, "may only be specified when readOnly is true"))
            if propagation not in (None, "None"):
                detail = "may only be specified when mountPropagation is None or not specified"
                found.append(forbidden(where, detail))
    return found


def _mounts(container: Obj, path: str, volumes: Mapping[str, Obj]) -> Errors:
    found: Errors = []
    devices = container.get("volumeDevices") or ()
    device_names = {device.get("name") for device in devices}
    device_paths = {device.get("devicePath") for device in devices}
    seen: set[str] = set()
    for i, mount in enumerate(container["volumeMounts"]):
        at = index(path, i)
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            found.append(required(child(at, "name")))
        if name not in volumes:
            found.append(not_found(child(at, "name"), name))
        if not where:
            found.append(required(child(at, "mountPath")))
        if where in seen:
            found.append(invalid(child(at, "mountPath"), where, "must be unique"))
        seen.add(where)
        if name in device_names:
            found.append(invalid(child(at, "name"), name, "must not already exist in volumeDevices"))
        if where in device_paths:
            found.append(invalid(child(at, "mountPath"), where, "must not already exist as a path in volumeDevices"))
        found.extend(_mount_options(mount, container, path, at))
    return found


def _devices(container: Obj, path: str, volumes: Mapping[str, Obj]) -> Errors:
    found: Errors = []
    mounts = container.get("volumeMounts") or ()
    mount_names, mount_paths = {m.get("name") for m in mounts}, {m.get("mountPath") for m in mounts}
    seen_names: set[str] = set()
    seen_paths: set[str] = set()
    for i, device in enumerate(container["volumeDevices"]):
        at = index(path, i)
        name, where = device.get("name", ""), device.get("devicePath", "")
        if not name:
            found.append(required(child(at, "name")))
        if name in seen_names:
            found.append(invalid(child(at, "name"), name, "must be unique"))
        volume = volumes.get(name)
        if volume is None:
            found.append(not_found(child(at, "name"), name))
        elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            found.append(invalid(child(at, "name"), name, detail))
        if not where:
            found.append(required(child(at, "devicePath")))
        if where in seen_paths:
            found.append(invalid(child(at, "devicePath"), where, "must be unique"))
        if ".." in where.split("/"):
            found.append(invalid(child(at, "devicePath"), where, "can not contain backsteps ('..')"))
        else:
            seen_paths.add(where)
        if name in mount_names:
            found.append(invalid(child(at, "name"), name, "must not already exist in volumeMounts"))
        if where in mount_paths:
            found.append(invalid(child(at, "devicePath"), where, "must not already exist as a path in volumeMounts"))
        seen_names.add(name)
    return found


def _common(container: Obj, path: str, facts: PodFacts, seen: set[str] | None = None) -> Errors:
    """What holds for every sort of container.

    :param seen: names of the containers before this one, of the same list
    """
    found: Errors = []
    name, image = container.get("name", ""), container.get("image", "")
    if not name:
        found.append(required(child(path, "name")))
    elif problems := names.dns_label(name):
        found.extend(invalid(child(path, "name"), name, problem) for problem in problems)
    if seen is not None:
        if name in seen:
            found.append(duplicate(child(path, "name"), name))
        seen.add(name)
    if not image:
        found.append(required(child(path, "image")))
    found.extend(validate_life(container, path, facts.grace_period))
    if ports := container.get("ports"):
        found.extend(_ports(ports, child(path, "ports")))
    if env := container.get("env"):
        found.extend(validate_env(env, child(path, "env"), facts.volumes))
    if env_from := container.get("envFrom"):
        found.extend(validate_env_from(env_from, child(path, "envFrom")))
    if container.get("volumeMounts"):
        found.extend(_mounts(container, child(path, "volumeMounts"), facts.volumes))
    if container.get("volumeDevices"):
        found.extend(_devices(container, child(path, "volumeDevices"), facts.volumes))
    policy = container.get("imagePullPolicy", "")
    if policy not in PULL_POLICIES:
        at = child(path, "imagePullPolicy")
        found.append(not_supported(at, policy, PULL_POLICIES) if policy else required(at))
    if resources := container.get("resources"):
        found.extend(validate_requirements(resources, child(path, "resources"), facts.claims))
    if policies := container.get("resizePolicy"):
        found.extend(validate_resize_policy(policies, child(path, "resizePolicy"), facts.restart_policy))
    if context := container.get("securityContext"):
        found.extend(validate_container_security(context, child(path, "securityContext"), host_users=facts.host_users))
    return found


def validate_containers(containers: list[Obj], path: str, facts: PodFacts) -> Errors:
    """``containers``: at least one, with names of their own and no conflicting host ports."""
    if not containers:
        return [required(path)]
    found: Errors = []
    seen: set[str] = set()
    host_ports = False
    for i, container in enumerate(containers):
        at = index(path, i)
        found.extend(_common(container, at, facts, seen))
        if "restartPolicy" in container or "restartPolicyRules" in container:
            found.extend(validate_restarts(container, at))
        host_ports = host_ports or bool(container.get("ports"))
    if host_ports:
        found.extend(host_port_conflicts(containers, path, set()))
    return found


def validate_init_containers(containers: list[Obj], others: list[Obj], path: str, facts: PodFacts) -> Errors:
    """``initContainers``: those that restart always (sidecars) may have probes and hooks."""
    found: Errors = []
    own: set[str] = set()
    for i, container in enumerate(containers):
        at = index(path, i)
        found.extend(_common(container, at, facts, own))
        if "restartPolicy" in container or "restartPolicyRules" in container:
            found.extend(validate_restarts(container, at))
    for container in containers:
        found.extend(host_port_conflicts([container], path, set()))
    seen = {container.get("name", "") for container in others}
    for i, container in enumerate(containers):
        at = index(path, i)
        name = container.get("name", "")
        if name in seen:
            found.append(duplicate(child(at, "name"), name))
        if name:
            seen.add(name)
        if container.get("restartPolicy") == "Always":
            continue
        for hook, struct in _HOOKS.items():
            if container.get(hook) is not None:
                shown = go_value(f"core.{struct}", container[hook])
                found.append(invalid(child(at, hook), shown, _NOT_IN_INIT))
        for j, policy in enumerate(container.get("resizePolicy") or ()):
            if policy.get("restartPolicy") == "RestartContainer":
                where = child(index(child(at, "resizePolicy"), j), "restartPolicy")
                found.append(invalid(where, "RestartContainer", _NO_RESTART))
    return found


def validate_images_of_a_pod(containers: list[Obj], path: str) -> Errors:
    """What only containers of pods are asked for, not those of templates."""
    return [error for i, container in enumerate(containers) for error in _image_spaces(container, index(path, i))]


def _image_spaces(container: Obj, path: str) -> Errors:
    image = container.get("image", "")
    if image == image.strip():
        return []
    return [invalid(child(path, "image"), image, "must not have leading or trailing whitespace")]


_NOT_IN_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)


def validate_ephemeral_containers(
    containers: list[Obj], regular: list[Obj], init: list[Obj], path: str, facts: PodFacts
) -> Errors:
    """``ephemeralContainers``: names unlike any other, targets that exist, and few fields."""
    found: Errors = []
    targets = {container.get("name", "") for container in (*regular, *init)}
    seen = set(targets)
    for i, container in enumerate(containers):
        at = index(path, i)
        found.extend(_common(container, at, facts))
        found.extend(_image_spaces(container, at))
        name, target = container.get("name", ""), container.get("targetContainerName", "")
        if name in seen:
            found.append(duplicate(child(at, "name"), name))
        seen.add(name)
        if target and target not in targets:
            found.append(not_found(child(at, "targetContainerName"), target))
        for name in _NOT_IN_EPHEMERAL:
            if container.get(name) or (name in ("lifecycle", "restartPolicy") and name in container):
                found.append(forbidden(child(at, name), _EPHEMERAL))
        for j, mount in enumerate(container.get("volumeMounts") or ()):
            for name in ("subPath", "subPathExpr"):
                if mount.get(name):
                    found.append(forbidden(child(index(child(at, "volumeMounts"), j), name), _EPHEMERAL))
    return found


_EPHEMERAL = "cannot be set for an Ephemeral Container"
