"""Runs what probes and lifecycle hooks are made of: a command, an HTTP GET, a connection, a pause.

Results are values: :class:`Outcome`. An HTTP host left empty is the pod's address; a port may be the name of one
of the container's ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import anyio
import msgspec

from kube_lite.node.dialer import Dialer, DialError
from kube_lite.node.runtime import ExecResult, RuntimeFailure
from kube_lite.resources.kinds.pod.view import (
    Container,
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    SleepAction,
    TCPSocketAction,
)

MAX_OUTPUT = 10 * 1024
"""Bytes of a command's output that are shown (upstream)."""


class Handler(Protocol):
    """What probes and hooks have in common."""

    @property
    def exec(self) -> ExecAction | None:
        """A command."""
        ...

    @property
    def http_get(self) -> HTTPGetAction | None:
        """An HTTP GET."""
        ...

    @property
    def tcp_socket(self) -> TCPSocketAction | None:
        """A connection."""
        ...


class Executor(Protocol):
    """Runs commands in containers; a ``NodeRuntime`` is one."""

    async def exec(self, pod_uid: str, name: str, command: Sequence[str], timeout: float) -> ExecResult:
        """See ``NodeRuntime.exec``."""
        ...


class Outcome(msgspec.Struct, frozen=True):
    """Whether it succeeded, and what there is to say.

    ``errored`` when it could not even be tried, ``warning`` when it succeeded in a way that somebody should know of.
    """

    success: bool
    message: str = ""
    errored: bool = False
    warning: bool = False


class Target(msgspec.Struct, frozen=True):
    """Whose container it is about."""

    pod_uid: str
    pod_ip: str
    container: Container


class BadPort(ValueError):
    """Raised for a port name that the container does not declare."""


def resolve_port(container: Container, port: int | str) -> int:
    """A port number from a number, a text of one, or a port's name. :raises BadPort:"""
    if isinstance(port, int):
        return port
    for declared in container.ports:
        if declared.name == port:
            return declared.container_port
    if port.isdigit():
        return int(port)
    raise BadPort(f'strconv.Atoi: parsing "{port}": invalid syntax')


def url_of(action: HTTPGetAction, target: Target) -> str:
    """The URL of an HTTP action. :raises BadPort:"""
    host = action.host or target.pod_ip
    host = f"[{host}]" if ":" in host else host
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    return f"{action.scheme.lower()}://{host}:{resolve_port(target.container, action.port)}{path}"


class Handlers:
    """Runs handlers against containers.

    :param runtime: runs commands
    """

    def __init__(self, runtime: Executor, dialer: Dialer) -> None:
        self._runtime = runtime
        self._dialer = dialer

    async def run(
        self,
        target: Target,
        handler: Handler,
        timeout: float,
        *,
        grpc: GRPCAction | None = None,
        sleep: SleepAction | None = None,
    ) -> Outcome:
        """Do what ``handler`` says, for ``timeout`` seconds at most."""
        try:
            with anyio.fail_after(timeout):
                if handler.exec is not None:
                    return await self._exec(target, handler.exec, timeout)
                if handler.http_get is not None:
                    return await self._http(target, handler.http_get)
                if handler.tcp_socket is not None:
                    host = handler.tcp_socket.host or target.pod_ip
                    await self._dialer.tcp_connect(host, resolve_port(target.container, handler.tcp_socket.port))
                elif grpc is not None:
                    await self._dialer.grpc_health(target.pod_ip, grpc.port, grpc.service or "")
                elif sleep is not None:
                    await anyio.sleep(sleep.seconds)
                return Outcome(True)
        except TimeoutError:
            return self._timed_out(target, handler, timeout)
        except DialError as error:
            return Outcome(False, str(error))
        except BadPort as error:
            return Outcome(False, str(error), errored=True)
        except RuntimeFailure as error:
            return Outcome(False, error.message, errored=True)

    @staticmethod
    def _timed_out(target: Target, handler: Handler, timeout: float) -> Outcome:
        if handler.exec is not None:
            command = " ".join(handler.exec.command)
            return Outcome(False, f'command timed out: "{command}" timed out after {timeout:g}s')
        if handler.http_get is not None:
            waiting = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Outcome(False, f'Get "{url_of(handler.http_get, target)}": {waiting}')
        if handler.tcp_socket is not None:
            port = resolve_port(target.container, handler.tcp_socket.port)
            return Outcome(False, f"dial tcp {handler.tcp_socket.host or target.pod_ip}:{port}: i/o timeout")
        return Outcome(False, f"timeout: no answer within {timeout:g}s")

    async def _exec(self, target: Target, action: ExecAction, timeout: float) -> Outcome:
        result = await self._runtime.exec(target.pod_uid, target.container.name, action.command, timeout)
        output = (result.stdout + result.stderr)[:MAX_OUTPUT].decode("utf-8", "replace")
        return Outcome(result.exit_code == 0, output)

    async def _http(self, target: Target, action: HTTPGetAction) -> Outcome:
        headers = {header.name: header.value for header in action.http_headers}
        answer = await self._dialer.http_get(url_of(action, target), headers)
        if 200 <= answer.status < 300:
            return Outcome(True)
        if 300 <= answer.status < 400:  # it leads to another host, which is not asked
            return Outcome(True, f"Probe terminated redirects, Response body: {answer.body}", warning=True)
        return Outcome(False, f"HTTP probe failed with statuscode: {answer.status}")
