"""HorizontalPodAutoscaler: as many replicas as the load calls for (upstream: ``pkg/controller/podautoscaler``).

Every 15 seconds the scale of the target is read, what its pods use is asked of the metrics API, and the scale is
written. Of several metrics the one that calls for most decides; one that cannot be had never shrinks anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from kube_lite import clock
from kube_lite.client.events import NORMAL, WARNING
from kube_lite.controllers.autoscaling_limits import Behavior, Memory, Rules, bounded, stabilized
from kube_lite.controllers.autoscaling_metrics import (
    TOLERANCE,
    MetricError,
    PodMetrics,
    Proposal,
    by_average,
    by_utilization,
    samples,
)
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.replicas import condition_as_json
from kube_lite.errors import ApiError, NotFound
from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj, ObjectView, View
from kube_lite.resources.selectors import parse
from kube_lite.resources.views import WorkloadCondition

NAMES = ("horizontalpodautoscaling", "horizontal-pod-autoscaler-controller")

AUTOSCALERS = "horizontalpodautoscalers.autoscaling"
POD_METRICS = "pods.metrics.k8s.io"

PERIOD = 15.0
"""Seconds between two looks at a target (upstream: --horizontal-pod-autoscaler-sync-period)."""

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


class TargetReference(View, frozen=True):
    """What is scaled."""

    kind: str = ""
    name: str = ""
    api_version: str = ""


class AutoscalerSpec(View, frozen=True):
    """What to scale by; metrics as decoded JSON."""

    scale_target_ref: TargetReference = TargetReference()
    min_replicas: int | None = None
    max_replicas: int = 0
    metrics: list[dict[str, Any]] = []
    behavior: Behavior | None = None


class AutoscalerStatus(View, frozen=True):
    """What was found and done."""

    observed_generation: int | None = None
    last_scale_time: str | None = None
    current_replicas: int = 0
    desired_replicas: int = 0
    current_metrics: list[dict[str, Any]] | None = None
    conditions: list[WorkloadCondition] | None = None


class HorizontalPodAutoscaler(ObjectView, frozen=True):
    """A HorizontalPodAutoscaler."""

    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()


class ScaleSpec(View, frozen=True):
    """The size asked for."""

    replicas: int = 0


class ScaleStatus(View, frozen=True):
    """The size there is, and whose pods they are."""

    replicas: int = 0
    selector: str = ""


class Scale(ObjectView, frozen=True):
    """The scale of any workload."""

    spec: ScaleSpec = ScaleSpec()
    status: ScaleStatus = ScaleStatus()


class _Report(msgspec.Struct):
    """What goes into the status."""

    conditions: dict[str, WorkloadCondition]
    current: int = 0
    desired: int = 0
    metrics: list[dict[str, Any]] | None = None
    scaled: bool = False

    def condition(self, kind: str, value: bool, reason: str, message: str) -> None:
        """Set a condition, since now unless it held before."""
        before = self.conditions.get(kind)
        status = "True" if value else "False"
        since = before.last_transition_time if before is not None and before.status == status else clock.timestamp()
        self.conditions[kind] = WorkloadCondition(
            type=kind, status=status, reason=reason, message=message, last_transition_time=since
        )


class HorizontalPodAutoscalerController(Controller):
    """Scales workloads by what they use."""

    name = "horizontalpodautoscaling"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("horizontal-pod-autoscaler")
        self._recorder = ctx.recorder("horizontal-pod-autoscaler")
        self._served = ctx.resources
        self._memory: dict[str, Memory] = {}
        self._scalers = self.reads(ctx.informers.get(AUTOSCALERS, HorizontalPodAutoscaler))
        self._scalers.on_change(self._changed)
        self._pods = self.reads(ctx.informers.get("pods", Pod))

    def _changed(self, old: HorizontalPodAutoscaler | None, new: HorizontalPodAutoscaler | None) -> None:
        """Look at new and changed ones at once; a status is no change."""
        if new is None and old is not None:
            self._memory.pop(old.metadata.key, None)
        elif new is not None and (old is None or old.spec != new.spec):
            self.queue.add(new.metadata.key)

    async def reconcile(self, key: str) -> Requeue | None:
        """Read, decide, scale, and write down."""
        scaler = self._scalers.get(key)
        if scaler is None:
            return None
        status = scaler.status
        report = _Report({c.type: c for c in status.conditions or ()}, status.current_replicas, status.desired_replicas)
        report.metrics = status.current_metrics
        resource = self._resource_of(scaler.spec.scale_target_ref)
        try:
            scale = await self._scale_of(scaler, resource)
        except ApiError as error:
            self._recorder.event(scaler, WARNING, "FailedGetScale", error.message)
            message = f"the HPA controller was unable to get the target's current scale: {error.message}"
            report.condition(ABLE, False, "FailedGetScale", message)
        else:
            text = "the HPA controller was able to get the target's current scale"
            report.condition(ABLE, True, "SucceededGetScale", text)
            report.current = scale.status.replicas
            await self._decide(scaler, resource, scale, report)
        await self._write(scaler, report)
        return Requeue(PERIOD)

    def _resource_of(self, target: TargetReference) -> str:
        """The plural of a kind, '' when nothing of that kind is served."""
        group = target.api_version.rpartition("/")[0]
        for entry in self._served():
            if entry.kind == target.kind and entry.api_version.rpartition("/")[0] == group:
                return entry.resource
        return ""

    async def _scale_of(self, scaler: HorizontalPodAutoscaler, resource: str) -> Scale:
        target = scaler.spec.scale_target_ref
        if not resource:
            group = target.api_version.rpartition("/")[0]
            raise NotFound(f'no matches for kind "{target.kind}" in group "{group}"')
        data = await self._client.get(resource, target.name, scaler.metadata.namespace, subresource="scale")
        return _scale.decode(data)

    async def _decide(self, scaler: HorizontalPodAutoscaler, resource: str, scale: Scale, report: _Report) -> None:
        spec, current = scaler.spec, scale.spec.replicas
        least = 1 if spec.min_replicas is None else spec.min_replicas
        memory = self._memory.setdefault(scaler.metadata.key, Memory())
        if not memory.recommendations:
            memory.recommended(current)
        if current == 0 and least != 0:
            report.desired = 0
            text = "scaling is disabled since the replica count of the target is zero"
            report.condition(ACTIVE, False, "ScalingDisabled", text)
            return
        if current > spec.max_replicas:
            desired, reason = spec.max_replicas, "Current number of replicas above Spec.MaxReplicas"
        elif current < least:
            desired, reason = least, "Current number of replicas below Spec.MinReplicas"
        else:
            wanted, metric = await self._wanted(scaler, scale, report)
            if wanted is None:
                return
            reason = f"{metric} above target" if wanted > current else "All metrics below target"
            steady = stabilized(memory, current, wanted, spec.behavior)
            report.condition(ABLE, True, steady.reason, steady.message)
            limit = bounded(memory, current, steady.replicas, least, spec.max_replicas, spec.behavior)
            report.condition(LIMITED, limit.limited, limit.reason, limit.message)
            desired = limit.replicas
        report.desired = desired
        if desired != current:
            await self._rescale(scaler, resource, current, desired, reason, report)

    async def _rescale(
        self, scaler: HorizontalPodAutoscaler, resource: str, current: int, desired: int, reason: str, report: _Report
    ) -> None:
        target = scaler.spec.scale_target_ref
        try:
            await self._client.patch(
                resource,
                target.name,
                {"spec": {"replicas": desired}},
                scaler.metadata.namespace,
                subresource="scale",
            )
        except ApiError as error:
            text = f"New size: {desired}; reason: {reason}; error: {error.message}"
            self._recorder.event(scaler, WARNING, "FailedRescale", text)
            text = f"the HPA controller was unable to update the target scale: {error.message}"
            report.condition(ABLE, False, "FailedUpdateScale", text)
            report.desired = current
            return
        text = f"the HPA controller was able to update the target scale to {desired}"
        report.condition(ABLE, True, "SucceededRescale", text)
        self._recorder.event(scaler, NORMAL, "SuccessfulRescale", f"New size: {desired}; reason: {reason}")
        self._memory[scaler.metadata.key].scaled(desired - current)
        report.scaled = True

    async def _wanted(self, scaler: HorizontalPodAutoscaler, scale: Scale, report: _Report) -> tuple[int | None, str]:
        """What the metrics call for, and which of them; None when that cannot be said."""
        current = scale.spec.replicas
        wanted, name = 0, ""
        found: list[dict[str, Any]] = []
        failures: list[tuple[str, str, str]] = []
        for metric in scaler.spec.metrics:
            try:
                proposal, shown, label = await self._propose(scaler, scale, metric)
            except MetricError as error:
                reason, text = f"FailedGet{metric['type']}Metric", str(error)
                if metric["type"] in ("Resource", "ContainerResource"):
                    text = f"failed to get {_source(metric).get('name')} resource metric value: {text}"
                failures.append((reason, str(error), text))
                self._recorder.event(scaler, WARNING, reason, str(error))
                continue
            found.append(shown)
            if not name or proposal.replicas > wanted:
                wanted, name = proposal.replicas, label
        report.metrics = found or None
        total = len(scaler.spec.metrics)
        if len(failures) >= total or (failures and wanted < current):
            reason, message, text = failures[0]
            report.condition(ACTIVE, False, reason, f"the HPA was unable to compute the replica count: {message}")
            text = f"invalid metrics ({len(failures)} invalid out of {total}), first error is: {text}"
            self._recorder.event(scaler, WARNING, "FailedComputeMetricsReplicas", text)
            report.desired = current
            return None, ""
        text = f"the HPA was able to successfully calculate a replica count from {name}"
        report.condition(ACTIVE, True, "ValidMetricFound", text)
        return wanted, name

    async def _propose(
        self, scaler: HorizontalPodAutoscaler, scale: Scale, metric: dict[str, Any]
    ) -> tuple[Proposal, dict[str, Any], str]:
        """What one metric calls for, how it is shown in the status, and its name. :raises MetricError:"""
        source = _source(metric)
        if metric["type"] not in ("Resource", "ContainerResource"):
            raise MetricError(_not_served(metric["type"], source))
        resource, container, target = source["name"], source.get("container", ""), source["target"]
        namespace, current = scaler.metadata.namespace, scale.spec.replicas
        selector = parse(scale.status.selector)
        pods = [pod for pod in self._pods.list(namespace) if selector.matches(pod.metadata.labels)]
        utilization = target.get("averageUtilization")
        try:
            measured = samples(await self._metrics(namespace, scale.status.selector), resource, container)
            if not measured:
                raise MetricError("no metrics returned from resource metrics API")
        except MetricError as error:
            text = f"unable to get metrics for resource {resource}: {error}"
            raise MetricError(f"failed to get {resource} utilization: {text}" if utilization else text) from error
        tolerances = _tolerances(scaler.spec.behavior)
        label = f"{resource} {'container ' if container else ''}resource"
        if utilization is not None:
            try:
                proposal = by_utilization(current, utilization, pods, measured, resource, container, tolerances)
            except MetricError as error:
                raise MetricError(f"failed to get {resource} utilization: {error}") from error
            label += " utilization (percentage of request)"
        else:
            average = quantity.milli(target["averageValue"])
            proposal = by_average(current, average, pods, measured, resource, tolerances)
        value: dict[str, Any] = {"averageValue": quantity.canonical(f"{proposal.average}m")}
        if proposal.utilization is not None:
            value["averageUtilization"] = proposal.utilization
        shown = {"name": resource, **({"container": container} if container else {}), "current": value}
        return proposal, {"type": metric["type"], _key(metric["type"]): shown}, label

    async def _metrics(self, namespace: str, selector: str) -> Sequence[PodMetrics]:
        try:
            found = await self._client.list(POD_METRICS, namespace, label_selector=selector)
        except NotFound as error:
            text = f"unable to fetch metrics from resource metrics API: {error.message} (get {POD_METRICS})"
            raise MetricError(text) from error
        except ApiError as error:
            raise MetricError(f"unable to fetch metrics from resource metrics API: {error.message}") from error
        return [_pod_metrics.decode(item) for item in found.items]

    async def _write(self, scaler: HorizontalPodAutoscaler, report: _Report) -> None:
        status = AutoscalerStatus(
            observed_generation=scaler.metadata.generation or scaler.status.observed_generation,
            last_scale_time=clock.timestamp() if report.scaled else scaler.status.last_scale_time,
            current_replicas=report.current,
            desired_replicas=report.desired,
            current_metrics=report.metrics,
            conditions=list(report.conditions.values()),
        )
        if status == scaler.status:
            return
        body: Obj = msgspec.to_builtins(status)
        body["conditions"] = [condition_as_json(condition) for condition in report.conditions.values()]
        meta = scaler.metadata
        patch = {"metadata": {"uid": meta.uid}, "status": body}
        await self._client.patch(AUTOSCALERS, meta.name, patch, meta.namespace, subresource="status")


_scale = msgspec.json.Decoder(Scale)
_pod_metrics = msgspec.json.Decoder(PodMetrics)


def _key(kind: str) -> str:
    """The field that describes a metric of that type."""
    return kind[:1].lower() + kind[1:]


def _source(metric: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = metric.get(_key(metric["type"])) or {}
    return found


def _not_served(kind: str, source: dict[str, Any]) -> str:
    """Why custom and external metrics cannot be had: no API here serves them."""
    name = (source.get("metric") or {}).get("name", "")
    if kind == "External":
        return (
            f"unable to get external metric {name}: unable to fetch metrics from external metrics API: "
            "the server could not find the requested resource (get external.metrics.k8s.io)"
        )
    return (
        f"unable to get metric {name}: unable to fetch metrics from custom metrics API: "
        "no custom metrics API (custom.metrics.k8s.io) registered"
    )


def _tolerances(behavior: Behavior | None) -> tuple[float, float]:
    """For growing and for shrinking."""
    if behavior is None:
        return TOLERANCE, TOLERANCE
    up, down = (_tolerance(rules) for rules in (behavior.scale_up, behavior.scale_down))
    return up, down


def _tolerance(rules: Rules) -> float:
    return TOLERANCE if rules.tolerance is None else quantity.parse(rules.tolerance).milli / 1000


def build(ctx: Context) -> Controller:
    """The controller."""
    return HorizontalPodAutoscalerController(ctx)
