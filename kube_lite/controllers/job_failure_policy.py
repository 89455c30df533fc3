"""What a Job makes of a pod's failure: ignore it, count it, or give up (upstream: ``podFailurePolicy``).

The first rule that matches decides: by exit codes of containers that failed, or by conditions such as
DisruptionTarget, which says that the pod was put to an end and did not fail of itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import field

from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import View

IGNORE, COUNT, FAIL_JOB, FAIL_INDEX = "Ignore", "Count", "FailJob", "FailIndex"


class OnExitCodes(View, frozen=True):
    """Exit codes that are, or are not, among ``values``; of one container or of any."""

    container_name: str | None = None
    operator: str = "In"
    values: list[int] = []


class OnPodCondition(View, frozen=True):
    """A condition that a pod has."""

    type: str = ""
    status: str = "True"


class Rule(View, frozen=True):
    """One rule."""

    action: str = COUNT
    on_exit_codes: OnExitCodes | None = None
    on_pod_conditions: list[OnPodCondition] = field(default_factory=list)


class PodFailurePolicy(View, frozen=True):
    """Rules in order."""

    rules: list[Rule] = []


def _by_exit_code(rule: OnExitCodes, pod: Pod) -> tuple[str, int] | None:
    """Container and exit code that match."""
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if status.state.terminated is None or rule.container_name not in (None, status.name):
            continue
        code = status.state.terminated.exit_code
        if code != 0 and (code in rule.values) is (rule.operator == "In"):
            return status.name, code
    return None


def judge(policy: PodFailurePolicy | None, pod: Pod) -> tuple[str, str]:
    """The action for a failed pod, Count without a rule, and for FailJob the message."""
    where = f"{pod.metadata.namespace}/{pod.metadata.name}"
    for index, rule in enumerate(policy.rules if policy is not None else ()):
        about = f"matching {rule.action} rule at index {index}"
        if rule.on_exit_codes is not None:
            found = _by_exit_code(rule.on_exit_codes, pod)
            if found is not None:
                return rule.action, f"Container {found[0]} for pod {where} failed with exit code {found[1]} {about}"
            continue
        for wanted in rule.on_pod_conditions:
            condition = pod.condition(wanted.type)
            if condition is not None and condition.status == wanted.status:
                return rule.action, f"Pod {where} has condition {wanted.type} {about}"
    return COUNT, ""


def verdict(policy: PodFailurePolicy | None, pods: Iterable[Pod]) -> str:
    """Why the pods that failed end the Job; '' when they do not."""
    if policy is None:
        return ""
    judged = (judge(policy, pod) for pod in pods if pod.status.phase == "Failed")
    return next((message for action, message in judged if action == FAIL_JOB), "")
