"""``rollout`` of Deployments, DaemonSets and StatefulSets."""

from __future__ import annotations

from tests.e2e.stories.story import Row, Story

DAEMON = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: "agent:1"}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: "db:1"}]}
"""

STORIES = (
    Story(
        "a deployment is rolled out and back",
        (
            Row("create deployment web --image=nginx:1 --replicas=2", "created$"),
            Row("rollout status deploy/web --timeout=40s", '^deployment "web" successfully rolled out$'),
            Row("annotate deploy web kubernetes.io/change-cause=first", "annotated?$"),
            Row("set image deploy/web nginx=nginx:2", "updated$"),
            Row("rollout status deploy/web --timeout=40s", "successfully rolled out$"),
            Row("rollout history deploy/web", ("^REVISION +CHANGE-CAUSE$", "^1 +first$", "^2 +first$")),
            Row("rollout history deploy/web --revision=1", ("with revision #1$", "^    Image:\tnginx:1$")),
            Row("rollout history deploy/web --revision=99", "^error: unable to find the specified revision$", 1),
            Row("rollout history deploy/web -o name --revision=1", "", 0),
            Row("rollout undo deploy/web --dry-run=server", "", 0),
            Row("rollout undo deploy/web", "^deployment.apps/web rolled back$"),
            Row("get deploy web -o jsonpath={..image}", "^nginx:1"),
            Row("rollout undo deploy/web --to-revision=99", "unable to find specified revision 99 in history$", 1),
            Row("rollout pause deploy/web", "^deployment.apps/web paused$"),
            Row("rollout pause deploy/web", 'deployments.apps "web" is already paused$', 1),
            Row("rollout undo deploy/web", "you cannot rollback a paused deployment", 1),
            Row("rollout restart deploy/web", "can't restart paused deployment", 1),
            Row("rollout resume deploy/web", "^deployment.apps/web resumed$"),
            Row("rollout resume deploy/web", "is not paused$", 1),
            Row("rollout restart deploy/web", "^deployment.apps/web restarted$"),
            Row("rollout status deploy/web --timeout=40s", "successfully rolled out$"),
            Row("rollout status deploy/nosuch", 'deployments.apps "nosuch" not found$', 1),
            Row("rollout restart configmap/x", "", 1),
            Row("set image deploy/web nginx=nginx:3", "updated$"),
            Row("rollout status deploy/web --watch=false", "Waiting|successfully"),
        ),
    ),
    Story(
        "daemon sets and stateful sets are rolled out",
        (
            Row("apply -f DIR/sets.yaml", ("^daemonset.apps/agent created$", "^statefulset.apps/db created$")),
            Row("rollout status ds/agent --timeout=40s", '^daemon set "agent" successfully rolled out$'),
            Row("rollout status sts/db --timeout=40s", "^partitioned roll out complete|rolling update complete"),
            Row("get ds", ("^NAME +DESIRED +CURRENT +READY +UP-TO-DATE +AVAILABLE +NODE SELECTOR +AGE$",)),
            Row("get sts -o wide", ("^NAME +READY +AGE +CONTAINERS +IMAGES$", "^db +2/2 ")),
            Row("get pods -l app=db -o name", ("^pod/db-0$", "^pod/db-1$")),
            Row("set image ds/agent c=agent:2", "updated$"),
            Row("rollout status ds/agent --timeout=60s", "successfully rolled out$"),
            Row("rollout history ds/agent", ("^1 ", "^2 ")),
            Row("rollout undo ds/agent", "^daemonset.apps/agent rolled back$"),
            Row("get ds agent -o jsonpath={..image}", "^agent:1"),
            Row("rollout restart sts/db", "^statefulset.apps/db restarted$"),
            Row("rollout status sts/db --timeout=60s", "complete"),
            Row("rollout history sts/db --revision=1", "Image:\tdb:1$"),
            Row("scale sts db --replicas=1", "scaled$"),
            Row("get controllerrevisions -o name", "^controllerrevision.apps/agent-"),
            Row("describe ds agent", "^Desired Number of Nodes Scheduled: 3$", eventually=True),
            Row("describe sts db", r"^Replicas: +1 desired \| "),
        ),
        {"sets.yaml": DAEMON},
    ),
)
