"""Fetching no more often than it pays.

A broker answers a fetch as soon as one record is there, and a stage that keeps up fetches again at once: at 1,000
events/s normalize made 90 runs of 11 records in a second, each with its round trips and its wakeups of threads and
processes. Those cost more than the records, and the stages and the broker stood in each other's way.

So the first stage of a chain pauses after a fetch that brought something, and sends on what came meanwhile as one
round, in one request. The stages behind it find a round in one fetch, and are paced by it: a long pause of their own
would only let each of them miss the round by a little and wait. Theirs is short, for when several workers send to them.

From append to posting at 1,000 events/s, p50/p99 in ms of every window of 20 or 25 s that was measured, on two slow
cores that all five stages shared with broker and database. The first window after a start was often the worse, and in
the one marked * the host took 7 % of both cores away.

    pauses, first stage and others   windows
    50, 50, without rounds           155/358 158/322
    50, 50                           180/508* 139/236 146/316 138/206
    50, 30                           97/228 94/239
    50, 20                           90/200 79/159 112/282 95/201 103/375 101/266
    50, 10                           106/244 146/423
    50, 5                            86/157 83/256
    60, 20                           107/195 119/270
    40, 20                           141/282 178/483
    30, 15                           187/335 172/443
    25, 25                           218/441 263/551

Below 50 for the first stage the cores are full and everything waits. From 5 to 30 for the others differ by less than
their windows do.
"""

import asyncio
from typing import Any


def pace_fetches(fetcher: Any, pause_s: float) -> None:
    """Let a fetch begin no sooner than `pause_s` after the last one that brought records.

    A stage that was idle gets the next record at once. A stage that falls behind is not slowed: what one fetch brings
    keeps it busy for longer than the pause. The client has no setting for this; `fetch_min_bytes` delays the first
    record after a silence as well, and has idle workers ask again and again.
    """
    fetch = fetcher._proc_fetch_request
    brought_at = float("-inf")

    async def paced(*request: Any) -> bool:
        nonlocal brought_at
        now = asyncio.get_running_loop().time
        early = brought_at + pause_s - now()
        if early > 0:
            try:
                await asyncio.sleep(early)
            except asyncio.CancelledError:  # a new assignment; the client's own request answers so too, else it ends
                return False
        brought: bool = await fetch(*request)
        if brought:
            brought_at = now()
        return brought

    fetcher._proc_fetch_request = paced
