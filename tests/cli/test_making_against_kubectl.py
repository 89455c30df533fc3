"""Commands that make objects or change what pods are made of, beside the real kubectl."""

from __future__ import annotations

from tests.cli.beside import Beside, needs_kubectl

pytestmark = needs_kubectl


def test_run(beside: Beside) -> None:
    beside.script("""
        run
        run p
        run p --image=nginx
        run p --image=nginx
        run p1 --image=i --env=A=b --env C=d --port=80 --labels=x=1,z=w -o jsonpath={.metadata.labels} -- a b
        get pod p1 -o jsonpath={.spec.containers[0].args}{.spec.containers[0].env}{.spec.containers[0].ports}
        run p3 --image=nginx --command --restart=Never -o jsonpath={.spec.containers[0].command} -- a b
        run p2 --image=nginx --env=A
        run p2 --image=n!
        run p4 --image=nginx --dry-run=server
        run p4 --image=nginx --dry-run=client
        run P_2 --image=nginx
        run p2 --image=nginx --port=foo
        run p2 --image=nginx --labels=foo
        run p9 --image=nginx --expose --port=80
        get svc p9 -o jsonpath={.spec.ports}{.spec.selector}
        run p10 --image=i --overrides='{"spec":{"hostNetwork":true}}' --annotations=a=b -o jsonpath={.spec.hostNetwork}
    """)


def test_expose(beside: Beside) -> None:
    beside.script("""
        create deployment w --image=nginx
        create deployment x --image=nginx --port=80
        create configmap a --from-literal=k=v
        expose deploy w
        expose deploy x
        expose deploy w --port=80
        expose deploy w --port=80
        expose deploy w --port=80 --target-port=8080 --name=w2 --type=NodePort -o jsonpath={.spec.ports[0].targetPort}
        expose svc w --port=90 --name=w3
        expose deploy w --port=80,90 --name=w5 --protocol=UDP -o jsonpath={.spec.ports}
        expose deploy w --port=80 --name=w6 --selector=a=b --labels=q=r -o jsonpath={.spec.selector}{.metadata.labels}
        expose cm a --port=1
        expose deploy nosuch --port=80
        expose deploy w --port=80 --type=Foo --name=w7
        expose deploy w --port=80 --cluster-ip=None --name=w8 -o jsonpath={.spec.clusterIP}
        expose deploy w --port=80 --dry-run=server --name=w9
        expose deploy w --port=foo --name=w9
        get svc -o jsonpath={.items[*].spec.selector}
    """)


def test_set(beside: Beside) -> None:
    beside.script("""
        create deployment w --image=nginx
        create configmap a --from-literal=k=v
        set image deploy/w nginx=nginx:2
        set image deploy/w nginx=nginx:2
        set image deploy/w foo=bar
        set image deploy w *=nginx:3
        set image deploy/w
        set image deploy --all nginx=nginx:5
        set image deploy/w nginx=i:6 --dry-run=client -o jsonpath='{.spec.template.spec.containers[0].image}'
        set env deploy/w A=b C=d
        set env deploy/w --list
        set env deploy/w A-
        set env deploy/w --from=cm/a
        set env deploy/w --list
        set env deploy/w --from=secret/foo
        set env deploy/w A=1 -c foo
        set env deploy/w A=1 A-
        set env deploy/w --from=foo/x
        set env deploy/w C=z --overwrite=false
        set env deploy/w "a b=c"
        set resources deploy/w --limits=cpu=200m,memory=512Mi --requests=cpu=100m
        set resources deploy/w
        set resources deploy/w --limits=foo
        set resources deploy/w --limits=cpu=200m,memory=512Mi
        set resources deploy/w -c=nosuch --limits=cpu=1
        set resources deploy/w --limits=cpu=x
        set serviceaccount deploy/w default
        get deploy w -o jsonpath={.spec.template.spec.containers}{.spec.template.spec.serviceAccountName}
    """)


def test_autoscale(beside: Beside) -> None:
    beside.script("""
        create deployment w --image=nginx
        autoscale deploy w
        autoscale deploy w --max=3
        autoscale deploy w --max=3
        autoscale deploy w --min=5 --max=3
        autoscale deploy w --min=2 --max=3 --cpu-percent=70 --name=foo
        get hpa -o jsonpath={.items[*].spec}
        autoscale deploy nosuch --max=3
        autoscale deploy/w --max=0
    """)
