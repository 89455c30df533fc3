"""Manifests of versions that Kubernetes has withdrawn, through every kubectl of this machine."""

from __future__ import annotations

import pytest

from tests.support.kubectl import Kubectl, installed
from tests.support.running import REPOSITORY, Server, eventually

LEGACY = REPOSITORY / "examples" / "legacy" / "nginx-extensions-v1beta1.yaml"
DEPLOYMENT = (
    "Warning: extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment\n"
)
INGRESS = """
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: example.com
    http: {paths: [{path: /, backend: {serviceName: web, servicePort: 80}}]}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata: {name: crontabs.old.example.com}
spec:
  group: old.example.com
  version: v1
  names: {plural: crontabs, kind: CronTab, shortNames: [ct]}
  additionalPrinterColumns: [{name: Spec, type: string, JSONPath: .spec.cronSpec}]
  validation: {openAPIV3Schema: {properties: {spec: {properties: {replicas: {type: integer, minimum: 1}}}}}}
"""
CRONTAB = """
apiVersion: old.example.com/v1
kind: CronTab
metadata: {name: c}
spec: {cronSpec: "* * * * *", replicas: 2, unknown: {kept: "yes"}}
"""


@pytest.mark.parametrize("version", list(installed()) or [pytest.param("", marks=pytest.mark.skip("no kubectl"))])
def test_the_legacy_example_runs_unchanged(simulated: Server, version: str) -> None:
    name = f"legacy-{version.replace('.', '-')}"
    kubectl = Kubectl(installed()[version], simulated.kubeconfig, name)
    kubectl("create", "namespace", name)
    done = kubectl.run("apply", "-f", str(LEGACY))
    assert (done.returncode, done.stdout) == (0, "deployment.extensions/nginx-deployment created\n"), done.stderr
    assert done.stderr == DEPLOYMENT
    kubectl("rollout", "status", "deployment/nginx-deployment", "--timeout=60s")
    assert kubectl.json("deployments.apps", "nginx-deployment")["status"]["readyReplicas"] == 2
    assert kubectl("apply", "-f", str(LEGACY)) == "deployment.extensions/nginx-deployment unchanged\n"
    assert kubectl("delete", "-f", str(LEGACY)).startswith('deployment.extensions "nginx-deployment" deleted')
    kubectl("delete", "namespace", name, "--wait=false")


def test_an_old_ingress_is_listed_and_explained(kubectl: Kubectl) -> None:
    done = kubectl.run("apply", "-f", "-", stdin=INGRESS)
    assert done.stdout == "ingress.networking.k8s.io/web created\n", done.stderr
    assert done.stderr.startswith("Warning: networking.k8s.io/v1beta1 Ingress is deprecated in v1.19+")
    listed = kubectl("get", "ing")
    assert listed.split()[:6] == ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]
    assert listed.splitlines()[1].split()[:3] == ["web", "<none>", "example.com"]
    backend = kubectl.json("ingress", "web")["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend == {"service": {"name": "web", "port": {"number": 80}}}
    old = kubectl.json("ingresses.v1beta1.networking.k8s.io", "web")["spec"]["rules"][0]["http"]["paths"][0]
    assert old["backend"] == {"serviceName": "web", "servicePort": 80}
    said = kubectl("explain", "ingress.spec.backend", "--api-version=networking.k8s.io/v1beta1")
    assert "serviceName" in said
    assert "VERSION:    v1beta1" in said.replace("VERSION:  networking.k8s.io/v1beta1", "VERSION:    v1beta1")


def test_an_old_definition_serves_resources_that_keep_what_it_does_not_name(kubectl: Kubectl) -> None:
    try:
        kubectl("apply", "-f", "-", stdin=DEFINITION)
        # conditions are null for a moment, as upstream, and kubectl's wait gives up over that
        established = ("wait", "--for=condition=Established", "crd/crontabs.old.example.com", "--timeout=30s")
        eventually(lambda: kubectl.run(*established).returncode == 0)
        eventually(lambda: kubectl.run("get", "ct").returncode == 0)
        kubectl("apply", "-f", "-", stdin=CRONTAB)
        assert kubectl.json("ct", "c")["spec"]["unknown"] == {"kept": "yes"}
        assert kubectl("get", "ct", "--no-headers").split() == ["c", "*", "*", "*", "*", "*"]
        assert "should be greater than or equal to 1" in kubectl.fails(
            "apply", "-f", "-", stdin=CRONTAB.replace("replicas: 2", "replicas: 0")
        )
    finally:
        kubectl.run("delete", "crd", "crontabs.old.example.com")
