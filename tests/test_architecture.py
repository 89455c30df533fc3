"""The architecture is a test: imports go downwards, each library has one owner, files stay small.

The rules are those of docs/decisions.md ("Rules of the house"); what can be checked by reading the imports is
checked here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "kube_lite"
FILES = sorted(PACKAGE.rglob("*.py"))

BOTTOM = {"errors", "clock", "exposition", "settings", ""}
"""What everybody may import; '' is the package itself (version constants)."""
RESOURCES = BOTTOM | {"resources"}
CLIENT = RESOURCES | {"client"}
ALLOWED = {
    "errors": BOTTOM,
    "clock": BOTTOM,
    "exposition": BOTTOM,
    "settings": BOTTOM,
    "": BOTTOM | {"cli"},
    "__main__": {"cli"},
    "store": BOTTOM | {"store"},
    "resources": RESOURCES,
    "client": CLIENT,
    "controllers": CLIENT | {"controllers"},
    "sched": CLIENT | {"sched"},
    "node": CLIENT | {"node"},
    "api": CLIENT | {"api", "store"},
    "sim": CLIENT | {"sim", "node"},
    "cluster": CLIENT | {"api", "controllers", "sched", "sim", "store", "cluster"},
    "live": CLIENT | {"api", "controllers", "sched", "sim", "store", "cluster", "live", "node"},
    "cli": CLIENT | {"api", "controllers", "sched", "node", "sim", "store", "cluster", "live", "cli"},
}

OWNERS = {
    "sqlite3": ["store/"],
    "aiosqlite": ["store/"],
    "pyroute2": ["node/linux/network/"],
    "ctypes": ["node/linux/"],
    "httpx": ["client/http.py", "node/linux/images/", "api/admission/webhook_call.py", "api/aggregation/"],
    "cel": ["resources/cel/program.py"],
    "fastapi": ["api/"],
    "starlette": ["api/"],
    "uvicorn": ["api/"],
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
LINES = 600


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _area(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _own_imports(path: Path) -> set[str]:
    found = set()
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] != "kube_lite":
            continue
        target = ROOT.joinpath(*parts)
        if target.with_suffix(".py").exists() or target.is_dir():
            found.add(name)
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_imports_go_downwards(path: Path) -> None:
    area = _area(_module(path))
    for name in _own_imports(path):
        assert _area(name) in ALLOWED[area], f"{_module(path)} imports {name}"


def test_the_node_agent_does_not_know_how_containers_are_made() -> None:
    for path in FILES:
        module = _module(path)
        if not module.startswith("kube_lite.node."):
            continue
        for name in _own_imports(path):
            if not module.startswith("kube_lite.node.linux"):
                assert not name.startswith("kube_lite.node.linux"), f"{module} imports {name}"
            else:
                assert not name.startswith("kube_lite.client"), f"{module} imports {name}"


def test_each_library_has_its_owners() -> None:
    for path in FILES:
        relative = str(path.relative_to(PACKAGE))
        for name in _imports(path):
            owners = OWNERS.get(name.split(".")[0])
            if owners is not None:
                assert any(relative.startswith(owner) for owner in owners), f"{relative} imports {name}"


def test_time_and_threads_come_from_the_clock() -> None:
    # node/linux runs real processes beside the loop: the zygote has no virtual time to keep
    banned = re.compile(r"\b(time\.(time|monotonic|sleep)|datetime\.(now|utcnow)|asyncio\.sleep)\(")
    for path in FILES:
        relative = str(path.relative_to(PACKAGE))
        if relative == "clock.py":
            continue
        found = banned.search(path.read_text())
        allowed = relative.startswith("node/linux/")
        assert found is None or allowed, f"{relative}: {found.group(0) if found else ''}"


def test_the_composition_root_stays_readable() -> None:
    assert len((PACKAGE / "cluster.py").read_text().splitlines()) < 150


def test_files_are_small_and_well_named() -> None:
    for path in [*FILES, *(ROOT / "tests").rglob("*.py")]:
        assert path.stem not in FORBIDDEN_NAMES, path
        assert len(path.read_text().splitlines()) <= LINES, f"{path} is over {LINES} lines: split it by concept"


def test_modules_open_with_their_idea() -> None:
    for path in FILES:
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        assert docstring, f"{path} has no module docstring"
        assert len(docstring) > 10, f"{path}: the docstring says nothing"


def test_public_functions_and_classes_are_documented() -> None:
    missing = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                missing += [f"{path}:{node.lineno} {node.name}"] if not _documented(node) else []
                missing += [
                    f"{path}:{item.lineno} {node.name}.{item.name}"
                    for item in node.body
                    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
                    and not _documented(item)
                    and not node.name.startswith("_")
                ]
        for item in ast.parse(path.read_text()).body:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not _documented(item):
                missing.append(f"{path}:{item.lineno} {item.name}")
    assert not missing, "\n".join(missing)


def _documented(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return node.name.startswith("_") or ast.get_docstring(node) is not None
