"""The table of names is the registry's, but for the versions that were withdrawn: those need discovery."""

from __future__ import annotations

from kube_lite.cli.names import BUILTIN, Kind, builtin_named
from kube_lite.resources.registry import builtin


def test_the_table_is_the_registrys() -> None:
    served = {
        (r.plural, r.group, r.version, r.kind, r.namespaced, tuple(r.short_names), tuple(r.categories))
        for r in builtin()
        if "unavailable in" not in r.deprecation and ({"get", "list"} & set(r.verbs))
    }
    table = {
        (k.plural, k.group, k.version, k.kind, k.namespaced, tuple(k.short_names), tuple(k.categories)) for k in BUILTIN
    }
    assert table == served


def test_names_mean_what_they_mean_to_the_server() -> None:
    registry = builtin()
    for kind in BUILTIN:
        for name in (kind.plural, kind.kind.lower(), *kind.short_names, kind.qualified):
            found, expected = builtin_named(name), registry.named(name)
            assert found is not None
            assert expected is not None
            assert (found.group, found.version, found.kind) == (expected.group, expected.version, expected.kind), name


def test_paths_are_quoted() -> None:
    assert Kind("pods", "", "v1", "Pod", True).path("a", "b/c", "log") == "/api/v1/namespaces/a/pods/b%2Fc/log"
    assert Kind("clusterroles", "rbac.authorization.k8s.io", "v1", "ClusterRole", False).path("a", "x:y") == (
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/x%3Ay"
    )
