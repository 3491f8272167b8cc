"""Which partitions this worker may answer from, and whom to ask about the others."""

from collections.abc import Collection, Sequence

from web.problems import Problem, unavailable
from web.runtime import PartitionStatus, Runtime


def progress(statuses: Sequence[PartitionStatus]) -> list[dict[str, object]]:
    """Return how far the partitions are, for people and scripts."""
    return [
        {
            "partition": status.partition,
            "state": status.state,
            "recovered": status.recovered,
            "target": status.target,
            "lag": status.lag,
        }
        for status in statuses
    ]


def owned(runtime: Runtime, wanted: Collection[int]) -> list[int]:
    """Return those of the wanted partitions that this worker owns.

    Raises:
        Problem: one of them is not recovered; it says how far they are.
    """
    mine = [status for status in runtime.status() if status.partition in wanted]
    recovering = [status for status in mine if status.state != "ready"]
    if recovering:
        read, target = sum(s.recovered for s in recovering), sum(s.target for s in recovering)
        raise unavailable(
            "recovering",
            f"{len(recovering)} partitions are recovering: {read} of {target} records are read",
            {"partitions": progress(recovering)},
        )
    return [status.partition for status in mine]


def owner(runtime: Runtime, partition: int) -> str:
    """Return the base URL of the worker that owns a partition.

    Raises:
        Problem: nobody is known to own it.
    """
    url = runtime.owner(partition)
    if url is None:
        raise unavailable("owner-unknown", f"no worker is known to own partition {partition} at present")
    return url


def not_mine(partitions: Collection[int]) -> Problem:
    """Return the problem of a worker that is asked about partitions it does not hold (any more, or yet)."""
    numbers = ", ".join(map(str, sorted(partitions)))
    return unavailable("not-the-owner", f"this worker does not hold partitions {numbers} at present")
