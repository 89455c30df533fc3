"""What a controller has done that its cache does not show yet.

A ReplicaSet that has just created three pods sees none of them until their events arrive; counting from the
cache alone it would create three more. So it expects three additions, and neither creates nor deletes until they
have been seen (upstream: ``ControllerExpectations`` and ``UIDTrackingControllerExpectations``). A process that
restarts expects nothing, and needs not: its cache begins with a fresh list.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kube_lite import clock


class _Expected(msgspec.Struct):
    creations: int
    deletions: set[str]
    since: float


class Expectations:
    """Outstanding additions and deletions by key.

    :param timeout: seconds after which unfulfilled expectations are taken as lost
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._expected: dict[str, _Expected] = {}

    def satisfied(self, key: str) -> bool:
        """Whether the cache shows everything that was done for ``key``."""
        expected = self._expected.get(key)
        if expected is None:
            return True
        if expected.creations > 0 or expected.deletions:
            return clock.monotonic() - expected.since > self._timeout
        return True

    def remaining(self, key: str) -> float:
        """Seconds until expectations that are not fulfilled are given up."""
        expected = self._expected.get(key)
        return 0.0 if expected is None else max(0.0, expected.since + self._timeout - clock.monotonic())

    def expect_creations(self, key: str, count: int) -> None:
        """``count`` additions are about to be caused."""
        self._expected[key] = _Expected(count, set(), clock.monotonic())

    def expect_more_creations(self, key: str, count: int) -> None:
        """``count`` additions besides those that are outstanding."""
        expected = self._expected.get(key)
        outstanding = max(0, expected.creations) if expected is not None else 0
        self.expect_creations(key, outstanding + count)

    def expect_deletions(self, key: str, uids: Iterable[str]) -> None:
        """These objects are about to be deleted."""
        self._expected[key] = _Expected(0, set(uids), clock.monotonic())

    def created(self, key: str, count: int = 1) -> None:
        """So many additions were seen, or did not come about."""
        if (expected := self._expected.get(key)) is not None:
            expected.creations -= count

    def deleted(self, key: str, uid: str) -> None:
        """A deletion was seen, or did not come about."""
        if (expected := self._expected.get(key)) is not None:
            expected.deletions.discard(uid)

    def forget(self, key: str) -> None:
        """Expect nothing for ``key``."""
        self._expected.pop(key, None)
