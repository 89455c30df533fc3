"""Services, ConfigMaps, Secrets, Namespaces; and every other kind by what its objects hold."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from kube_lite.cli.connection import Obj
from kube_lite.cli.describe.text import Page, date
from kube_lite.cli.names import builtin_named
from kube_lite.cli.selection import label_selector

_ACRONYMS = {"Api": "API", "Id": "ID", "Ip": "IP", "Uid": "UID", "Url": "URL", "Tls": "TLS", "Cpu": "CPU"}


def describe_service(page: Page) -> None:
    """A Service, with what answers for it."""
    spec, status = page.obj.get("spec") or {}, page.obj.get("status") or {}
    page.heading()
    page.add(0, "Selector:", label_selector(spec.get("selector")) or "<none>")
    page.add(0, "Type:", spec.get("type", ""))
    if spec.get("ipFamilyPolicy"):
        page.add(0, "IP Family Policy:", spec["ipFamilyPolicy"])
    page.add(0, "IP Families:", ",".join(spec.get("ipFamilies") or ()) or "<none>")
    page.add(0, "IP:", spec.get("clusterIP", ""))
    page.add(0, "IPs:", ",".join(spec.get("clusterIPs") or ()) or "<none>")
    for title, values in (("External IPs:", spec.get("externalIPs")), ("External Name:", spec.get("externalName"))):
        if values:
            page.add(0, title, values if isinstance(values, str) else ",".join(values))
    ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
    if ingress:
        page.add(0, "LoadBalancer Ingress:", ", ".join(i.get("ip") or i.get("hostname", "") for i in ingress))
    slices = _slices(page)
    for port in spec.get("ports") or ():
        name, protocol = port.get("name") or "<unset>", port.get("protocol", "TCP")
        page.add(0, "Port:", name, f"{port.get('port')}/{protocol}")
        page.add(0, "TargetPort:", f"{port.get('targetPort', port.get('port'))}/{protocol}")
        if port.get("nodePort"):
            page.add(0, "NodePort:", name, f"{port['nodePort']}/{protocol}")
        page.add(0, "Endpoints:", _endpoints(slices, port.get("name") or ""))
    page.add(0, "Session Affinity:", spec.get("sessionAffinity", "None"))
    for title, key in (
        ("External Traffic Policy:", "externalTrafficPolicy"),
        ("Internal Traffic Policy:", "internalTrafficPolicy"),
    ):
        if spec.get(key):
            page.add(0, title, spec[key])
    page.events()


def _slices(page: Page) -> list[Obj]:
    kind = builtin_named("endpointslices")
    assert kind is not None
    metadata = page.obj["metadata"]
    query = {"labelSelector": f"kubernetes.io/service-name={metadata['name']}"}
    return page.api.list_all(kind.path(metadata["namespace"]), query).get("items") or []


def _endpoints(slices: list[Obj], port_name: str) -> str:
    found = []
    for piece in slices:
        ports = [p for p in piece.get("ports") or () if (p.get("name") or "") == port_name]
        for endpoint in piece.get("endpoints") or ():
            if ports and (endpoint.get("conditions") or {}).get("ready", True):
                address = endpoint["addresses"][0]
                found.append(f"{f'[{address}]' if ':' in address else address}:{ports[0].get('port')}")
    return f"{','.join(found[:3])} + {len(found) - 3} more..." if len(found) > 3 else ",".join(found)


def describe_config_map(page: Page) -> None:
    """A ConfigMap, with its texts."""
    page.heading()
    page.lines += ["", "Data", "===="]
    data, binary = page.obj.get("data") or {}, page.obj.get("binaryData") or {}
    for key in sorted(data):
        page.lines += [f"{key}:", "----", *data[key].replace("\t", "        ").split("\n"), ""]
    page.lines += ["", "BinaryData", "===="]
    for key in sorted(binary):
        page.lines += [f"{key}: {len(base64.b64decode(binary[key]))} bytes"]
    page.lines += [""]
    page.events()


def describe_secret(page: Page) -> None:
    """A Secret: how long its values are, never what they are."""
    page.heading()
    page.lines += ["", f"Type:  {page.obj.get('type', '')}", "", "Data", "===="]
    data = page.obj.get("data") or {}
    for key in sorted(data):
        page.add(0, f"{key}:", f"{len(base64.b64decode(data[key]))} bytes")


def describe_namespace(page: Page) -> None:
    """A Namespace."""
    page.heading()
    page.add(0, "Status:", (page.obj.get("status") or {}).get("phase", ""))
    if page.obj["metadata"].get("deletionTimestamp"):
        page.add(0, "Terminating since:", date(page.obj["metadata"]["deletionTimestamp"]))
    for condition in (page.obj.get("status") or {}).get("conditions") or ():
        page.add(0, f"{condition.get('type')}:", f"{condition.get('status')} {condition.get('message', '')}")
    for name, heading, none in (
        ("resourcequotas", "Resource Quotas", "No resource quota."),
        ("limitranges", "Resource Limits", "No LimitRange resource."),
    ):
        kind = builtin_named(name)
        assert kind is not None
        found = page.api.list_all(kind.path(page.obj["metadata"]["name"])).get("items") or ()
        page.lines += ["", heading if found else none]
        for item in found:
            page.add(1, "Name:", item["metadata"]["name"])
            hard = (item.get("status") or {}).get("hard") or {}
            used = (item.get("status") or {}).get("used") or {}
            for key in sorted(hard):
                page.add(1, key, str(used.get(key, "0")), str(hard[key]))


def describe_service_account(page: Page) -> None:
    """A ServiceAccount."""
    page.heading()
    page.column(0, "Image pull secrets:", [s.get("name", "") for s in page.obj.get("imagePullSecrets") or ()])
    page.column(0, "Mountable secrets:", [s.get("name", "") for s in page.obj.get("secrets") or ()])
    page.column(0, "Tokens:", [])
    page.events()


def describe_generic(page: Page) -> None:
    """Any object: its fields, their names spelled out."""
    page.heading()
    page.add(0, "API Version:", page.obj.get("apiVersion", ""))
    page.add(0, "Kind:", page.obj.get("kind", ""))
    metadata = {
        key: value
        for key, value in page.obj["metadata"].items()
        if key not in ("name", "namespace", "labels", "annotations", "managedFields")
    }
    _fields(page, 0, {"metadata": metadata})
    _fields(page, 0, {k: v for k, v in page.obj.items() if k not in ("apiVersion", "kind", "metadata")})
    page.events()


def words(field: str) -> str:
    """``leaseDurationSeconds`` as ``Lease Duration Seconds``."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+|[^A-Za-z0-9]+", field)
    return " ".join(_ACRONYMS.get(part[:1].upper() + part[1:], part[:1].upper() + part[1:]) for part in parts)


def _fields(page: Page, level: int, fields: Obj) -> None:
    for key in sorted(fields):
        value: Any = fields[key]
        # only API fields are words; keys of maps that users fill, such as labels, stay as they are
        title = words(key) if re.fullmatch(r"[A-Za-z0-9]+", key) else key
        if isinstance(value, dict):
            page.add(level, f"{title}:")
            _fields(page, level + 1, value)
        elif isinstance(value, list):
            page.add(level, f"{title}:")
            for item in value:
                if isinstance(item, dict):
                    _fields(page, level + 1, item)
                else:
                    page.add(level + 1, _scalar(item))
        else:
            page.add(level, f"{title}:", _scalar(value))


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "<nil>" if value is None else str(value)


DESCRIBERS: dict[tuple[Any, Any], Callable[[Page], None]] = {
    ("v1", "Service"): describe_service,
    ("v1", "ConfigMap"): describe_config_map,
    ("v1", "Secret"): describe_secret,
    ("v1", "Namespace"): describe_namespace,
    ("v1", "ServiceAccount"): describe_service_account,
}
