"""Commands that change objects, beside the real kubectl: the same lines, errors and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.beside import Beside, needs_kubectl

pytestmark = needs_kubectl


def test_label(beside: Beside) -> None:
    beside.script("""
        create configmap a --from-literal=k=v
        create configmap b --from-literal=k=v
        label cm a
        label cm a x=1
        label cm a x=1
        label cm a x=2
        label cm a x=2 --overwrite
        label cm a x=3 --overwrite=false
        label cm a x-
        label cm a x-
        label cm a x=1 x-
        label
        label cm
        label cm a x=!
        label cm a x=a=b
        label cm a x/y/z=1
        label cm a x=1 b y=2
        label cm a b q=1
        label cm -l q=1 --all z=1
        label cm -l q=1 z=1
        label cm a b nosuch q=1
        label cm a z=1 --resource-version=1
        label cm a b q=5 --resource-version=1
        label cm a q=7 --overwrite --dry-run=client -o yaml
        label --dry-run=server --overwrite cm/a q=7
        label cm a q=9 --overwrite -o name
        label cm -l nosuch=1 a=b
        label -f - y=z --local -o yaml <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
        label -f - y=z <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
        label nosuch a b=c
    """)


def test_annotate(beside: Beside) -> None:
    beside.script("""
        create configmap a --from-literal=k=v
        create configmap b --from-literal=k=v
        annotate cm a
        annotate cm a x=1
        annotate cm a x=2
        annotate cm a x=2 --overwrite
        annotate cm a x- y-
        annotate cm a x=a=b
        annotate cm a 'X y=1'
        annotate cm a --list
        annotate cm a x=1 x-
        annotate cm a b x=1 --resource-version=4
        annotate cm a b z=1 --dry-run=client
    """)


def test_patch(beside: Beside) -> None:
    beside.script(
        """
        create configmap a --from-literal=k=v
        create configmap b --from-literal=k=v
        create deployment w --image=nginx
        patch cm a
        patch cm a -p '{"data":{"k":"w"}}'
        patch cm a -p '{"data":{"k":"w"}}'
        patch cm a -p 'data: {k: z}'
        patch cm a --type=json -p '[{"op":"replace","path":"/data/k","value":"q"}]'
        patch cm a --type=json -p '[{"op":"replace","path":"/data/nosuch/x","value":"q"}]'
        patch cm a --type=foo -p '{}'
        patch cm nosuch -p '{}'
        patch cm -p '{}'
        patch deploy w --subresource=scale --type=merge -p '{"spec":{"replicas":2}}'
        patch deploy w --subresource=foo -p '{}'
        patch deploy w -p '{"spec":{"replicas":-1}}'
        patch cm a b --type merge -p '{"data":{"k":"w2"}}'
        patch cm a -p '{"data":{"k":"w5"}}' --dry-run=server -o jsonpath='{.data}'
        patch cm a --patch-file /nosuch -p x
        patch cm a --patch-file - <<< data: {k: r}
    """.replace(" --patch-file - <<< data: {k: r}", " -p 'data: {k: r}'")
    )


def test_replace(beside: Beside) -> None:
    beside.script("""
        create configmap a --from-literal=k=v
        replace -f - <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: z}}
        replace -f - --dry-run=client <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: z}}
        replace -f - --dry-run=server <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: z}}
        replace -f - -o jsonpath={.data} <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: other}}
        replace -f - <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: nosuch}}
        replace -f - --subresource=status <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
        replace --force -f - <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: nosuch}}
        replace --force -f - --dry-run=server <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: nosuch}}
        replace -f - --grace-period=3 <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: nosuch}}
        replace -f - --timeout=3s <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: nosuch}}
        replace -f /nosuch
    """)


def test_edit(beside: Beside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    beside.script("create configmap a --from-literal=k=before\ncreate configmap b --from-literal=k=before")
    for editor, line in (
        ("true", "edit cm a"),
        ("true", "edit cm"),
        ("true", "edit cm nosuch"),
        ("false", "edit cm a"),
        ("/nosuch/editor", "edit cm a"),
        ("sed -i s/before/after/", "edit cm a"),
        ("sed -i s/before/after/", "edit cm a b"),
        ("sed -i s/after/again/", "edit cm b -o json"),
        ("true", "get cm a b -o jsonpath={.items[*].data}"),
    ):
        monkeypatch.setenv("KUBE_EDITOR", editor)
        beside.script(line)
