"""An operator as users write them: reacts to widgets, keeps a finalizer, writes status. Run by ``kopf run``."""

from typing import Any

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Progress in annotations, which every kopf can do."""
    settings.posting.enabled = False


@kopf.on.create("widgets.kopf.example.com")
def created(spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
    """Say in status how large the widget was made."""
    patch.status["made"] = spec["size"]


@kopf.on.update("widgets.kopf.example.com", field="spec.size")
def resized(old: Any, new: Any, patch: kopf.Patch, **_: Any) -> None:
    """Say in status what changed."""
    patch.status["resized"] = f"{old} to {new}"


@kopf.on.delete("widgets.kopf.example.com")
def deleted(name: str | None, **_: Any) -> None:
    """Runs before the finalizer goes, so the object waits for it."""
    print(f"cleaned up after {name}", flush=True)
