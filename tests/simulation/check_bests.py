"""Holds the facts about personal bests, and what workers keep for them, against the oracle."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pipeline.recordbatch.model import TableView
from tables.boards import BESTS, split_board_key
from tables.personal_bests import decode
from tests.simulation.compared import compared
from tests.simulation.oracle.state import Expected


class SaidOfBest(NamedTuple):
    """A fact about a personal best: its sequence, its bytes, and what they say."""

    seq: int
    value: bytes
    content: dict[str, Any]


def of_bests(where: str, facts: Iterable[SaidOfBest], expected: Expected) -> Iterator[str]:
    """A window is told of at the event that the log decides, with its scores, under one id and under no second one."""
    told: dict[tuple[str, ...], tuple[int, int, int]] = {}
    ids: dict[str, tuple[str, ...]] = {}
    first: dict[str, tuple[int, bytes]] = {}
    for seq, value, fact in facts:
        data = fact["data"]
        window = (fact["tenant"], data["board"], data["window"], data.get("split", ""), fact["subject"])
        if ids.setdefault(fact["id"], window) != window:
            yield f"{where}: one id for {window} and {ids[fact['id']]}"
        if first.setdefault(fact["id"], (seq, value)) != (seq, value):
            yield f"{where}: the best of {window} was told twice, differently"
        told[window] = (seq, data["score"], data["previous"])
    if len(ids) != len(set(ids.values())):
        yield f"{where}: two ids for one personal best"
    yield from compared(
        f"personal bests of {where}", told, {window: said for window, said in expected.told.items() if said}
    )


def of_kept_bests(where: str, rows: TableView, expected: Expected) -> Iterator[str]:
    """Each actor's scores that are still to be beaten; of windows that have expired the highest is enough."""
    found, wanted = {}, {}
    for raw, payload in rows.items():
        key = split_board_key(raw)
        if key.window == BESTS:
            expired = expected.expired.get((key.tenant, key.board), "")
            found[key.tenant, key.board, key.split, key.actor] = _kept(decode(payload).scores, expired)
    for (tenant, board, split, actor), scores in expected.bests.items():
        wanted[tenant, board, split, actor] = _kept(scores, expected.expired.get((tenant, board), ""))
    yield from compared(f"kept bests of {where}", found, wanted)


def _kept(scores: dict[str, int], expired: str) -> dict[str, int]:
    kept = {window: score for window, score in scores.items() if window > expired}
    gone = [score for window, score in scores.items() if window <= expired]
    return kept | ({"": max(gone)} if gone else {})
