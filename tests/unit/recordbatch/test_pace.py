"""The pause between fetches: after one that brought records, and only then."""

import asyncio
from collections.abc import Sequence

from pipeline.recordbatch.pace import pace_fetches
from tests.simulation.clockwork import VirtualLoop


class Fetcher:
    """Stands for the client's fetcher: notes when each request goes out, and brings what it is told to."""

    def __init__(self, brings: Sequence[bool], takes_s: float) -> None:
        self.at: list[float] = []
        self._brings = iter(brings)
        self._takes_s = takes_s

    async def _proc_fetch_request(self, assignment: object, node: int, request: object) -> bool:
        self.at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._takes_s)
        return next(self._brings)


def requests_at(brings: Sequence[bool], takes_s: float = 0.0, between_s: float = 0.0) -> list[float]:
    """Return the virtual second of each request of a client that fetches again `between_s` after each answer."""
    fetcher = Fetcher(brings, takes_s)
    pace_fetches(fetcher, pause_s=10.0)

    async def fetch_all() -> None:
        for brought in brings:
            assert await fetcher._proc_fetch_request(None, 0, None) is brought
            await asyncio.sleep(between_s)

    loop = VirtualLoop()
    try:
        loop.run_until_complete(fetch_all())
    finally:
        loop.end()
    return fetcher.at


def test_the_first_fetch_goes_out_at_once() -> None:
    """A worker that starts does not wait."""
    assert requests_at([True]) == [0.0]


def test_a_fetch_waits_after_one_that_brought_records() -> None:
    """The records that come meanwhile are fetched together."""
    assert requests_at([True, True, True]) == [0.0, 10.0, 20.0]


def test_a_fetch_that_brought_nothing_is_repeated_at_once() -> None:
    """The broker has kept it waiting already: the first record after a silence must not wait again."""
    assert requests_at([False, False, True], takes_s=3.0) == [0.0, 3.0, 6.0]


def test_a_client_that_was_busy_for_longer_is_not_slowed() -> None:
    """Under load what a fetch brings takes longer than the pause."""
    assert requests_at([True, True], between_s=25.0) == [0.0, 25.0]


def test_a_request_that_is_given_up_in_its_pause_brings_nothing() -> None:
    """A new assignment cancels requests and awaits them: an error here would end the client's fetching for ever."""

    async def give_up() -> bool:
        fetcher = Fetcher([True, True], takes_s=0.0)
        pace_fetches(fetcher, pause_s=10.0)
        await fetcher._proc_fetch_request(None, 0, None)
        request = asyncio.ensure_future(fetcher._proc_fetch_request(None, 0, None))
        await asyncio.sleep(1.0)
        request.cancel()
        brought = await request
        assert len(fetcher.at) == 1
        return brought

    loop = VirtualLoop()
    try:
        assert loop.run_until_complete(give_up()) is False
    finally:
        loop.end()
