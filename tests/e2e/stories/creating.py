"""Every generator of ``kubectl create``, ``run`` and ``expose``."""

from __future__ import annotations

from tests.e2e.stories.story import Row, Story

STORIES = (
    Story(
        "workloads are created",
        (
            Row("create deployment web --image=nginx --replicas=2 --port=80", "^deployment.apps/web created$"),
            Row("create deployment web --image=nginx", 'deployments.apps "web" already exists$', 1),
            Row("create deployment dry --image=nginx --dry-run=client -o name", "^deployment.apps/dry$"),
            Row(
                "create deployment dry --image=nginx --dry-run=server -o yaml",
                ("^  progressDeadlineSeconds: 600$", "^      maxSurge: 25%$", "^  uid: [0-9a-f-]{36}$"),
            ),
            Row("get deployment dry", '^Error from server .NotFound.: deployments.apps "dry" not found$', 1),
            Row("create job once --image=busybox -- echo hi", "^job.batch/once created$"),
            Row("get job once -o jsonpath={.spec.template.spec.containers[0].command}", r'^\["echo","hi"\]'),
            Row("create cronjob tick --image=busybox --schedule='*/5 * * * *' -- date", "^cronjob.batch/tick created$"),
            Row("create cronjob bad --image=busybox --schedule='nonsense'", "spec.schedule: Invalid value", 1),
            Row("create job now --from=cronjob/tick", "^job.batch/now created$"),
            Row(
                "get job now -o yaml",
                ("cronjob.kubernetes.io/instantiate: manual$", "^    kind: CronJob$"),
            ),
            Row("run one --image=nginx --restart=Never --labels=a=b,c=d --env=A=b", "^pod/one created$"),
            Row("get pod one -o jsonpath={.metadata.labels}{.spec.containers[0].env}", r'"a":"b","c":"d".*"value":"b"'),
            Row("run two --image=nginx --port=80 --expose", ("^service/two created$", "^pod/two created$")),
            Row("run Bad_Name --image=nginx", ('^The Pod "Bad_Name" is invalid: ', "metadata.name: Invalid value"), 1),
            Row("run shell --image=busybox --dry-run=client -o yaml --command -- sh -c 'sleep 9'", "^    - sleep 9$"),
            Row("expose deployment web --port=80 --target-port=8080 --name=front", "^service/front exposed$"),
            Row("expose deployment web --port=80 --name=front", 'services "front" already exists$', 1),
            Row("expose pod one --port=80 --type=NodePort", "^service/one exposed$"),
            Row("expose deployment nosuch --port=80", 'deployments.apps "nosuch" not found$', 1),
            Row("autoscale deployment web --min=1 --max=3", "^horizontalpodautoscaler.autoscaling/web autoscaled$"),
            Row("get hpa web --no-headers", r"^web +Deployment/web +\S.* +1 +3 "),
            Row("autoscale deployment web --max=3", 'horizontalpodautoscalers.autoscaling "web" already exists$', 1),
        ),
    ),
    Story(
        "configuration and secrets are created",
        (
            Row("create configmap cm --from-literal=a=1 --from-file=DIR/file.txt", "^configmap/cm created$"),
            Row(r"get configmap cm -o jsonpath='{.data.file\.txt}'", "^content$"),
            Row("create configmap env --from-env-file=DIR/pairs.env", "^configmap/env created$"),
            Row("get configmap env -o jsonpath={.data}", r'^\{"A":"1","B":"two"\}'),
            Row("create configmap hashed --from-literal=a=1 --append-hash", "^configmap/hashed-[a-z0-9]{10} created$"),
            Row("create configmap cm", '^error: failed to create configmap: configmaps "cm" already exists$', 1),
            Row("create secret generic plain --from-literal=a=b --type=example.com/x", "^secret/plain created$"),
            Row("get secret plain --no-headers", r"^plain +example.com/x +1 "),
            Row(
                "create secret docker-registry pull --docker-server=r.example --docker-username=u --docker-password=p",
                "^secret/pull created$",
            ),
            Row("get secret pull -o jsonpath={.type}", "^kubernetes.io/dockerconfigjson"),
            Row("create secret tls pair --cert=DIR/tls.crt --key=DIR/tls.key", "^secret/pair created$"),
            Row("get secrets --field-selector=type=kubernetes.io/tls -o name", "^secret/pair$"),
            Row("create serviceaccount robot", "^serviceaccount/robot created$"),
            Row("create token robot --duration=10m", r"^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+"),
            Row("create token robot --audience=x --bound-object-kind=Secret --bound-object-name=plain", r"^eyJ"),
            Row("create token robot --duration=1s", "may not specify a duration less than 10 minutes", 1),
            Row("create token nosuch", 'serviceaccounts "nosuch" not found$', 1),
            Row("create quota few --hard=configmaps=9,pods=5", "^resourcequota/few created$"),
            Row("get quota few -o jsonpath={.status.hard.pods}", "^5", eventually=True),
            Row("create priorityclass NS-pc --value=1000 --description=x", "^priorityclass.*/NS-pc created$"),
            Row("get priorityclass NS-pc --no-headers", r"^NS-pc +1000 +false "),
            Row("delete priorityclass NS-pc", '^priorityclass.scheduling.k8s.io "NS-pc" deleted'),
            Row("create namespace NS-other", "^namespace/NS-other created$"),
            Row("get namespace NS-other -o jsonpath={.status.phase}", "^Active"),
            Row("delete namespace NS-other", '^namespace "NS-other" deleted'),
            Row("create namespace Bad_Name", "metadata.name: Invalid value", 1),
        ),
        {"file.txt": "content", "pairs.env": "A=1\nB=two\n"},
    ),
    Story(
        "services, routes and budgets are created",
        (
            Row("create service clusterip inner --tcp=80:8080", "^service/inner created$"),
            Row("create service clusterip none --clusterip=None", "^service/none created$"),
            Row("create service nodeport outer --tcp=80:8080 --node-port=31999", "^service/outer created$"),
            Row("create service nodeport taken --tcp=80 --node-port=31999", "provided port is already allocated", 1),
            Row("create service nodeport far --tcp=80 --node-port=99", "not in the valid range", 1),
            Row("create service loadbalancer balanced --tcp=443:8443", "^service/balanced created$"),
            Row("create service externalname away --external-name=x.example", "^service/away created$"),
            Row(
                "get services",
                (
                    r"^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE$",
                    r"^away +ExternalName +<none> +x.example +<none> ",
                    r"^balanced +LoadBalancer +[\d.]+ +<pending> +443:3\d{4}/TCP ",
                    r"^inner +ClusterIP +[\d.]+ +<none> +80/TCP ",
                    r"^none +ClusterIP +None +<none> +<none> ",
                    r"^outer +NodePort +[\d.]+ +<none> +80:31999/TCP ",
                ),
            ),
            Row(
                "create ingress way --rule=foo.com/bar=inner:80 --class=nginx",
                "^ingress.networking.k8s.io/way created$",
            ),
            Row("get ingress --no-headers", r"^way +nginx +foo.com +80 "),
            Row(
                "create pdb guard --selector=app=web --min-available=50%", "^poddisruptionbudget.policy/guard created$"
            ),
            Row("get pdb --no-headers", r"^guard +50% +N/A +0 "),
            Row("create pdb two --selector=a=b --min-available=1 --max-unavailable=1", "cannot", 1),
        ),
    ),
    Story(
        "roles are created",
        (
            Row("create role reader --verb=get,list --resource=pods,deployments.apps", "^role.*/reader created$"),
            Row("create role named --verb=get --resource=pods --resource-name=a", "^role.*/named created$"),
            Row(
                "create rolebinding rb --role=reader --serviceaccount=NS:default --user=u", "^rolebinding.*/rb created$"
            ),
            Row("get rolebinding -o wide --no-headers", r"^rb +Role/reader +\S+ +u +NS/default$"),
            Row("create clusterrole NS-cr --verb=get --resource=nodes,nodes/status", "^clusterrole.*/NS-cr created$"),
            Row("create clusterrole NS-urls --verb=get --non-resource-url=/logs/*", "^clusterrole.*/NS-urls created$"),
            Row("create clusterrole NS-sum --aggregation-rule=NS/x=true", "^clusterrole.*/NS-sum created$"),
            Row(
                "create clusterrolebinding NS-crb --clusterrole=NS-cr --group=g",
                "^clusterrolebinding.*/NS-crb created$",
            ),
            Row("get clusterrolebinding NS-crb --no-headers", r"^NS-crb +ClusterRole/NS-cr "),
            Row("auth can-i get pods --as=system:serviceaccount:NS:default", "^yes$"),
            Row("auth can-i delete pods --as=system:serviceaccount:NS:default", "^no", 1),
            Row("auth can-i get nodes --as=x --as-group=g", "^yes$"),
            Row("set subject rolebinding rb --group=g2", "^rolebinding.*/rb subjects updated$"),
            Row("auth reconcile -f DIR/rbac.yaml", ("^role.*/rec reconciled$", "^rolebinding.*/rec reconciled$")),
            Row("auth reconcile -f DIR/rbac.yaml --remove-extra-permissions", "^role.*/rec reconciled$"),
            Row("get role rec -o jsonpath={.rules[0].verbs}", r'^\["get"\]'),
            Row("delete clusterrole NS-cr NS-urls NS-sum", '^clusterrole.* "NS-sum" deleted'),
            Row("delete clusterrolebinding NS-crb", '^clusterrolebinding.* "NS-crb" deleted'),
        ),
        {
            "rbac.yaml": """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: rec, namespace: NS}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: rec, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: rec}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: u}]
"""
        },
    ),
)
