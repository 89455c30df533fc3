"""Settings: one frozen model per component, every field with its unit and reason."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Settings(BaseModel):
    """Base: settings never change while a component runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Settings):
    """The control plane: API server, scheduler, controllers and simulated nodes."""

    data_dir: Path
    """Where all state lies; made with mode 0700."""
    listen_host: str = "127.0.0.1"
    """Loopback only unless asked for otherwise: a cluster is a remote shell for whoever may use it."""
    listen_port: int = Field(6443, ge=0, le=65535)
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
    service_cluster_ip_range: str = "10.96.0.0/12"
    """CIDR that ClusterIPs come from; upstream's kubeadm default."""
    cluster_cidr: str = "10.244.0.0/16"
    """CIDR that each node gets a /24 of for its pods."""
    sim_nodes: int = Field(0, ge=0, le=100_000)
    """Simulated nodes beside the real ones."""
    seed: int | None = None
    """Seed of every random choice; None takes one from the system."""
    node_monitor_grace_period: float = Field(50.0, gt=0)
    """Seconds of silence after which a node is Unknown (upstream since 1.32)."""

    @field_validator("service_cluster_ip_range", "cluster_cidr")
    @classmethod
    def _is_cidr(cls, value: str) -> str:
        import ipaddress

        ipaddress.IPv4Network(value)
        return value

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
