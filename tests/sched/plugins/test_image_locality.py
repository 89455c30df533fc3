"""ImageLocality."""

from __future__ import annotations

import json

import msgspec

from kube_lite.resources.views import Node
from kube_lite.sched.plugins.image_locality import ImageLocality, normalized_name
from tests.sched.cluster import info, node_object, node_view, table
from tests.sched.plugins.ask import scores


def _with_image(name: str, image: str, mebibytes: int) -> Node:
    obj = node_object(name)
    obj["status"]["images"] = [{"names": [image], "sizeBytes": mebibytes * 1024 * 1024}]
    return msgspec.json.decode(json.dumps(obj), type=Node)


def test_a_node_that_has_a_large_image_scores_by_its_size_and_spread() -> None:
    nodes = table(_with_image("has", "i:latest", 1023), node_view("lacks"))
    # half of the nodes have it: 511.5 MiB count, of 23 to 1000
    assert scores(ImageLocality(), info("p"), nodes) == {"has": 50, "lacks": 0}


def test_small_images_do_not_count_and_unknown_ones_are_not_scored() -> None:
    assert scores(ImageLocality(), info("p"), table(_with_image("n", "i:latest", 22))) == {"n": 0}
    assert scores(ImageLocality(), info("p"), table(_with_image("n", "other:1", 500))) is None


def test_an_image_without_tag_is_the_latest() -> None:
    assert normalized_name("host:5000/a/b") == "host:5000/a/b:latest"
    assert normalized_name("a:1") == "a:1"
    assert normalized_name("a@sha256:00") == "a@sha256:00"
