"""Fetching no more often than it pays.

A broker answers a fetch as soon as one record is there, and a stage that keeps up fetches again at once: at 1,000
events/s normalize made 90 runs of 11 records in a second, each with its round trips and its wakeups of threads and
processes. Those cost more than the records, and the stages and the broker stood in each other's way.

So the first stage of a chain pauses after a fetch that brought something, and sends on what came meanwhile as one
round, in one request. The stages behind it find a round in one fetch, and are paced by it: a long pause of their own
would only let each of them miss the round by a little and wait. Theirs is short, for when several workers send to them.

From append to posting at 1,000 events/s, on two slow cores that all five stages shared with broker and database, in ms:

    pauses, first stage and others   runs of each partition for itself   rounds
    50, 50                           p50 155, p99 322 and 358            p50 138 to 146, p99 206 and 316
    50, 20                                                               p50 79 to 95, p99 159 to 201
    40, 20                                                               p50 141 and 178, p99 282 and 483
    25, 25                                                               p50 218 and 263, p99 441 and 551

Less is worse there since the cores are full then; 60, 20 gave p50 107 and 119.
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
