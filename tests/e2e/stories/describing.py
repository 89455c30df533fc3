"""``describe`` of every kind that kubectl has words for."""

from __future__ import annotations

from tests.e2e.stories.story import Row, Story

THINGS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
apiVersion: v1
kind: LimitRange
metadata: {name: bounds}
spec: {limits: [{type: Container, default: {cpu: 500m}, max: {cpu: "1"}}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 1
  selector: {app: old}
  template: {metadata: {labels: {app: old}}, spec: {containers: [{name: c, image: x}]}}
---
apiVersion: v1
kind: PodTemplate
metadata: {name: mould}
template: {metadata: {labels: {app: mould}}, spec: {containers: [{name: c, image: x}]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: NS-pv}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp/x}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: NS-sc}
provisioner: example.com/none
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: NS-ic}
spec: {controller: example.com/none}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: NS-rc}
handler: crun
"""

STORIES = (
    Story(
        "every kind is described",
        (
            Row("create deployment web --image=nginx --replicas=2 --port=80", "created$"),
            Row("expose deployment web --port=80", "exposed$"),
            Row("create configmap cm --from-literal=a=1", "created$"),
            Row("create secret generic hidden --from-literal=a=b", "created$"),
            Row("create quota few --hard=pods=9", "created$"),
            Row("create ingress way --rule=foo.com/bar=web:80", "created$"),
            Row("create pdb guard --selector=app=web --min-available=1", "created$"),
            Row("create cronjob tick --image=busybox --schedule='0 0 1 1 *' -- date", "created$"),
            Row("create job once --image=busybox -- date", "created$"),
            Row("create role reader --verb=get --resource=pods", "created$"),
            Row("create rolebinding rb --role=reader --user=u", "created$"),
            Row("autoscale deployment web --min=1 --max=3", "autoscaled$"),
            Row("apply -f DIR/things.yaml", ("^persistentvolumeclaim/claim created$", "^podtemplate/mould created$")),
            Row("rollout status deploy/web --timeout=40s", "successfully"),
            Row(
                "describe deploy web",
                (
                    r"^Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable$",
                    r"^NewReplicaSet: +web-\w+ \(2/2 replicas created\)$",
                    "Scaled up replica set",
                ),
            ),
            Row(
                "describe pods -l app=web",
                (r"^Controlled By: +ReplicaSet/web-", "^QoS Class: +BestEffort$", "Successfully assigned"),
            ),
            Row("describe rs -l app=web", (r"^Replicas: +2 current / 2 desired$", "SuccessfulCreate")),
            Row("describe rc old", r"^Replicas: +1 current / 1 desired$", eventually=True),
            Row("describe service web", (r"^Endpoints: +[\d.]+:80,[\d.]+:80$", "^Type: +ClusterIP$"), eventually=True),
            Row("describe endpoints web", r"Addresses: +[\d.]+,[\d.]+$"),
            Row("describe endpointslices", "^AddressType: +IPv4$"),
            Row("describe configmap cm", ("^a:$", "^1$")),
            Row("describe secret hidden", ("^a: +1 bytes$", "^Type: +Opaque$")),
            Row("describe quota few", r"^pods +\d+ +9$", eventually=True),
            Row("describe limits bounds", r"^Container +cpu +- +1 +500m +500m"),
            Row("describe ingress way", r"^ +foo.com +$(.|\n)* +/bar +web:80 "),
            Row("describe pdb guard", ("^Min available: +1$", "^    Allowed disruptions:  1$"), eventually=True),
            Row("describe cronjob tick", ("^Schedule: +0 0 1 1 \\*$", "^Concurrency Policy: +Allow$")),
            Row("describe job once", ("^Parallelism: +1$", "SuccessfulCreate"), eventually=True),
            Row("describe role reader", r"^  pods +\[\] +\[\] +\[get\]$"),
            Row("describe rolebinding rb", r"^  User  u +$"),
            Row("describe clusterrole view", "^PolicyRule:$"),
            Row("describe clusterrolebinding cluster-admin", "^  Group  system:masters"),
            Row("describe hpa web", r"^Min replicas: +1$"),
            Row("describe pvc claim", ("^Status: +Bound$", "^Used By: +<none>$"), eventually=True),
            Row("describe pv NS-pv", ("^Reclaim Policy: +Retain$", "^    Path: +/tmp/x$")),
            Row("describe sc NS-sc", "^Provisioner: +example.com/none$"),
            Row("describe ingressclass NS-ic", "^Controller: +example.com/none$"),
            Row("describe runtimeclass NS-rc", "^Handler: +crun$"),
            Row("describe netpol deny", "Policy Types: Ingress$"),
            Row("describe podtemplate mould", "^Kind: +PodTemplate$"),
            Row("describe sa default", "^Name: +default$"),
            Row("describe ns NS", ("^Status: +Active$", "^Resource Quotas$", "^Resource Limits$")),
            Row("describe node sim-0", ("^  Ready +True ", "^Allocated resources:$", "^  HolderIdentity: +sim-0$")),
            Row("describe priorityclass system-node-critical", "^Value: +2000001000$"),
            Row("describe lease sim-0 -n kube-node-lease", "Holder Identity: +sim-0$"),
            Row("describe apiservice v1.apps", "Group: +apps$"),
            Row("describe validatingwebhookconfigurations", "No resources found"),
            Row("events --for deployment/web", "ScalingReplicaSet +Deployment/web"),
            Row("events --types=Normal --no-headers", "Normal"),
            Row("create cronjob never --image=i --schedule='59 23 31 2 *'", "created"),
            Row("events --for cronjob/never", "Warning +InvalidSchedule +CronJob/never", eventually=True),
            Row("get endpoints web -o name", ("^Warning: v1 Endpoints is deprecated in v1.33", "^endpoints/web$")),
            Row("delete pvc claim", "deleted"),
            Row("delete pv/NS-pv sc/NS-sc ingressclass/NS-ic runtimeclass/NS-rc", "deleted"),
        ),
        {"things.yaml": THINGS},
    ),
)
