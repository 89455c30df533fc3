"""LimitRanger: defaults and bounds of containers, pods and claims."""

from __future__ import annotations

import pytest

from kube_lite.api.local import LocalClient
from kube_lite.errors import Forbidden
from tests.api.admission.stories import Json, made, play, pod


def limits(*items: Json) -> Json:
    return {"metadata": {"name": "l"}, "spec": {"limits": list(items)}}


def claim(size: str) -> Json:
    return {
        "metadata": {"name": "v"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def test_containers_get_what_they_leave_open_and_the_pod_tells_of_it() -> None:
    async def story(client: LocalClient) -> None:
        container = {"type": "Container", "default": {"cpu": "500m", "memory": "64Mi"}, "defaultRequest": {"cpu": "1m"}}
        await made(client, "limitranges", limits(container))
        found = await made(client, "pods", pod("a"))
        resources = found["spec"]["containers"][0]["resources"]
        assert resources == {
            "limits": {"cpu": "500m", "memory": "64Mi"},
            "requests": {"cpu": "1m", "memory": "64Mi"},
        }
        assert found["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c"
        )
        assert found["status"]["qosClass"] == "Burstable"

    play(story)


@pytest.mark.parametrize(
    ("item", "resources", "why"),
    [
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {"limits": {"cpu": "2"}},
            "maximum cpu usage per Pod is 1, but limit is 2",
        ),
        ({"type": "Pod", "max": {"cpu": "1"}}, {}, "maximum cpu usage per Pod is 1.  No limit is specified"),
        (
            {"type": "Pod", "min": {"memory": "1Gi"}},
            {"requests": {"memory": "1Mi"}},
            "minimum memory usage per Pod is 1Gi, but request is 1048576",
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"type": "Pod", "max": {"cpu": "1", "memory": "1Mi"}},
            {"limits": {"cpu": "2", "memory": "2Mi"}},
            "[maximum cpu usage per Pod is 1, but limit is 2, "
            "maximum memory usage per Pod is 1Mi, but limit is 2097152]",
        ),
    ],
)
def test_a_pod_outside_the_bounds_is_refused(item: Json, resources: Json, why: str) -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "limitranges", limits(item))
        with pytest.raises(Forbidden) as caught:
            await made(client, "pods", pod("a", **resources))
        assert caught.value.message == f'pods "a" is forbidden: {why}'

    play(story)


def test_a_claim_is_held_against_its_own_bounds() -> None:
    async def story(client: LocalClient) -> None:
        item = {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}, "min": {"storage": "100Mi"}}
        await made(client, "limitranges", limits(item))
        for size, why in (
            ("2Gi", "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"),
            ("1Mi", "minimum storage usage per PersistentVolumeClaim is 100Mi, but request is 1Mi"),
        ):
            with pytest.raises(Forbidden, match=why):
                await made(client, "persistentvolumeclaims", claim(size))
        await made(client, "persistentvolumeclaims", claim("512Mi"))

    play(story)
