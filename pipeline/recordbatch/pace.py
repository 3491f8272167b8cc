"""Fetching no more often than it pays.

A broker answers a fetch as soon as one record is there, and a stage that keeps up fetches again at once: at 1,000
events/s normalize made 90 runs of 11 records in a second, each with its round trips and its wakeups of threads and
processes. Those cost more than the records, and the stages and the broker stood in each other's way. With a pause
after a fetch that brought something a record waits for half the pause on average, and yet the median from append to
posting is halved: 388, 392, 376 and 489 ms without, 240, 153, 193 and 347 ms with 40 ms, each pair within half a
minute on two cores whose speed varied; 60 ms were no worse than 40, 20 ms hardly better than none.
"""

import asyncio
from typing import Any

PAUSE_S = 0.05


def pace_fetches(fetcher: Any, pause_s: float = PAUSE_S) -> None:
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
