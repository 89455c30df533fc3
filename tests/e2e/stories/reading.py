"""``get`` in every form, ``explain``, ``events`` and what describes the server itself."""

from __future__ import annotations

from tests.e2e.stories.story import Row, Story

PODS = "^NAME +READY +STATUS +RESTARTS +AGE"
CUSTOM = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.NS.example}
spec:
  group: NS.example
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget, shortNames: [gg], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Colour, type: string, jsonPath: .spec.colour, priority: 1}
    - {name: Born, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, description: How big it is.}
              colour: {type: string, default: blue}
              replicas: {type: integer}
          status: {type: object, properties: {replicas: {type: integer}}}
"""
GADGET = """
apiVersion: NS.example/v1
kind: Gadget
metadata: {name: small}
spec: {size: 1, replicas: 1}
"""

STORIES = (
    Story(
        "objects are printed in every form",
        (
            Row("create deployment web --image=nginx --replicas=2", "created$"),
            Row("create configmap cm --from-literal=a=1", "created$"),
            Row("label configmap cm tier=front", "labeled$"),
            Row("rollout status deploy/web", '^deployment "web" successfully rolled out$'),
            Row("get pods", (PODS + "$", r"^web-\w+-\w+ +1/1 +Running +0 +\d+s$")),
            Row("get pods -o wide", PODS + " +IP +NODE +NOMINATED NODE +READINESS GATES$"),
            Row("get pods -A", "^NAMESPACE +NAME +READY"),
            Row("get pods --no-headers", r"^web-\w+-\w+ +1/1 +Running"),
            Row("get pods --show-labels", r"LABELS$(.|\n)*app=web,pod-template-hash=\w+$"),
            Row("get pods -L app,nosuch", r"APP +NOSUCH *$(.|\n)* web +$"),
            Row("get pods -l app=web -o name", r"^pod/web-\w+-\w+$"),
            Row("get pods -l 'app in (web,x),!nosuch' -o name", r"^pod/web-\w+-\w+$"),
            Row("get pods -l app!=web", "^No resources found in NS namespace.$"),
            Row("get pods -l '=bad='", "found '=', expected: !, identifier, or 'end of string'", 1),
            Row("get pods --field-selector=status.phase=Running,spec.nodeName!=x -o name", "^pod/web-"),
            Row("get pods --field-selector=nosuch=x", "field label not supported: nosuch", 1),
            Row("get pods --sort-by=.metadata.name", PODS),
            Row("get pods --sort-by='{.status.startTime}' -o name", "^pod/web-"),
            Row("get pods --chunk-size=1", PODS),
            Row("get deploy web -o jsonpath='{.spec.replicas} {.metadata.labels.app}'", "^2 web"),
            Row("get deploy -o jsonpath='{range .items[*]}{.metadata.name}{\"\\n\"}{end}'", "^web$"),
            Row("get deploy web -o jsonpath-as-json={.spec.replicas}", r"^    2$"),
            Row("get deploy web -o go-template='{{.metadata.name}}:{{.spec.replicas}}'", "^web:2"),
            Row("get deploy -o custom-columns=N:.metadata.name,R:.spec.replicas", ("^N +R$", "^web +2$")),
            Row("get deploy -o custom-columns-file=DIR/columns", "^IMAGE$"),
            Row("get deploy web -o yaml", ("^kind: Deployment$", "^  readyReplicas: 2$")),
            Row("get deploy web -o json", '"kind": "Deployment"'),
            Row("get deploy web -o nonsense", "unable to match a printer", 1),
            Row("get deploy web --subresource=status -o jsonpath={.status.readyReplicas}", "^2"),
            Row("get deploy web --subresource=scale", ("^NAME +DESIRED +AVAILABLE", r"^web +2 +2 ")),
            Row("get deploy web --subresource=scale -o jsonpath={.kind}{.status.selector}", "^Scaleapp=web"),
            Row("get all", ("^pod/web-", "^deployment.apps/web ", "^replicaset.apps/web-")),
            Row("get deploy,cm -o name", ("^deployment.apps/web$", "^configmap/cm$")),
            Row("get deploy/web cm/cm -o name", ("^deployment.apps/web$", "^configmap/cm$")),
            Row("get deployments.v1.apps web -o name", "^deployment.apps/web$"),
            Row("get cm nosuch cm", ('configmaps "nosuch" not found', "^cm +1 "), 1),
            Row("get cm nosuch --ignore-not-found"),
            Row("get nosuch", '^error: the server doesn\'t have a resource type "nosuch"$', 1),
            Row("get pods --as=joe", 'User "joe" cannot list resource "pods" in API group "" in the namespace "NS"', 1),
            Row("get -f DIR/cm.yaml -o name", "^configmap/cm$"),
            Row("get events --field-selector=involvedObject.kind=Deployment", "ScalingReplicaSet +deployment/web"),
        ),
        {
            "columns": "IMAGE\n.spec.template.spec.containers[0].image\n",
            "cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}",
        },
    ),
    Story(
        "the server is looked at",
        (
            Row("get --raw /healthz", "^ok"),
            Row("get --raw '/readyz?verbose'", ("ping ok$", "^readyz check passed$")),
            Row("get --raw /livez", "^ok"),
            Row("get --raw /version", '"gitVersion": ?"v1.36'),
            Row("get --raw /api/v1/namespaces/NS/configmaps", '"kind":"ConfigMapList"'),
            Row("get --raw '/api/v1/namespaces/NS?pretty=1'", '^  "kind": "Namespace",$'),
            Row("get --raw /nosuch", "NotFound", 1),
            Row("get cs", (r"^Warning: v1 ComponentStatus is deprecated in v1.19\+$", "^etcd-0 +Healthy +ok")),
            Row("version", ("^Client Version:", "^Server Version:")),
            Row("version -o json", '"serverVersion": {'),
            Row("cluster-info", "Kubernetes control plane.* is running at .*https://127.0.0.1"),
            Row("cluster-info dump --output-directory=DIR/dump", "^Cluster info dumped to "),
            Row("api-versions", ("^apps/v1$", "^v1$", "^batch/v1$")),
            Row("api-resources", ("^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND$", "^pods +po +v1 +true +Pod$")),
            Row(
                "api-resources --api-group=apps -o wide",
                "^deployments +deploy +apps/v1 +true +Deployment .*watch.* all$",
            ),
            Row("api-resources --namespaced=false -o name", "^nodes$"),
            Row("api-resources --verbs=watch --categories=all -o name", "^services$", since=28),
            Row("config view --minify", "certificate-authority-data: DATA"),
            Row("config current-context", r"^\S+$"),
            Row("config get-contexts", r"^CURRENT +NAME +CLUSTER +AUTHINFO +NAMESPACE"),
            Row("top nodes", "Metrics API not available", 1),
            Row("top pods", "Metrics API not available", 1),
            Row("completion bash", "bash completion"),
            Row("auth whoami", ("^Username +kubernetes-admin$", "system:masters"), since=28),
            Row("auth whoami -o json --as=joe", '"username": "joe"', since=28),
            Row("auth can-i create pods", "^yes$"),
            Row("auth can-i create pods --as=joe", "^no$", 1),
            Row("auth can-i get pods --subresource=log", "^yes$"),
            Row("auth can-i get /healthz", "^yes$"),
            Row("auth can-i '*' '*' -A", "^yes$"),
            Row("auth can-i --list --as=joe", (r"^Resources +Non-Resource URLs", r"\[/version\] +\[\] +\[get\]")),
        ),
    ),
    Story(
        "fields are explained",
        (
            Row("explain pods", ("^KIND: +Pod$", "^VERSION: +v1$", "Pod is a collection of containers")),
            Row("explain pods.spec.containers.resources", ("ResourceRequirements>?$", "limits\t<map")),
            Row("explain deployment --recursive", "rollingUpdate\t<RollingUpdateDeployment>"),
            Row("explain cronjob.spec.schedule", ("^FIELD: +schedule <string>", "in Cron format")),
            Row("explain deployment --api-version=apps/v1", "^KIND: +Deployment$"),
            Row(
                "explain pod.spec --output=plaintext-openapiv2", ("^RESOURCE: spec <Object>$", "hostNetwork\t<boolean>")
            ),
            Row("explain hpa --api-version=autoscaling/v2", "^VERSION: +v2$"),
            Row("explain pods.spec.nosuch", 'field "nosuch" does not exist', 1),
            Row("explain nosuch", 'the server doesn\'t have a resource type "nosuch"', 1),
        ),
    ),
    Story(
        "a custom kind is as good as a built-in one",
        (
            Row("apply -f DIR/crd.yaml", "^customresourcedefinition.*/gadgets.NS.example created$"),
            Row("wait --for=condition=Established crd/gadgets.NS.example --timeout=20s", "condition met$"),
            Row("apply -f DIR/gadget.yaml", "^gadget.NS.example/small created$", eventually=True),
            Row("apply -f DIR/gadget.yaml", "^gadget.NS.example/small unchanged$"),
            Row("get gg", ("^NAME +SIZE +BORN$", r"^small +1 +\d+s$")),
            Row("get gadgets -o wide", ("^NAME +SIZE +COLOUR +BORN$", r"^small +1 +blue ")),
            Row("get all", "^gadget.NS.example/small "),
            Row("""patch gadget small --type=merge -p '{"spec":{"size":2}}'""", "^gadget.NS.example/small patched$"),
            Row(
                """patch gadget small -p '{"spec":{"size":2}}'""",
                "strategic-merge-patch.json is not supported by NS.example/v1",
                1,
            ),
            Row(
                """patch gadget small --type=merge -p '{"spec":{"size":0}}'""",
                "should be greater than or equal to 1",
                1,
            ),
            Row("scale gadget/small --replicas=3", "^gadget.NS.example/small scaled$"),
            Row("explain gadget.spec.size", "How big it is."),
            Row("create -f -", "unknown field", 1, stdin=GADGET.replace("replicas", "replicaz").replace("small", "x")),
            Row("describe gadget small", ("^Kind: +Gadget$", "^  Colour: +blue$")),
            Row("edit gadget small", "edited$", editor="s/size: 2/size: 3/"),
            Row("label gadget small a=b", "labeled$"),
            Row("apply --server-side --force-conflicts -f DIR/gadget.yaml", "serverside-applied$"),
            Row("get apiservice v1.NS.example --no-headers", "^v1.NS.example +Local +True ", eventually=True),
            Row("delete crd gadgets.NS.example", "deleted"),
            Row("get apiservice v1.NS.example", "not found$", 1, eventually=True),
            Row("get gadgets.NS.example", "the server doesn't have a resource type|could not find", 1, eventually=True),
        ),
        {"crd.yaml": CUSTOM, "gadget.yaml": GADGET},
    ),
)
