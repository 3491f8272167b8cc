"""Holds the facts about personal bests against the oracle."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.simulation.compared import compared
from tests.simulation.oracle.state import Expected


class SaidOfBest(NamedTuple):
    """A fact about a personal best: its sequence, its bytes, and what they say."""

    seq: int
    value: bytes
    content: dict[str, Any]


def of_bests(where: str, facts: Iterable[SaidOfBest], expected: Expected) -> Iterator[str]:
    """A window is told of once, under one id; where the order of the log decides, at the right event with its scores.

    Nothing is told where nobody asked for it, and nothing that is no best.
    """
    told: dict[tuple[str, ...], tuple[int, int, int]] = {}
    ids: dict[str, tuple[str, ...]] = {}
    first: dict[str, bytes] = {}
    for seq, value, fact in facts:
        data = fact["data"]
        split, actor = data.get("split", ""), fact["subject"]
        window = (fact["tenant"], data["board"], data["window"], split, actor)
        whose = (fact["tenant"], data["board"], split, actor)
        if ids.setdefault(fact["id"], window) != window:
            yield f"{where}: one id for {window} and {ids[fact['id']]}"
        if whose not in expected.watched or data["score"] <= data["previous"]:
            yield f"{where}: no personal best: {fact}"
        if whose in expected.unclear:
            continue
        if first.setdefault(fact["id"], value) != value:
            yield f"{where}: the best of {window} was told twice, differently"
        told[window] = (seq, data["score"], data["previous"])
    if len(ids) != len(set(ids.values())):
        yield f"{where}: two ids for one personal best"
    clear = {key: said for key, said in expected.told.items() if (*key[:2], *key[3:]) not in expected.unclear}
    yield from compared(f"personal bests of {where}", told, clear)
