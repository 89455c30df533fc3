"""Webhook configurations: who is asked before an object is stored."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from kube_lite.resources import names
from kube_lite.resources.admission_expressions import match_condition_errors, request_scope
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, duplicate, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck

GROUP = "admissionregistration.k8s.io"
STATIC_SUFFIX = ".static.k8s.io"
FAILURE_POLICIES = frozenset({"Fail", "Ignore"})
MATCH_POLICIES = frozenset({"Equivalent", "Exact"})
OPERATIONS = frozenset({"*", "CONNECT", "CREATE", "DELETE", "UPDATE"})
SCOPES = frozenset({"*", "Cluster", "Namespaced"})


def default_rules(rules: list[Obj]) -> None:
    """A rule without scope is for both."""
    for rule in rules:
        rule.setdefault("scope", "*")


def _default_webhook(webhook: Obj, mutating: bool) -> None:
    for name, value in (("failurePolicy", "Fail"), ("matchPolicy", "Equivalent"), ("timeoutSeconds", 10)):
        webhook.setdefault(name, value)
    webhook.setdefault("namespaceSelector", {})
    webhook.setdefault("objectSelector", {})
    if mutating:
        webhook.setdefault("reinvocationPolicy", "Never")
    default_rules(webhook.get("rules") or [])
    if (service := (webhook.get("clientConfig") or {}).get("service")) is not None:
        service.setdefault("port", 443)


def _default(mutating: bool, obj: Obj) -> None:
    for webhook in obj.get("webhooks") or ():
        _default_webhook(webhook, mutating)


def domain_name(name: str, path: str, segments: int = 3) -> Errors:
    """A name with at least that many parts between dots."""
    if not name:
        return [required(path)]
    if problems := names.dns_subdomain(name):
        return [invalid(path, name, ",".join(problems))]
    if name.count(".") < segments - 1:
        words = {2: "two", 3: "three"}
        return [invalid(path, name, f"should be a domain with at least {words[segments]} segments separated by dots")]
    return []


def _listed(values: list[str], path: str, what: str, type_: str = "[]string") -> Errors:
    """Something is listed, and a star only alone."""
    if not values:
        return [required(path)]
    if "*" in values and len(values) > 1:
        return [invalid(path, go_value(type_, values), f"if '*' is present, must not specify other {what}")]
    return []


def _resources(resources: list[str], path: str) -> Errors:
    """Resources and subresources; what a star stands for is not named beside it."""
    if not resources:
        return [required(path)]
    found: Errors = []
    whole: set[str] = set()
    everywhere: set[str] = set()
    for i, text in enumerate(resources):
        at = index(path, i)
        if not text:
            found.append(required(at))
        name, slash, sub = text.partition("/")
        if not slash:
            continue
        if name in whole:
            found.append(invalid(at, text, f"if '{name}/*' is present, must not specify {text}"))
        if sub in everywhere:
            found.append(invalid(at, text, f"if '*/{sub}' is present, must not specify {text}"))
        whole |= {name} if sub == "*" else set()
        everywhere |= {sub} if name == "*" else set()
    if "*/*" in resources and len(resources) > 1:
        found.append(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
    if "*" in resources and any(text and text != "*" and "/" not in text for text in resources):
        detail = "if '*' is present, must not specify other resources without subresources"
        found.append(invalid(path, resources, detail))
    return found


def validate_rule(rule: Obj, path: str) -> Errors:
    """Which requests a webhook or policy is for."""
    found: Errors = []
    operations = rule.get("operations") or []
    found.extend(_listed(operations, child(path, "operations"), "operations", "[]admissionregistration.OperationType"))
    for i, operation in enumerate(operations):
        if operation not in OPERATIONS:
            found.append(not_supported(index(child(path, "operations"), i), operation, OPERATIONS))
    for name, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        found.extend(_listed(rule.get(name) or [], child(path, name), what))
    for i, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            found.append(required(index(child(path, "apiVersions"), i)))
    found.extend(_resources(rule.get("resources") or [], child(path, "resources")))
    scope = rule.get("scope")
    if scope is not None and scope not in SCOPES:
        found.append(not_supported(child(path, "scope"), scope, SCOPES))
    return found


def _url(url: str, path: str) -> Errors:
    form = "; desired format: https://host[/path]"
    parts = urlsplit(url)
    found: Errors = []
    if parts.scheme != "https":
        found.append(invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}"))
    if not parts.hostname:
        found.append(invalid(path, parts.netloc, f"host must be provided{form}"))
    if parts.username is not None:
        found.append(invalid(path, parts.username, "user information is not permitted in the URL"))
    if parts.fragment:
        found.append(invalid(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        found.append(invalid(path, parts.query, "query parameters are not permitted in the URL"))
    return found


def validate_client_config(config: Obj, path: str) -> Errors:
    """Where a webhook is: at a URL or behind a Service, one of the two."""
    url, service = config.get("url"), config.get("service")
    if url is not None and service is None:
        return _url(url, child(path, "url"))
    if url is not None or service is None:
        return [required(path, "exactly one of url or service is required")]
    at = child(path, "service")
    # Upstream hands name and namespace over in the wrong order, and so names the one where it misses the other.
    told = (("name", "namespace"), ("namespace", "name"))
    found: Errors = [
        required(child(at, name), f"service {name} is required") for name, missing in told if not service.get(missing)
    ]
    port = service.get("port", 443)
    if problems := names.port_number(port):
        found.append(invalid(child(at, "port"), port, f"port is not valid: {','.join(problems)}"))
    return found + _service_path(service.get("path"), child(at, "path"))


def _service_path(text: str | None, path: str) -> Errors:
    """An absolute path whose segments look like names."""
    if text is None or text in ("", "/"):
        return []
    if text == "//":
        return [invalid(path, text, "segment[0] may not be empty")]
    found: Errors = []
    if not text.startswith("/"):
        found.append(invalid(path, text, "must start with a '/'"))
    for i, segment in enumerate(text[1:].removesuffix("/").split("/")):
        if not segment:
            found.append(invalid(path, text, f"segment[{i}] may not be empty"))
        else:
            found.extend(invalid(path, text, f"segment[{i}]: {problem}") for problem in names.dns_subdomain(segment))
    return found


def _webhook(webhook: Obj, path: str) -> Errors:
    found = domain_name(webhook.get("name", ""), child(path, "name"))
    for i, rule in enumerate(webhook.get("rules") or ()):
        found.extend(validate_rule(rule, index(child(path, "rules"), i)))
    if (policy := webhook.get("failurePolicy")) is not None and policy not in FAILURE_POLICIES:
        found.append(not_supported(child(path, "failurePolicy"), policy, FAILURE_POLICIES))
    if (policy := webhook.get("matchPolicy")) is not None and policy not in MATCH_POLICIES:
        found.append(not_supported(child(path, "matchPolicy"), policy, MATCH_POLICIES))
    effects = webhook.get("sideEffects")
    if effects is None:
        found.append(required(child(path, "sideEffects"), "must specify one of None, NoneOnDryRun"))
    elif effects not in ("None", "NoneOnDryRun"):
        found.append(not_supported(child(path, "sideEffects"), effects, ("None", "NoneOnDryRun")))
    seconds = webhook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        detail = "the timeout value must be between 1 and 30 seconds"
        found.append(invalid(child(path, "timeoutSeconds"), seconds, detail))
    for name in ("namespaceSelector", "objectSelector"):
        found.extend(validate_label_selector(webhook.get(name), child(path, name)))
    policy = webhook.get("reinvocationPolicy")
    if policy is not None and policy not in ("IfNeeded", "Never"):
        found.append(not_supported(child(path, "reinvocationPolicy"), policy, ("IfNeeded", "Never")))
    found.extend(validate_client_config(webhook.get("clientConfig") or {}, child(path, "clientConfig")))
    conditions = webhook.get("matchConditions") or []
    found.extend(match_condition_errors(conditions, child(path, "matchConditions"), request_scope()))
    versions = webhook.get("admissionReviewVersions") or []
    at = child(path, "admissionReviewVersions")
    if not versions:
        found.append(required(at, "must specify one of v1, v1beta1"))
    for i, version in enumerate(versions):
        if version in versions[:i]:
            found.append(invalid(index(at, i), version, "duplicate version"))
        elif problems := names.dns_1035_label(version):
            found.append(invalid(index(at, i), version, ",".join(problems)))
    if versions and not {"v1", "v1beta1"} & set(versions):
        found.append(invalid(at, versions, "must include at least one of v1, v1beta1"))
    return found


def _validate(obj: Obj) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for i, webhook in enumerate(obj.get("webhooks") or ()):
        at = index("webhooks", i)
        found.extend(_webhook(webhook, at))
        name = webhook.get("name", "")
        if name and name in seen:
            found.append(duplicate(child(at, "name"), name))
        seen.add(name)
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), len(obj.get("webhooks") or ()), age(obj, now)]


_COLUMNS = (NAME_COLUMN, Column("Webhooks", type="integer"), AGE_COLUMN)


def reserved_name_warnings(new: Obj, old: Obj | None) -> list[str]:
    """Of a new configuration or policy with a name that is kept for those in files."""
    if old is not None or not name_of(new).endswith(STATIC_SUFFIX):
        return []
    when = "when the ManifestBasedAdmissionControlConfig feature gate is enabled"
    what = f'names ending with "{STATIC_SUFFIX}" will be reserved for static manifest-based configurations'
    return [f"metadata.name: {what} {when}"]


RESOURCES = (
    Resource(
        standard_finalizers=False,
        kind="MutatingWebhookConfiguration",
        counts_empty="webhooks",
        update_checks=(UpdateCheck.METADATA,),
        plural="mutatingwebhookconfigurations",
        group=GROUP,
        definition="io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
        allow_unconditional_update=False,
        default=lambda obj: _default(True, obj),
        warnings=reserved_name_warnings,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=_COLUMNS,
        row=_row,
    ),
    Resource(
        standard_finalizers=False,
        kind="ValidatingWebhookConfiguration",
        counts_empty="webhooks",
        update_checks=(UpdateCheck.METADATA,),
        plural="validatingwebhookconfigurations",
        group=GROUP,
        definition="io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
        allow_unconditional_update=False,
        default=lambda obj: _default(False, obj),
        warnings=reserved_name_warnings,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=_COLUMNS,
        row=_row,
    ),
)
