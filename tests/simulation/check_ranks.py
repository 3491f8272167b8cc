"""Holds the facts about ranks against the oracle: told one after the other, they lead to who stands in the tops."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pipeline.events import from_millis
from pipeline.topology import FACTS
from tests.simulation.compared import compared
from tests.simulation.oracle.boards import window_of
from tests.simulation.oracle.loop import Oracle
from tests.simulation.oracle.state import Expected
from tests.simulation.worker import PARTITIONS
from tests.simulation.world import World

Window = tuple[str, str, str, str]  # tenant, board, window, split
_TOPS = (3, 10, 100)


def of_ranks(world: World, oracle: Oracle, expected: Mapping[int, Expected]) -> Iterator[str]:
    """A fact is told again as it was; each changes what those before have told; the last say who stands there now."""
    told: dict[Window, dict[tuple[int, str], dict[str, Any]]] = defaultdict(dict)
    ids: dict[str, bytes] = {}
    for number in range(PARTITIONS):
        for record in world.broker.log(FACTS.name, number).records:
            fact = msgspec.json.decode(record.value or b"")
            if fact["type"] != "leaderboard.changed":
                continue
            if ids.setdefault(fact["id"], record.value or b"") != record.value:
                yield f"a change of rank was told twice, differently: {fact}"
            data = fact["data"]
            window = (fact["tenant"], data["board"], data["window"], data.get("split", ""))
            told[window][data["number"], fact["subject"]] = data
    if len(ids) != sum(map(len, told.values())):
        yield "a change of rank has two ids"
    stand = {}
    for window, changes in told.items():
        stand[window] = tops = dict[str, int]()
        for (_, actor), data in sorted(changes.items()):
            yield from _change(window, tops, actor, data)
    wanted = _tops(world, oracle, expected)
    yield from compared("tops", {window: stand.get(window, {}) for window in wanted}, wanted)


def _change(window: Window, tops: dict[str, int], actor: str, data: Mapping[str, Any]) -> Iterator[str]:
    was, top = tops.pop(actor, None), _top(data.get("rank"))
    widest = max(_TOPS) + 1
    change = "entered" if (top or widest) < (was or widest) else "left"
    if was == top or was != _top(data.get("previous_rank")) or data["change"] != change:
        yield f"in {window} {actor} stood in top {was}, and then: {data}"
    if top is not None:
        tops[actor] = top


def _top(rank: int | None) -> int | None:
    return None if rank is None else next((top for top in _TOPS if rank <= top), None)


def _tops(world: World, oracle: Oracle, expected: Mapping[int, Expected]) -> dict[Window, dict[str, int]]:
    """Return who stands in the tops of the windows that are current; seasons a revision may have ended meanwhile."""
    now = world.broker.now_ms()
    members: dict[Window, list[tuple[int, Any, str]]] = defaultdict(list)
    for tenant in {each.tenant for each in world.publications}:
        revision = oracle.in_force(tenant, now)
        boards = [] if revision is None else revision.document["leaderboards"]
        for board in [each for each in boards if each["window"] != "season"]:
            assert revision is not None
            current = window_of(board["window"], revision.document, from_millis(now))
            for mine in expected.values():
                for (window, split, actor), (score, reached) in mine.boards.get((tenant, board["id"]), {}).items():
                    if window == current:
                        members[tenant, board["id"], window, split].append((-score, reached, actor))
    return {
        window: {actor: top for rank, (*_, actor) in enumerate(sorted(ranked), 1) if (top := _top(rank))}
        for window, ranked in members.items()
    }
