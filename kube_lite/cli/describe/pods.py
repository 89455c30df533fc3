"""Pods and pod templates: containers, their states, volumes, conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kube_lite.cli.connection import Obj
from kube_lite.cli.describe.text import Page, align, controlled_by, date

_VOLUME_TYPES = {
    "emptyDir": "EmptyDir (a temporary directory that shares a pod's lifetime)",
    "hostPath": "HostPath (bare host directory volume)",
    "configMap": "ConfigMap (a volume populated by a ConfigMap)",
    "secret": "Secret (a volume populated by a Secret)",
    "downwardAPI": "DownwardAPI (a volume populated by information about the pod)",
    "projected": "Projected (a volume that contains injected data from multiple sources)",
    "persistentVolumeClaim": "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
    "nfs": "NFS (an NFS mount that lasts the lifetime of a pod)",
    "csi": "CSI (a Container Storage Interface (CSI) volume source)",
}


def describe_pod(page: Page) -> None:
    """A pod."""
    metadata, spec, status = page.obj["metadata"], page.obj.get("spec") or {}, page.obj.get("status") or {}
    page.heading(labels=False)
    page.add(0, "Priority:", str(spec.get("priority", 0)))
    if spec.get("priorityClassName"):
        page.add(0, "Priority Class Name:", spec["priorityClassName"])
    page.add(0, "Service Account:", spec.get("serviceAccountName") or "<none>")
    host = status.get("hostIP")
    node = spec.get("nodeName")
    page.add(0, "Node:", f"{node}/{host}" if node and host else f"{node}/" if node else "<none>")
    if status.get("startTime"):
        page.add(0, "Start Time:", date(status["startTime"]))
    page.labels()
    page.annotations()
    if metadata.get("deletionTimestamp"):
        page.add(0, "Status:", f"Terminating (lasts {page.age(metadata['deletionTimestamp'])})")
        page.add(0, "Termination Grace Period:", f"{metadata.get('deletionGracePeriodSeconds', 0)}s")
    else:
        page.add(0, "Status:", status.get("phase", ""))
    for title, key in (("Reason:", "reason"), ("Message:", "message")):
        if status.get(key):
            page.add(0, title, status[key])
    page.add(0, "IP:", status.get("podIP", ""))
    page.add(0, *(("IPs:",) if status.get("podIPs") else ("IPs:", "<none>")))
    for address in status.get("podIPs") or ():
        page.add(1, "IP:", address.get("ip", ""))
    controlled_by(page)
    if status.get("nominatedNodeName"):
        page.add(0, "NominatedNodeName:", status["nominatedNodeName"])
    for title, containers, statuses in (
        ("Init Containers:", "initContainers", "initContainerStatuses"),
        ("Containers:", "containers", "containerStatuses"),
        ("Ephemeral Containers:", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        if spec.get(containers):
            _containers(page, title, spec[containers], {s["name"]: s for s in status.get(statuses) or ()})
    _conditions(page, status.get("conditions") or ())
    _volumes(page, spec.get("volumes") or (), 0)
    if status.get("qosClass"):
        page.add(0, "QoS Class:", status["qosClass"])
    _placement(page, spec, 0)
    page.events()


def describe_template(page: Page, template: Obj) -> None:
    """A workload's pod template."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    page.add(0, "Pod Template:")
    page.labels(1, metadata.get("labels") or {})
    if metadata.get("annotations"):
        page.annotations(1, metadata["annotations"])
    if spec.get("serviceAccountName"):
        page.add(1, "Service Account:", spec["serviceAccountName"])
    if spec.get("initContainers"):
        _containers(page, "  Init Containers:", spec["initContainers"], None, " ")
    _containers(page, "  Containers:", spec.get("containers") or (), None, " ")
    _volumes(page, spec.get("volumes") or (), 1)
    if spec.get("priorityClassName"):
        page.add(1, "Priority Class Name:", spec["priorityClassName"])
    _placement(page, spec, 1)


def template_lines(template: Obj) -> list[str]:
    """The same by itself, aligned."""
    page = Page.__new__(Page)
    page.lines = []
    describe_template(page, template)
    return align(page.lines)


def _containers(page: Page, title: str, containers: Sequence[Obj], states: dict[str, Obj] | None, by: str = "") -> None:
    page.lines.append(title)
    for container in containers:
        name = container["name"]
        page.lines.append(f"  {by}{name}:")
        state = (states or {}).get(name)

        def add(level: int, *cells: str) -> None:
            page.add(level, *cells)

        if state is not None:
            add(2, "Container ID:", state.get("containerID", ""))
        add(2, "Image:", container.get("image", ""))
        if state is not None:
            add(2, "Image ID:", state.get("imageID", ""))
        ports = container.get("ports") or ()
        plural = "s" if len(ports) > 1 else ""
        add(2, f"Port{plural}:", ", ".join(_port(p, "containerPort") for p in ports) or "<none>")
        add(2, f"Host Port{plural}:", ", ".join(_port(p, "hostPort") for p in ports) or "<none>")
        for heading, key in (("Command:", "command"), ("Args:", "args")):
            if container.get(key):
                add(2, heading)
                for word in container[key]:
                    for line in str(word).split("\n"):
                        add(3, line)
        if state is not None:
            _state(add, state, container["name"])
        _resources(add, container)
        _probes(add, container)
        _environment(add, container)
        mounts = sorted(container.get("volumeMounts") or (), key=lambda m: str(m["mountPath"]))
        add(2, "Mounts:", *(() if mounts else ("<none>",)))
        for mount in mounts:
            flags = ["ro" if mount.get("readOnly") else "rw"]
            flags += [f'path="{mount["subPath"]}"'] if mount.get("subPath") else []
            add(3, f"{mount['mountPath']} from {mount['name']} ({','.join(flags)})")


Add = Callable[..., None]


def _port(port: Obj, key: str) -> str:
    text = f"{port.get(key, 0)}/{port.get('protocol', 'TCP')}"
    return f"{text} ({port['name']})" if key == "containerPort" and port.get("name") else text


def _state(add: Add, status: Obj, name: str) -> None:
    for title, key in (("State", "state"), ("Last State", "lastState")):
        state = status.get(key) or {}
        if state.get("running"):
            add(2, f"{title}:", "Running")
            add(3, "Started:", date(state["running"].get("startedAt")))
        elif state.get("terminated"):
            ended = state["terminated"]
            add(2, f"{title}:", "Terminated")
            if ended.get("reason"):
                add(3, "Reason:", ended["reason"])
            if ended.get("message"):
                add(3, "Message:", ended["message"])
            add(3, "Exit Code:", str(ended.get("exitCode", 0)))
            if ended.get("signal"):
                add(3, "Signal:", str(ended["signal"]))
            add(3, "Started:", date(ended.get("startedAt")))
            add(3, "Finished:", date(ended.get("finishedAt")))
        elif key == "state":
            add(2, f"{title}:", "Waiting")
            if (state.get("waiting") or {}).get("reason"):
                add(3, "Reason:", state["waiting"]["reason"])
    add(2, "Ready:", "True" if status.get("ready") else "False")
    add(2, "Restart Count:", str(status.get("restartCount", 0)))


def _resources(add: Add, container: Obj) -> None:
    resources = container.get("resources") or {}
    for title, key in (("Limits:", "limits"), ("Requests:", "requests")):
        if resources.get(key):
            add(2, title)
            for name in sorted(resources[key]):
                add(3, f"{name}:", str(resources[key][name]))


def _probes(add: Add, container: Obj) -> None:
    for title, key in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
        probe = container.get(key)
        if probe:
            add(2, f"{title}:", _probe(probe))


def _probe(probe: Obj) -> str:
    numbers = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s #success={probe.get('successThreshold', 1)} "
        f"#failure={probe.get('failureThreshold', 3)}"
    )
    if "exec" in probe:
        what = f"exec [{' '.join(probe['exec'].get('command') or ())}]"
    elif "httpGet" in probe:
        get = probe["httpGet"]
        scheme, path = str(get.get("scheme", "HTTP")).lower(), str(get.get("path", "/"))
        what = f"http-get {scheme}://{get.get('host', '')}:{get.get('port')}{path if path[:1] == '/' else '/' + path}"
    elif "tcpSocket" in probe:
        what = f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket'].get('port')}"
    else:
        grpc = probe.get("grpc") or {}
        what = f"grpc <pod>:{grpc.get('port')} {grpc.get('service', '')}".rstrip()
    return f"{what} {numbers}"


def _environment(add: Add, container: Obj) -> None:
    for source in container.get("envFrom") or ():
        kind = "ConfigMap" if "configMapRef" in source else "Secret"
        ref = source.get("configMapRef") or source.get("secretRef") or {}
        add(2, "Environment Variables from:")
        add(3, str(ref.get("name", "")), kind, f"Optional: {'true' if ref.get('optional') else 'false'}")
    variables = container.get("env") or ()
    add(2, "Environment:", *(() if variables else ("<none>",)))
    for variable in variables:
        source = variable.get("valueFrom") or {}
        if "fieldRef" in source:
            field = source["fieldRef"]
            text = f"({field.get('apiVersion', 'v1')}:{field.get('fieldPath')})"
        elif "resourceFieldRef" in source:
            text = f"({source['resourceFieldRef'].get('resource')})"
        elif source:
            kind, key = ("secret", "secretKeyRef") if "secretKeyRef" in source else ("config map", "configMapKeyRef")
            ref = source.get(key) or {}
            optional = "true" if ref.get("optional") else "false"
            text = f"<set to the key '{ref.get('key')}' in {kind} '{ref.get('name')}'>  Optional: {optional}"
            add(3, f"{variable['name']}:", *text.split("  ", 1))
            continue
        else:
            text = str(variable.get("value", ""))
        add(3, f"{variable['name']}:", text.replace("\n", " "))


def _conditions(page: Page, conditions: Sequence[Obj]) -> None:
    if conditions:
        page.add(0, "Conditions:")
        page.add(1, "Type ", "Status")
        for condition in conditions:
            page.add(1, f"{condition.get('type', '')} ", f"{condition.get('status', '')} ")


def _volumes(page: Page, volumes: Sequence[Obj], level: int) -> None:
    page.add(level, *(("Volumes:",) if volumes else ("Volumes:", "<none>")))
    for volume in volumes:
        page.lines.append(f"{' ' if level else ''}{'  ' * (level + (0 if level else 1))}{volume['name']}:")
        kind = next((key for key in volume if key != "name"), "emptyDir")
        source = volume.get(kind) or {}
        page.add(level + 2, "Type:", _VOLUME_TYPES.get(kind, kind))
        if kind == "emptyDir":
            page.add(level + 2, "Medium:", source.get("medium", ""))
            page.add(level + 2, "SizeLimit:", str(source.get("sizeLimit", "<unset>")))
        elif kind == "hostPath":
            page.add(level + 2, "Path:", source.get("path", ""))
            page.add(level + 2, "HostPathType:", source.get("type", ""))
        elif kind in ("configMap", "secret"):
            name = source.get("name") if kind == "configMap" else source.get("secretName")
            page.add(level + 2, "Name:" if kind == "configMap" else "SecretName:", str(name))
            page.add(level + 2, "Optional:", "true" if source.get("optional") else "false")
        elif kind == "persistentVolumeClaim":
            page.add(level + 2, "ClaimName:", source.get("claimName", ""))
            page.add(level + 2, "ReadOnly:", "true" if source.get("readOnly") else "false")
        elif kind == "projected":
            _projected(page, source.get("sources") or (), level + 2)


def _projected(page: Page, sources: Sequence[Obj], level: int) -> None:
    for source in sources:
        if "secret" in source:
            page.add(level, "SecretName:", source["secret"].get("name", ""))
            page.add(level, "Optional:", "true" if source["secret"].get("optional") else "false")
        elif "downwardAPI" in source:
            page.add(level, "DownwardAPI:", "true")
        elif "configMap" in source:
            page.add(level, "ConfigMapName:", source["configMap"].get("name", ""))
            page.add(level, "Optional:", "true" if source["configMap"].get("optional") else "false")
        elif "serviceAccountToken" in source:
            page.add(level, "TokenExpirationSeconds:", str(source["serviceAccountToken"].get("expirationSeconds")))


def _placement(page: Page, spec: Obj, level: int) -> None:
    selector = spec.get("nodeSelector") or {}
    page.column(level, "Node-Selectors:", [f"{key}={selector[key]}" for key in sorted(selector)])
    page.column(level, "Tolerations:", [_toleration(t) for t in spec.get("tolerations") or ()])
    for constraint in spec.get("topologySpreadConstraints") or ():
        page.add(
            level,
            "Topology Spread Constraints:",
            f"{constraint.get('topologyKey')}:{constraint.get('whenUnsatisfiable')} when max skew "
            f"{constraint.get('maxSkew')} is exceeded",
        )


def _toleration(toleration: Obj) -> str:
    text = str(toleration.get("key", ""))
    if toleration.get("value"):
        text += f"={toleration['value']}"
    if toleration.get("effect"):
        text += f":{toleration['effect']}"
    if toleration.get("operator") == "Exists" and not toleration.get("value"):
        text += " op=Exists" if toleration.get("key") or toleration.get("effect") else "op=Exists"
    if toleration.get("tolerationSeconds") is not None:
        text += f" for {toleration['tolerationSeconds']}s"
    return text
