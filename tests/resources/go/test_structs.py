"""Names of Go's struct fields."""

from __future__ import annotations

import pytest

from kube_lite.resources import schema
from kube_lite.resources.go.structs import field_path, go_name, is_pointer, is_small, struct_order


@pytest.mark.parametrize(
    ("name", "go"),
    [
        ("hostIP", "HostIP"),
        ("apiVersion", "APIVersion"),
        ("podIPs", "PodIPs"),
        ("ips", "IPs"),
        ("uid", "UID"),
        ("tcpSocket", "TCPSocket"),
        ("fsGroup", "FSGroup"),
        ("ipFamilies", "IPFamilies"),
        ("externalIPs", "ExternalIPs"),
        ("osImage", "OSImage"),
        ("image", "Image"),
        ("ipcLock", "IPCLock"),
        ("idle", "Idle"),
        ("caBundle", "CABundle"),
        ("tls", "TLS"),
        ("x-kubernetes-list-type", "XListType"),
        ("gmsaCredentialSpec", "GMSACredentialSpec"),
    ],
)
def test_initialisms_are_capitals(name: str, go: str) -> None:
    assert go_name(name) == go


def test_embedded_structs_are_named_first() -> None:
    pod = schema.type_for("", "v1", "Pod")
    assert field_path(pod, "metadata") == ("ObjectMeta",)
    assert field_path(pod, "kind") == ("TypeMeta", "Kind")
    assert field_path(pod.at("spec", "volumes", "*"), "emptyDir") == ("VolumeSource", "EmptyDir")
    assert field_path(pod.at("spec", "volumes", "*"), "name") == ("Name",)


def _type(api_version: str, kind: str) -> schema.Type:
    group, _, version = api_version.partition("/")
    return schema.type_for(group, version, kind)


@pytest.mark.parametrize("version", ["networking.k8s.io/v1", "networking.k8s.io/v1beta1", "extensions/v1beta1"])
def test_a_rule_of_an_ingress_embeds_what_it_holds(version: str) -> None:
    ingress = _type(version, "Ingress")
    rule = ingress.at("spec", "rules", "*")
    assert field_path(rule, "http") == ("IngressRuleValue", "HTTP")
    assert field_path(rule, "host") == ("Host",)
    path = rule.at("http", "paths", "*")
    assert is_pointer(path, path.fields["pathType"])


@pytest.mark.parametrize(
    ("version", "kind", "where", "name", "pointer"),
    [
        ("scheduling.k8s.io/v1", "PriorityClass", (), "preemptionPolicy", True),
        ("scheduling.k8s.io/v1", "PriorityClass", (), "description", False),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", ("webhooks", "*"), "sideEffects", True),
        ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration", ("webhooks", "*"), "name", False),
        ("certificates.k8s.io/v1", "CertificateSigningRequest", ("spec",), "signerName", False),
        ("certificates.k8s.io/v1beta1", "CertificateSigningRequest", ("spec",), "signerName", True),
        ("extensions/v1beta1", "NetworkPolicy", ("spec", "ingress", "*", "ports", "*"), "protocol", True),
        ("networking.k8s.io/v1", "NetworkPolicy", ("spec", "ingress", "*", "ports", "*"), "port", True),
        ("discovery.k8s.io/v1beta1", "EndpointSlice", ("ports", "*"), "name", True),
        ("coordination.k8s.io/v1beta1", "Lease", ("spec",), "holderIdentity", True),
    ],
)
def test_pointers_keep_what_is_empty(version: str, kind: str, where: tuple[str, ...], name: str, pointer: bool) -> None:
    owner = _type(version, kind).at(*where)
    assert is_pointer(owner, owner.fields[name]) is pointer


def test_structs_that_grew_are_still_read_by_hashes() -> None:
    hooks = schema.type_for("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration")
    assert is_small(hooks.at("webhooks", "*"))
    assert not is_small(
        schema.type_for("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration").at("webhooks", "*")
    )


def test_fields_are_printed_in_the_order_of_the_struct() -> None:
    about = schema.type_for("", "v1", "Event").at("involvedObject")
    assert struct_order(about, ["apiVersion", "name", "kind", "uid"]) == ["kind", "name", "uid", "apiVersion"]
    rule = schema.type_for("rbac.authorization.k8s.io", "v1beta1", "Role").at("rules", "*")
    assert struct_order(rule, ["apiGroups", "resources", "verbs"]) == ["verbs", "apiGroups", "resources"]
