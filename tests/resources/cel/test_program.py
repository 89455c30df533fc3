"""CEL: Kubernetes' functions, object construction, bounds and error texts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from kube_lite.resources.cel import program

POD = {"spec": {"replicas": 7, "containers": [{"name": "a", "image": "x/a:1"}]}, "metadata": {"labels": {"a/b": "c"}}}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("object.spec.replicas <= 5", False),
        ("has(object.spec.paused)", False),
        ("object.spec.containers.all(c, c.image.startsWith('x/'))", True),
        ("object.metadata.labels['a/b'] == 'c'", True),
        ("'abc123'.find('[0-9]+')", "123"),
        ("[1, 2, 2].isSorted()", True),
        ("['a', 'b'].join('-')", "a-b"),
        ("'%s has %d'.format(['it', 3])", "it has 3"),
        ("quantity('1500m').isGreaterThan(quantity('1'))", True),
        ("quantity('1Gi') == quantity('1024Mi')", True),
        ("url('https://h:8/p?q=1').getHostname()", "h"),
        ("cidr('10.0.0.0/8').containsIP('10.1.2.3')", True),
        ("sets.contains([1, 2], [1])", True),
        ("string(true) + string(3)", "true3"),
        ("object.spec.replicas > 5 ? 'many' : 'few'", "many"),
    ],
)
def test_expressions_have_the_value_that_upstream_gives(source: str, value: Any) -> None:
    assert program.compile(source, {"object"}).evaluate({"object": POD}) == value


def test_an_object_is_built_as_a_map() -> None:
    source = (
        """Object{metadata: Object.metadata{labels: {"a": "Object{x: 1}"}}, spec: Object.spec{n: object.n ? 1 : 2}}"""
    )
    built = program.compile(source).evaluate({"object": {"n": True}})
    assert built == {"metadata": {"labels": {"a": "Object{x: 1}"}}, "spec": {"n": 1}}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("1 +", "compilation failed: ERROR: <input>:1:4: Syntax error"),
        ("obj.spec", "undeclared reference to 'obj'"),
        ("a" * 20_000, "longer than"),
        (
            "[1].all(a, [1].all(b, [1].all(c, [1].all(d, [1].all(e, [1].all(f, [1].all(g, true)))))))",
            "nested too deeply",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused(source: str, why: str) -> None:
    with pytest.raises(program.CelError) as caught:
        program.compile(source, {"object"})
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("source", "why"),
    [("object.nothing == 1", "no such key: nothing"), ("object.spec > 1", "no such overload"), ("1 / 0", "division")],
)
def test_what_cannot_be_evaluated_says_why(source: str, why: str) -> None:
    with pytest.raises(program.CelError, match=why):
        program.compile(source).evaluate({"object": POD})


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("sets.intersects([1, 2], [2, 3])", True),
        ("sets.equivalent([1, 2], [2, 1])", True),
        ("jsonpatch.escapeKey('a/b~c')", "a~1b~0c"),
    ],
)
def test_functions_of_a_library_are_called_by_their_full_name(source: str, value: object) -> None:
    assert program.compile(source, set()).evaluate({}) == value


def test_the_library_s_command_line_is_not_loaded() -> None:
    """Its package imports prompt_toolkit, rich and typer: 30 MB and half a second for nothing."""
    source = "from kube_lite.resources.cel import program; program.compile('1 + 1').evaluate({}); import sys; "
    source += "print('prompt_toolkit' in sys.modules or 'rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
