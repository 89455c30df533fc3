"""What simulated pods go through, as data: how long each stage takes, and how often it fails.

A profile is a :class:`Stages`; ``PROFILES`` names a few. Delays are seconds, drawn evenly from ``delay`` to
``delay + jitter``; ``failure`` is the probability that an attempt fails, with a kubelet's reason and message.
A pod says by annotations that it ends by itself: ``sim.kube-lite.io/run-for`` (seconds that its containers run)
and ``sim.kube-lite.io/exit-code`` (0 unless given).
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import msgspec

RUN_FOR = "sim.kube-lite.io/run-for"
EXIT_CODE = "sim.kube-lite.io/exit-code"


class Stage(msgspec.Struct, frozen=True):
    """One step in the life of a pod."""

    delay: float = 0.0
    jitter: float = 0.0
    failure: float = 0.0
    reason: str = ""
    message: str = ""

    def duration(self, rng: random.Random) -> float:
        """Seconds that this attempt takes."""
        return self.delay + (rng.random() * self.jitter if self.jitter else 0.0)

    def fails(self, rng: random.Random) -> bool:
        """Whether this attempt fails."""
        return self.failure > 0 and rng.random() < self.failure


class Stages(msgspec.Struct, frozen=True):
    """All stages: sandbox, image pull (when the node lacks the image), start, readiness, stop."""

    sandbox: Stage = msgspec.field(default_factory=Stage)
    pull: Stage = msgspec.field(default_factory=Stage)
    start: Stage = msgspec.field(default_factory=Stage)
    ready: Stage = msgspec.field(default_factory=Stage)
    stop: Stage = msgspec.field(default_factory=Stage)


FAST = Stages()
"""Everything at once: for measuring the control plane alone."""

GENERAL = Stages(
    sandbox=Stage(0.2, 0.2),
    pull=Stage(2.0, 4.0),
    start=Stage(0.3, 0.4),
    ready=Stage(1.0, 1.0),
    stop=Stage(0.5, 1.0),
)
"""Roughly an ordinary cluster."""

CHAOS = Stages(
    sandbox=Stage(0.2, 2.0, 0.02, "CreatePodSandboxError", "failed to create the sandbox"),
    pull=Stage(2.0, 30.0, 0.1, "ErrImagePull", "failed to pull image: connection reset by peer"),
    start=Stage(0.3, 3.0, 0.05, "RunContainerError", "failed to start the container"),
    ready=Stage(1.0, 20.0),
    stop=Stage(0.5, 40.0),
)
"""Slow and unreliable everywhere."""

PROFILES: Mapping[str, Stages] = {"fast": FAST, "general": GENERAL, "chaos": CHAOS}

INITIAL_BACKOFF = 10.0
"""Seconds before a failed pull or a container that ended is tried again (kubelet's)."""

MAX_BACKOFF = 300.0
"""Seconds between such attempts at most (kubelet's)."""


def backoff(failures: int) -> float:
    """Seconds to wait after the ``failures``-th failure in a row, counted from 1."""
    return min(INITIAL_BACKOFF * 2.0 ** min(failures - 1, 10), MAX_BACKOFF)
