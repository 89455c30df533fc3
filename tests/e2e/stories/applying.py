"""``apply`` in all its forms, ``diff``, ``replace``, ``edit`` and ``patch``."""

from __future__ import annotations

from tests.e2e.stories.story import Row, Story

ONE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {set: a}}
data: {key: "VALUE"}
"""
TWO = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, labels: {set: a}}
data: {key: first}
"""
KUSTOMIZATION = """
resources: [both.yaml]
namePrefix: kus-
configMapGenerator: [{name: made, literals: [x=y]}]
"""
FIRST, SECOND = ONE.replace("VALUE", "first"), ONE.replace("VALUE", "second")
FILES = {"both.yaml": FIRST + TWO, "one.yaml": SECOND, "kus/both.yaml": FIRST + TWO}
FILES |= {"image.yaml": "spec: {template: {spec: {containers: [{name: nginx, image: 'n:2'}]}}}"}
FILES |= {"kus/kustomization.yaml": KUSTOMIZATION}

STORIES = (
    Story(
        "configuration is applied",
        (
            Row("apply -f DIR/both.yaml", ("^configmap/one created$", "^configmap/two created$")),
            Row("apply -f DIR/both.yaml", ("^configmap/one unchanged$", "^configmap/two unchanged$")),
            Row("apply -f DIR/one.yaml --dry-run=client", r"^configmap/one configured \(dry run\)$"),
            Row("apply -f DIR/one.yaml --dry-run=server", r"^configmap/one configured \(server dry run\)$"),
            Row("get configmap one -o jsonpath={.data.key}", "^first"),
            Row("diff -f DIR/both.yaml"),
            Row("diff -f DIR/one.yaml", ("^-  key: first$", r"^\+  key: second$"), 1),
            Row("diff --server-side -f DIR/one.yaml --force-conflicts", r"^\+  key: second$", 1),
            Row("apply view-last-applied configmap/one", "^  key: first$"),
            Row("apply -f DIR/one.yaml", "^configmap/one configured$"),
            Row("apply set-last-applied -f DIR/both.yaml", "^configmap/one configured$"),
            Row("apply view-last-applied configmap/one -o json", '"key": "first"'),
            Row("apply edit-last-applied configmap/one", "^configmap/one edited$", editor="s/first/third/"),
            Row("apply view-last-applied configmap one", "^  key: third$"),
            Row(
                "apply -f DIR/one.yaml --prune -l set=a --prune-allowlist=core/v1/ConfigMap",
                ("^configmap/one configured$", "^configmap/two pruned$"),
            ),
            Row(
                "apply -f DIR/both.yaml --prune --all --prune-allowlist=core/v1/ConfigMap -n NS",
                "^configmap/two created$",
            ),
            Row("apply -k DIR/kus", ("^configmap/kus-made-[a-z0-9]{10} created$", "^configmap/kus-one created$")),
            Row("diff -k DIR/kus"),
            Row("kustomize DIR/kus", "^  name: kus-two$"),
            Row("delete -k DIR/kus", '^configmap "kus-one" deleted'),
            Row("apply -f -", "^configmap/one configured$", stdin=SECOND),
            Row("apply -f DIR/nosuch.yaml", "does not exist$", 1),
            Row("apply -f -", "no matches for kind", 1, stdin="apiVersion: nosuch/v1\nkind: X\nmetadata: {name: a}"),
            Row(
                "apply -f -",
                "unknown field",
                1,
                stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndato: {a: b}",
            ),
            Row(
                "apply --validate=warn -f -",
                ("^Warning: unknown field", "^configmap/x created$"),
                stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndato: {a: b}",
                since=29,
            ),
            Row(
                "apply --validate=ignore -f -",
                "^configmap/ignored created$",
                stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ignored}\ndato: {a: b}",
            ),
        ),
        FILES,
    ),
    Story(
        "sets of objects are applied and pruned",
        (
            Row(
                "apply -f DIR/both.yaml --prune --applyset=mine",
                ("^configmap/one created$", "^configmap/two created$"),
                settings={"KUBECTL_APPLYSET": "true"},
            ),
            Row("get secret mine -o jsonpath={.metadata.labels}", "applyset.kubernetes.io/id"),
            Row(
                "apply -f DIR/one.yaml --prune --applyset=mine",
                ("^configmap/one configured$", "^configmap/two pruned$"),
                settings={"KUBECTL_APPLYSET": "true"},
            ),
        ),
        FILES,
    ),
    Story(
        "the server applies",
        (
            Row("apply --server-side -f DIR/both.yaml", "^configmap/one serverside-applied$"),
            Row(
                "apply --server-side --field-manager=other -f DIR/one.yaml",
                (
                    'Apply failed with 1 conflict: conflict with "kubectl": .data.key$',
                    "^Please review the fields above--they currently have other managers",
                ),
                1,
            ),
            Row("apply --server-side --field-manager=other --force-conflicts -f DIR/one.yaml", "serverside-applied$"),
            Row("get configmap one -o jsonpath={.data.key}", "^second"),
            Row(
                "get configmap one -o yaml --show-managed-fields",
                ("manager: other$", "operation: Apply$", "f:key: {}$"),
            ),
            Row("get configmap one -o yaml", ("^kind: ConfigMap$",)),
            Row("apply --server-side --dry-run=server -f DIR/both.yaml --force-conflicts", r"\(server dry run\)$"),
            Row("apply -f DIR/both.yaml", "^configmap/one configured$"),
            Row("apply --server-side -f DIR/both.yaml --force-conflicts", "^configmap/one serverside-applied$"),
            Row(
                "apply --server-side -f -",
                "^configmap/two serverside-applied$",
                stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\ndata: {other: x}",
            ),
            Row("get configmap two -o jsonpath={.data}", r'"other":"x"'),
        ),
        FILES,
    ),
    Story(
        "objects are replaced, edited and patched",
        (
            Row("create -f DIR/both.yaml", "^configmap/one created$"),
            Row("create -f DIR/both.yaml", '^Error from server .AlreadyExists.: .*configmaps "one" already exists$', 1),
            Row("replace -f DIR/one.yaml", "^configmap/one replaced$"),
            Row("replace --force -f DIR/one.yaml", ('^configmap "one" deleted', "^configmap/one replaced$")),
            Row("replace -f -", "NotFound", 1, stdin=FIRST.replace("name: one", "name: nosuch")),
            Row("edit configmap one", "^Edit cancelled, no changes made.$", editor="s/nosuch/x/"),
            Row("edit configmap one", "^configmap/one edited$", editor="s/key: second/key: edited/"),
            Row("get configmap one -o jsonpath={.data.key}", "^edited"),
            Row("edit configmap one", "cancelled, no valid changes were saved", 1, editor="s/^  key:.*/  bad key: x/"),
            Row("""patch configmap one -p '{"data":{"z":"1"}}'""", "^configmap/one patched$"),
            Row("""patch configmap one --type=merge -p '{"data":{"z":null}}'""", "^configmap/one patched$"),
            Row(
                """patch configmap one --type=merge -p '{"data":{"z":null}}'""",
                r"^configmap/one patched \(no change\)$",
            ),
            Row(
                """patch configmap one --type=json -p '[{"op":"add","path":"/data/j","value":"x"}]'""",
                "^configmap/one patched$",
            ),
            Row(
                """patch configmap one --type=json -p '[{"op":"test","path":"/data/j","value":"y"}]'""",
                "^The request is invalid: the server rejected our request due to an error in our request$",
                1,
            ),
            Row("get configmap one -o jsonpath={.data}", r'^\{"j":"x","key":"edited"\}'),
            Row("""patch configmap one -p '{"metadata":{"name":"x"}}'""", "the name of the object", 1),
            Row("patch configmap one -p nonsense", "", 1),
            Row("""patch -f DIR/one.yaml --local -p '{"data":{"z":"1"}}' -o yaml""", '^  z: "1"$'),
            Row("create deployment web --image=nginx", "created$"),
            Row(
                """patch deploy web --subresource=scale --type=merge -p '{"spec":{"replicas":2}}'""",
                "^scale.*/web patched$",
            ),
            Row("get deploy web -o jsonpath={.spec.replicas}", "^2"),
            Row(
                """patch deploy web --subresource=status --type=merge -p '{"status":{"replicas":7}}'""", "/web patched$"
            ),
            Row(
                """patch deploy web -p '{"spec":{"selector":{"matchLabels":{"a":"b"}}}}'""",
                ('^The Deployment "web" is invalid: ', "field is immutable"),
                1,
            ),
            Row(
                "patch deploy web --patch-file=DIR/image.yaml",
                "^deployment.apps/web patched$",
            ),
            Row("get deploy web -o jsonpath={.spec.template.spec.containers[*].image}", "^n:2"),
            Row("edit deploy web", "is invalid", 1, editor="s/^  replicas: .*/  replicas: -1/"),
        ),
        FILES,
    ),
)
