"""FlowSchemas and PriorityLevelConfigurations of flowcontrol.apiserver.k8s.io/v1beta1 to v1beta3.

Until v1beta2 the shares of a level were called ``assuredConcurrencyShares`` and none could be lent; until v1beta3 a
level could not have 0 of them, which meant the default.
"""

from __future__ import annotations

from msgspec.structs import replace

from kube_lite.resources.field import Errors
from kube_lite.resources.kinds import flowschema, prioritylevelconfiguration
from kube_lite.resources.kinds.withdrawn.legacy import Conversion, Release, legacy, renamed
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Column

ASSURED, NOMINAL = "assuredConcurrencyShares", "nominalConcurrencyShares"


def _renamed(obj: Obj, old: str, new: str) -> Obj:
    spec = obj.get("spec") or {}
    limited = spec.get("limited")
    if limited is None:
        return obj
    made = {new if key == old else key: value for key, value in limited.items()}
    if new == ASSURED and not made.get("lendablePercent"):
        made.pop("lendablePercent", None)
    return {**obj, "spec": {**spec, "limited": made}}


def up(obj: Obj) -> Obj:
    """The v1 form of a v1beta1 PriorityLevelConfiguration."""
    return _renamed(obj, ASSURED, NOMINAL)


def down(obj: Obj) -> Obj:
    """The v1beta1 form of a v1 PriorityLevelConfiguration."""
    return _renamed(obj, NOMINAL, ASSURED)


def _default_shares(name: str, obj: Obj) -> None:
    limited = (obj.get("spec") or {}).get("limited")
    if limited is not None and not limited.get(name):
        limited[name] = prioritylevelconfiguration.SHARES


def _told(obj: Obj, problems: Errors) -> Errors:
    at = f"spec.limited.{ASSURED}"
    return [
        replace(p, message=p.message.replace("must be a non-negative integer", "must be positive"))
        if p.field == at
        else p
        for p in renamed(problems, {NOMINAL: ASSURED})
    ]


_FLOW, _LEVEL = flowschema.RESOURCES[0], prioritylevelconfiguration.RESOURCES[0]
_COLUMNS = tuple(
    Column("AssuredConcurrencyShares") if column.name == "NominalConcurrencyShares" else column
    for column in _LEVEL.columns
)
_RELEASES = {
    "v1beta1": Release("v1.23", "v1.26"),
    "v1beta2": Release("v1.26", "v1.29"),
    "v1beta3": Release("v1.29", "v1.32"),
}

RESOURCES = (
    *(legacy(_FLOW, version, release) for version, release in _RELEASES.items()),
    *(
        legacy(
            _LEVEL,
            version,
            _RELEASES[version],
            conversion=Conversion(up, down),
            default=lambda obj: _default_shares(ASSURED, obj),
            errors=_told,
            columns=_COLUMNS,
        )
        for version in ("v1beta1", "v1beta2")
    ),
    legacy(_LEVEL, "v1beta3", _RELEASES["v1beta3"], default=lambda obj: _default_shares(NOMINAL, obj)),
)
