"""Has the image of a container ready: pull policy, back-off after failures, and the events that tell of it."""

from __future__ import annotations

from kube_lite import clock
from kube_lite.node.context import NodeContext
from kube_lite.node.keyring import Credential
from kube_lite.node.objects import ApiSource
from kube_lite.node.runtime import ImageState, RuntimeFailure
from kube_lite.resources.kinds.pod.view import Container, Pod

SHOW_ERROR = 2.0
"""Seconds that ErrImagePull is shown before it becomes ImagePullBackOff."""


class PullFailure(Exception):
    """Raised when the image is not there; reason and message are those of the waiting container.

    ``retry`` is the seconds after which to try again.
    """

    def __init__(self, reason: str, message: str, retry: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry = retry


class Images:
    """Images for the pods of one node."""

    def __init__(self, node: NodeContext) -> None:
        self._node = node
        self._source = ApiSource(node.client)
        self._errors: dict[str, str] = {}

    async def _credentials(self, pod: Pod) -> tuple[list[Credential], str]:
        """Those of the pod's pull secrets, and what is wrong with them if anything is."""
        names = [secret.name for secret in pod.spec.image_pull_secrets if secret.name]
        try:
            found, missing = await self._source.credentials(pod.metadata.namespace, names)
        except ValueError as error:
            return [], f"invalid pull secret: {error}"
        if missing:
            message = (
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed."
            )
            self._node.event(pod, "Warning", "FailedToRetrieveImagePullSecret", message)
        return found, ""

    async def ensure(self, pod: Pod, container: Container) -> ImageState:
        """The image of ``container``, pulled if its policy asks for it. :raises PullFailure:"""
        image, policy = container.image, container.image_pull_policy
        credentials, problem = await self._credentials(pod)
        if policy != "Always":
            try:
                state = await self._node.runtime.ensure_image(image, "Never", credentials)
            except RuntimeFailure as failure:
                if failure.reason != "ErrImageNeverPull":
                    self._fail(pod, container, "InspectFailed", failure)
                if policy == "Never":
                    message = f'Container image "{image}" is not present with pull policy of Never'
                    self._node.event(pod, "Warning", "ErrImageNeverPull", message, container)
                    retry = self._node.settings.config_retry
                    raise PullFailure("ErrImageNeverPull", message, retry) from failure
            else:
                message = f'Container image "{image}" already present on machine and can be accessed by the pod'
                self._node.event(pod, "Normal", "Pulled", message, container)
                return state
        return await self._pull(pod, container, credentials, problem)

    def _fail(self, pod: Pod, container: Container, reason: str, failure: RuntimeFailure) -> None:
        self._node.event(pod, "Warning", reason, failure.message, container)
        raise PullFailure(failure.reason, failure.message, self._node.settings.config_retry) from failure

    async def _pull(self, pod: Pod, container: Container, credentials: list[Credential], problem: str) -> ImageState:
        image, backoff = container.image, self._node.pull_backoff
        key = f"{pod.metadata.uid}/{image}"
        if (left := backoff.since_update(key)) > 0:
            message = f'Back-off pulling image "{image}"'
            self._node.event(pod, "Normal", "BackOff", message, container)
            if key in self._errors:
                message = f"{message}: {self._errors[key]}"
            raise PullFailure("ImagePullBackOff", message, left)
        self._node.event(pod, "Normal", "Pulling", f'Pulling image "{image}"', container)
        began = clock.now()
        if problem:
            raise self._pull_failed(pod, container, key, problem)
        try:
            state = await self._node.runtime.ensure_image(image, container.image_pull_policy, credentials)
        except RuntimeFailure as failure:
            if failure.reason == "InvalidImageName":
                self._fail(pod, container, "InspectFailed", failure)
            raise self._pull_failed(pod, container, key, failure.message) from failure
        self._errors.pop(key, None)
        took = f"{(clock.now() - began).total_seconds():.3g}s"
        message = (
            f'Successfully pulled image "{image}" in {took} ({took} including waiting). Image size: {state.size} bytes.'
        )
        self._node.event(pod, "Normal", "Pulled", message, container)
        return state

    def _pull_failed(self, pod: Pod, container: Container, key: str, why: str) -> PullFailure:
        self._node.event(pod, "Warning", "Failed", f'Failed to pull image "{container.image}": {why}', container)
        self._node.pull_backoff.next(key, clock.now())
        self._errors[key] = f"ErrImagePull: {why}"
        return PullFailure("ErrImagePull", why, SHOW_ERROR)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a pod."""
        self._node.pull_backoff.forget(uid)
        self._errors = {key: text for key, text in self._errors.items() if not key.startswith(uid)}
