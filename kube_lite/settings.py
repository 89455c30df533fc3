"""Settings of the server, frozen, every field with its unit and reason.

Plain records: importing pydantic for them would cost 130 ms of a start that should take less than a second.
Controllers and nodes keep theirs beside them (``controllers/settings.py``, ``node/settings.py``).
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec

LEAST_SERVICE_IPS = 8
"""Addresses that a range for Services must have at least; upstream's number."""
NODE_PREFIX = 24
"""Length of the network prefix that each node gets out of the cluster's."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The control plane: API server, scheduler, controllers and simulated nodes.

    :raises ValueError: a field has an impossible value; the text begins with the flag's name
    """

    data_dir: Path
    """Where all state lies; made with mode 0700."""
    listen_host: str = "127.0.0.1"
    """Loopback only unless asked for otherwise: a cluster is a remote shell for whoever may use it."""
    listen_port: int = 6443
    """0 takes a free port, which the printed line and the kubeconfig name."""
    advertise_address: str = ""
    """The address that nodes and pods reach the server at; '' takes listen_host, or this machine's if that is all."""
    token_auth_file: Path | None = None
    """Static tokens, as upstream's --token-auth-file."""
    controllers: tuple[str, ...] = ("*",)
    """``*`` for all, a name for one, ``-name`` for all but that one; empty for none."""
    scheduler: bool = True
    """Whether pods are bound to nodes by us."""
    disabled_admission_plugins: tuple[str, ...] = ()
    """Names from ``api/admission/chain.py``."""
    legacy_service_account_tokens: bool = False
    """Whether every ServiceAccount gets a token Secret, as before Kubernetes 1.24: they never expire."""
    service_cluster_ip_range: str = "10.96.0.0/12"
    """CIDR that ClusterIPs come from; upstream's kubeadm default."""
    cluster_cidr: str = "10.244.0.0/16"
    """CIDR that each node gets a /24 of for its pods."""
    sim_nodes: int = 0
    """Simulated nodes beside the real ones."""
    seed: int | None = None
    """Seed of every random choice; None takes one from the system."""
    node_monitor_grace_period: float = 50.0
    """Seconds of silence after which a node is Unknown (upstream since 1.32)."""
    shutdown_delay: float = 0.0
    """Seconds that a server which was told to end still serves all, while /readyz fails (--shutdown-delay-duration)."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        networks: list[ipaddress.IPv4Network] = []
        for flag, value in (
            ("--service-cluster-ip-range", self.service_cluster_ip_range),
            ("--cluster-cidr", self.cluster_cidr),
        ):
            try:
                networks.append(ipaddress.IPv4Network(value))
            except ValueError as error:
                raise ValueError(f"{flag} {value}: want an IPv4 network such as 10.96.0.0/12 ({error})") from error
        services, pods = networks
        if services.num_addresses < LEAST_SERVICE_IPS:
            raise ValueError(
                f"--service-cluster-ip-range {services}: want at least {LEAST_SERVICE_IPS} addresses (/29)"
            )
        if pods.prefixlen > NODE_PREFIX:
            raise ValueError(f"--cluster-cidr {pods}: want a /{NODE_PREFIX} at least: each node gets one of them")
        if services.overlaps(pods):
            raise ValueError(f"--cluster-cidr {pods} and --service-cluster-ip-range {services} overlap: choose others")
        if not 0 <= self.listen_port <= 65535:
            raise ValueError(f"--listen: {self.listen_port} is not a port")
        if not 0 <= self.sim_nodes <= 100_000:
            raise ValueError(f"--sim-nodes {self.sim_nodes}: want 0 to 100000")
        if self.node_monitor_grace_period <= 0:
            raise ValueError("--node-monitor-grace-period must be above 0 seconds")
        if self.shutdown_delay < 0:
            raise ValueError("--shutdown-delay-duration must not be negative")

    @property
    def pki_dir(self) -> Path:
        """Keys and certificates."""
        return self.data_dir / "pki"

    @property
    def admin_kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.data_dir / "admin.kubeconfig"

    @property
    def node_token(self) -> Path:
        """What a node joins with."""
        return self.data_dir / "node.token"

    @property
    def api_socket(self) -> Path:
        """The owner's unix socket."""
        return self.data_dir / "api.sock"
