"""What jobs and kinds of the network and of storage warn of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import changed, resource

OLD = "beta.kubernetes.io/os"
NEW = 'deprecated since v1.14; use "kubernetes.io/os" instead'
ADMISSION = "admissionregistration.k8s.io"
RESERVED = 'names ending with ".static.k8s.io" will be reserved for static manifest-based configurations'
CLASS = "kubernetes.io/ingress.class"
MANY: dict[str, Any] = {"completionMode": "Indexed", "completions": 100_001, "parallelism": 10_001}
INDEXED = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes"
SLICES = ("discovery.k8s.io", "endpointslices")
LONG = "2001:db8:0::1"
CANONICAL = f'IPv6 address "{LONG}" should be in RFC 5952 canonical format ("2001:db8::1")'
MANAGED = {"labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}


@pytest.mark.parametrize(
    ("kind", "obj", "create", "update"),
    [
        (("batch", "jobs"), {"spec": MANY}, f"spec: {INDEXED}", f"spec: {INDEXED}"),
        (("batch", "jobs"), {"metadata": {"name": "a.b"}}, "metadata.name: this is used in Pod names", ""),
        (("batch", "cronjobs"), {"spec": {"jobTemplate": {"spec": MANY}}}, f"spec.jobTemplate.spec: {INDEXED}", None),
        (
            ("networking.k8s.io", "ingresses"),
            {"metadata": {"annotations": {CLASS: "x"}}},
            f"annotation \"{CLASS}\" is deprecated, please use 'spec.ingressClassName' instead",
            "",
        ),
        (
            ("networking.k8s.io", "networkpolicies"),
            {"spec": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.2.3/16"]}}]}]}},
            'spec.egress[0].to[0].ipBlock.except[0]: CIDR value "10.1.2.3/16" is ambiguous',
            None,
        ),
        (SLICES, {"addressType": "FQDN"}, "spec.addressType: FQDN endpoints are deprecated", ""),
        (SLICES, {"endpoints": [{"addresses": [LONG]}]}, f"endpoints[0].addresses[0]: {CANONICAL}", None),
        (SLICES, {"metadata": MANAGED, "endpoints": [{"addresses": [LONG]}]}, "", ""),
        *(
            ((ADMISSION, plural), {"metadata": {"name": "a.static.k8s.io"}}, f"metadata.name: {RESERVED}", "")
            for plural in (
                f"{what}{part}"
                for what in ("mutating", "validating")
                for part in ("admissionpolicies", "admissionpolicybindings", "webhookconfigurations")
            )
        ),
        (
            ("storage.k8s.io", "csistoragecapacities"),
            {"nodeTopology": {"matchExpressions": [{"key": OLD}]}},
            f"nodeTopology.matchExpressions[0].key: {OLD} is {NEW}",
            None,
        ),
        (
            ("storage.k8s.io", "csistoragecapacities"),
            {"nodeTopology": {"matchLabels": {OLD: "x"}}},
            f"nodeTopology.matchLabels.{OLD}: {NEW}",
            None,
        ),
    ],
)
def test_warnings(kind: tuple[str, str], obj: dict[str, Any], create: str, update: str | None) -> None:
    """``update`` is what a change of the whole is warned of, None for the same."""
    made = {"metadata": {"name": "a"}, **obj}
    warn = resource(*kind).warnings
    old = changed(made, {"spec": {}}) if "spec" in made else made
    for found, wanted in ((warn(made, None), create), (warn(made, old), create if update is None else update)):
        assert len(found) == bool(wanted)
        assert all(text.startswith(wanted) for text in found)


def _definition(*schemas: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {str(i): one for i, one in enumerate(schemas)}}
    return {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}


def test_formats_that_nobody_checks_are_told_of_once() -> None:
    warn = resource("apiextensions.k8s.io", "customresourcedefinitions").warnings
    known = ({"type": "string", "format": name} for name in ("date-time", "k8s-short-name", "datetime"))
    numbers = {"type": "integer", "format": "int32"}, {"type": "number", "format": "double"}
    assert not warn(_definition(*known, *numbers, {"x-kubernetes-int-or-string": True, "format": "x"}), None)
    odd = {"type": "string", "format": "datatime"}
    listed = {"type": "array", "format": "cidr", "items": odd}
    told = ['unrecognized format "datatime"', 'unrecognized format "cidr"']
    assert warn(_definition(odd, listed), None) == told
    assert warn(_definition(odd, listed), _definition(odd)) == told[1:]
