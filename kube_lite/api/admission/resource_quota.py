"""ResourceQuota: a namespace never holds more than its quotas allow, however many create at once.

Usage is kept in ``status.used`` and raised *before* the object is stored, under one lock per namespace, so two
creators can never both take the last place. Whoever gets the lock settles for everybody waiting: each request is
held against the usage that the earlier ones leave, and each quota is then written once. A write that fails later
hands its share back with the next settling. Usage falls only where it is counted anew (the quota controller).

Usage and object are two commits, as upstream. A server that dies between them has counted what never came to be:
until the quota controller counts anew, which it does with every quota when it starts, that much less can be created.
It is never the other way round. One commit for both would have to hold the quota, and with it everybody who waits for
it, until the last check and the disk have decided about the object.

A quota whose status is not known yet is counted from what is stored, so that there is no moment without a bound.
Messages are upstream's (``pkg/admission/plugin/resourcequota``).
"""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import msgspec

from kube_lite import errors
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.user import SERVER
from kube_lite.resources import quota_usage
from kube_lite.resources.meta import Obj
from kube_lite.resources.pod_resources import Amounts, amounts, minus, plus, texts

QUOTAS = "resourcequotas"
RETRIES = 20
"""How often a settling starts again because somebody else changed a quota meanwhile."""
TIMED_OUT = "Internal error occurred: resource quota evaluation timed out"

_PARTS = ("spec", "status")


class _Share(msgspec.Struct, eq=False):
    """What one quota was charged for one request; ``uid`` names the quota."""

    uid: str
    amounts: Amounts


class _Charge(msgspec.Struct, eq=False):
    """One request waiting to be counted."""

    request: AdmissionRequest
    usage: Amounts
    """What the object counts for."""
    growth: Amounts
    """By how much the write raises that."""
    shares: list[_Share] = msgspec.field(default_factory=list)
    done: bool = False
    refusal: errors.ApiError | None = None


class _Ledger(msgspec.Struct):
    """One namespace's queue. It is as long as requests are in flight, which flow control bounds."""

    lock: anyio.Lock = msgspec.field(default_factory=anyio.Lock)
    waiting: list[_Charge] = msgspec.field(default_factory=list)
    owed: list[_Share] = msgspec.field(default_factory=list)
    """Shares of writes that were not made, to be taken off with the next settling."""
    under_way: set[_Share] = msgspec.field(default_factory=set)
    """Shares of writes that are counted but not made yet: who counts what is stored does not see them."""


class _Balance:
    """One quota while it is being settled."""

    def __init__(self, quota: Obj, objects: Objects, owed: Iterable[_Share]) -> None:
        self.quota = quota
        self.name: str = quota["metadata"]["name"]
        self.uid: str = quota["metadata"]["uid"]
        status, spec = quota.get("status") or {}, quota.get("spec") or {}
        self.hard = {**amounts(spec.get("hard")), **amounts(status.get("hard"))}
        self.used = amounts(status.get("used"))
        self.before = dict(self.used)
        unknown = [name for name in self.hard if name not in self.used]
        if unknown:
            self.used |= quota_usage.counted(quota, unknown, _stored(objects, quota, unknown))
        self.refunds = [share for share in owed if share.uid == self.uid]
        for share in self.refunds:
            self.used |= minus({n: self.used[n] for n in share.amounts if n in self.used}, share.amounts)
        self.grants: list[_Share] = []

    @property
    def changed(self) -> bool:
        """Whether there is something to write."""
        return self.used != self.before

    def asked(self, charge: _Charge) -> Amounts | None:
        """What this quota counts of a request; None when it does not concern it."""
        request = charge.request
        kind, obj = request.resource.group_resource, request.obj
        concerned = kind in quota_usage.limited_kinds(self.hard)
        if not concerned or obj is None or not quota_usage.in_scope(self.quota, kind, obj):
            return None
        source = charge.usage if _enters(self.quota, request) else charge.growth
        return {name: amount for name, amount in source.items() if amount and name in self.hard}

    def refusal(self, asked: Amounts) -> str:
        """Why that is too much, or ''."""
        over = sorted(n for n, amount in asked.items() if self.used[n] + amount > self.hard[n])
        if not over:
            return ""
        listed = (",".join(f"{name}={source[name]}" for name in over) for source in (asked, self.used, self.hard))
        return "exceeded quota: {}, requested: {}, used: {}, limited: {}".format(self.name, *listed)

    def grant(self, asked: Amounts) -> _Share:
        """Count it."""
        self.used = plus(self.used, asked)
        share = _Share(self.uid, asked)
        self.grants.append(share)
        return share

    def written(self) -> Obj:
        """The quota with its new status."""
        return {**self.quota, "status": {"hard": texts(self.hard), "used": texts(self.used)}}


def _stored(objects: Objects, quota: Obj, names: Iterable[str]) -> Iterable[tuple[str, Obj]]:
    for kind in sorted(quota_usage.limited_kinds(names)):
        for obj in objects.select(kind, quota["metadata"]["namespace"]):
            yield kind, obj


class ResourceQuota:
    """Counts creations and growth against the namespace's quotas."""

    name = "ResourceQuota"
    resources = None

    def __init__(self) -> None:
        self._ledgers: dict[str, _Ledger] = {}

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Reserve what the write needs.

        :raises Forbidden: a quota has not enough left
        :raises Conflict: a quota's usage is written that cannot know of all that is under way
        """
        kind = request.resource.group_resource
        if kind == QUOTAS and request.subresource == "status":
            self._check_count(request)
        quotas = [quota for quota in objects.select(QUOTAS, request.namespace) if _limits(quota, kind)]
        usage = _usage(request) if quotas else {}
        if not usage:
            return
        growth = usage if request.old is None else minus(usage, quota_usage.usage(kind, request.old))
        if not any(growth.values()) and not any(_enters(quota, request) for quota in quotas):
            return
        ledger = self._ledgers.setdefault(request.namespace, _Ledger())
        charge = _Charge(request, usage, growth)
        ledger.waiting.append(charge)
        try:
            async with ledger.lock:
                if not charge.done:
                    with anyio.CancelScope(shield=True):  # others' requests are settled here too
                        await _settle(ledger, request.namespace, objects)
        except BaseException:
            if charge.done:
                ledger.owed.extend(charge.shares)
                ledger.under_way.difference_update(charge.shares)
            else:
                ledger.waiting.remove(charge)
            self._put_away(request.namespace)
            raise
        if charge.refusal is not None:
            self._put_away(request.namespace)
            raise charge.refusal

        def ended() -> None:
            ledger.under_way.difference_update(charge.shares)
            self._put_away(request.namespace)

        if charge.shares:
            request.undo.append(lambda: self._give_back(request.namespace, charge.shares, objects))
        request.ended.append(ended)

    def _put_away(self, namespace: str) -> None:
        """Namespaces come and go: a ledger is kept only while there is something in it."""
        ledger = self._ledgers.get(namespace)
        if ledger is not None and not (ledger.waiting or ledger.owed or ledger.under_way or ledger.lock.locked()):
            del self._ledgers[namespace]

    def _check_count(self, request: AdmissionRequest) -> None:
        ledger = self._ledgers.get(request.namespace)
        if ledger is None or request.user is SERVER or request.old is None:
            return
        uid = request.old["metadata"]["uid"]
        if any(share.uid == uid for share in ledger.under_way):
            raise errors.conflict(QUOTAS, "", request.name, errors.MODIFIED)

    async def _give_back(self, namespace: str, shares: list[_Share], objects: Objects) -> None:
        ledger = self._ledgers.setdefault(namespace, _Ledger())
        ledger.owed.extend(shares)
        async with ledger.lock:
            with anyio.CancelScope(shield=True):
                await _settle(ledger, namespace, objects)
        self._put_away(namespace)


def _limits(quota: Obj, kind: str) -> bool:
    return any(kind in quota_usage.limited_kinds((quota.get(part) or {}).get("hard") or {}) for part in _PARTS)


def _usage(request: AdmissionRequest) -> Amounts:
    """What the object counts for, of a write that can raise it."""
    obj = request.obj
    if obj is None or not request.namespace or request.operation not in ("CREATE", "UPDATE"):
        return {}
    if request.subresource and not request.is_("pods", "resize"):
        return {}
    return quota_usage.usage(request.resource.group_resource, obj)


def _enters(quota: Obj, request: AdmissionRequest) -> bool:
    """Whether a write brings an object under a quota that did not cover it before."""
    kind, obj, old = request.resource.group_resource, request.obj, request.old
    if obj is None or not quota_usage.in_scope(quota, kind, obj):
        return False
    return old is None or not quota_usage.in_scope(quota, kind, old)


async def _settle(ledger: _Ledger, namespace: str, objects: Objects) -> None:
    """Decide about everybody waiting and write what changes. The ledger's lock is held."""
    batch, ledger.waiting = ledger.waiting, []
    try:
        for _ in range(RETRIES):
            balances = [_Balance(quota, objects, ledger.owed) for quota in objects.select(QUOTAS, namespace)]
            for charge in batch:
                _decide(charge, balances)
            if await _write(ledger, namespace, balances, objects):
                ledger.under_way.update(share for charge in batch for share in charge.shares)
                known = {balance.uid for balance in balances}
                ledger.owed = [share for share in ledger.owed if share.uid in known]
                return
        raise errors.InternalError(TIMED_OUT)
    except errors.ApiError as error:
        for charge in batch:
            charge.shares, charge.refusal = [], charge.refusal or error
    finally:
        for charge in batch:
            charge.done = True


def _decide(charge: _Charge, balances: list[_Balance]) -> None:
    request = charge.request
    charge.shares, charge.refusal = [], None
    concerned = [(balance, asked) for balance in balances if (asked := balance.asked(charge)) is not None]
    whys = [_unstated(request, balance) for balance, _ in concerned]
    whys += [balance.refusal(asked) for balance, asked in concerned]
    why = next(filter(None, whys), "")
    if why:
        charge.refusal = request.refused(why)
    elif not request.dry_run:
        charge.shares = [balance.grant(asked) for balance, asked in concerned]


def _unstated(request: AdmissionRequest, balance: _Balance) -> str:
    assert request.obj is not None
    why = quota_usage.unstated(request.resource.group_resource, request.obj, balance.hard)
    return f"failed quota: {balance.name}: {why}" if why else ""


async def _write(ledger: _Ledger, namespace: str, balances: list[_Balance], objects: Objects) -> bool:
    """Write every quota that changed; False when one was changed by somebody else meanwhile."""
    done: list[_Balance] = []
    try:
        for balance in balances:
            if balance.changed:
                await objects.internal_status(QUOTAS, namespace, balance.written())
                done.append(balance)
                ledger.owed = [share for share in ledger.owed if share not in balance.refunds]
    except (errors.Conflict, errors.NotFound):
        for balance in done:
            ledger.owed.extend(balance.grants)
        return False
    except errors.ApiError:
        for balance in done:
            ledger.owed.extend(balance.grants)
        raise
    return True
