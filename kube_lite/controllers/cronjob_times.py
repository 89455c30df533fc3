"""When a CronJob is due, in its time zone (upstream: ``pkg/controller/cronjob/utils.go`` and robfig/cron).

A time that a change of clocks leaps over does not come that day; one that it repeats comes twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from kube_lite.resources.cron import Schedule

MISSED_TOO_MANY = 100
"""Missed times above which something is wrong with the clock or with the deadline (upstream: the same number)."""

Next = Callable[[datetime], "datetime | None"]


def next_time(schedule: Schedule, zone: tzinfo, moment: datetime) -> datetime | None:
    """The first time after ``moment`` (UTC) at which the clocks of ``zone`` show what the schedule says; in UTC."""
    offset = _offset(zone, moment)
    for _ in range(100):
        # with a fixed offset arithmetic on wall clock time is sound
        due = schedule.after(moment.astimezone(timezone(offset)))
        if due is None:
            return None
        due = due.astimezone(UTC)
        if schedule.every is not None or _offset(zone, due) == offset:
            return due
        change = _change(zone, moment, due, offset)
        moment, offset = change - timedelta(seconds=1), _offset(zone, change)
    return None


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _change(zone: tzinfo, first: datetime, last: datetime, offset: timedelta) -> datetime:
    """The instant between the two at which the zone leaves ``offset``, to the second."""
    low, high = int(first.timestamp()), int(last.timestamp())
    # a zone may change twice within a schedule's step: begin with the first month in which it differs
    month = 28 * 86400
    while low + month < high and _offset(zone, datetime.fromtimestamp(low + month, UTC)) == offset:
        low += month
    high = min(high, low + month)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def last_due(following: Next, since: datetime, now: datetime) -> tuple[datetime | None, bool]:
    """The latest due time in (``since``, ``now``], and whether more than ``MISSED_TOO_MANY`` lie there.

    :param following: the first due time after a moment
    """
    found: datetime | None = None
    due = following(since)
    for _ in range(MISSED_TOO_MANY):
        if due is None or due > now:
            return found, False
        found, due = due, following(due)
    if due is None or due > now:
        return found, False
    return _latest(following, since, now), True


def _latest(following: Next, since: datetime, now: datetime) -> datetime | None:
    """The latest due time, looked for backwards in steps that grow, and then forwards."""
    step = timedelta(minutes=1)
    while now - step > since and ((due := following(now - step)) is None or due > now):
        step *= 2
    found, due = None, following(max(since, now - step))
    while due is not None and due <= now:
        found, due = due, following(due)
    return found
