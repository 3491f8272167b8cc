"""Leaderboards: what counts on them, which windows are kept, and who has beaten their own best."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.simulation.oracle.awards import holds, is_about
from tests.simulation.oracle.periods import period
from tests.simulation.oracle.state import Expected, Row, Who
from tests.simulation.oracle.turn import Turn

_COUNTED = ("issued", "adjusted")


def score(expected: Expected, seq: int, who: Who, turn: Turn, windows_max: int) -> None:
    """Boards count events, or what is issued and adjusted, less what goes back there."""
    earned: Counter[str] = Counter()
    for each in turn.moved:
        if each.debit in _COUNTED:
            earned[each.currency] += each.amount
        elif each.credit in _COUNTED:
            earned[each.currency] -= each.amount
    for board in turn.document["leaderboards"]:
        points = earned[board["currency"]] if "currency" in board else int(_counts(board["count"], turn))
        window = window_of(board["window"], turn.document, turn.time)
        if not points or window is None:
            continue
        name = (who[0], board["id"])
        for split, bests in _parts(board, turn):
            row = (window, split, who[1])
            expected.scored.add(seq)
            if _is_kept(expected, name, window, windows_max):
                _add(expected, name, row, points, turn.happened)
                if board["window"] == "season":
                    expected.seasonal[*name, window, split].append((seq, who[1], *expected.boards[name][row]))
                if bests:
                    _hold_against_best(expected, seq, name, row)


def _counts(count: Mapping[str, Any], turn: Turn) -> bool:
    return turn.judged and is_about(count, turn.type) and holds(count, turn)


def window_of(kind: str, document: Mapping[str, Any], time: datetime) -> str | None:
    """Return the window that holds an instant, by the name of its first day; None: between two seasons."""
    zone = document["timezone"]
    if kind != "season":
        return period(kind, time, zone)
    for season in document["seasons"]:
        first = datetime.fromisoformat(season["from"])
        if first <= time < datetime.fromisoformat(season["until"]):
            return first.astimezone(ZoneInfo(zone)).date().isoformat()
    return None


def _parts(board: Mapping[str, Any], turn: Turn) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a board that the event counts in, and whether personal bests are told of there."""
    bests = board.get("personal_best", False)
    if "split" not in board:
        yield "", bests
        if "league" in turn.actor.attributes:
            yield f"league={turn.actor.attributes['league']}", False
        return
    root, name = board["split"].split(".")
    fields = {"data": turn.data, "actor": turn.actor.attributes, "event": {"type": turn.type}}[root]
    if name in fields:
        yield fields[name], bests


def _is_kept(expected: Expected, name: tuple[str, str], window: str, windows_max: int) -> bool:
    """Let the oldest windows expire if this one is new; return whether it counts."""
    if window == "all":
        return True
    if window <= expected.expired.get(name, ""):
        return False
    rows = expected.boards[name]
    windows = sorted({dated for dated, _, _ in rows} | {window})
    for oldest in windows[:-windows_max]:
        expected.expired[name] = oldest
        for gone in [each for each in rows if each[0] == oldest]:
            del rows[gone]
    return window > expected.expired.get(name, "")


def _add(expected: Expected, name: tuple[str, str], row: Row, points: int, time: datetime) -> None:
    before, reached = expected.boards[name].get(row, (0, time))
    expected.boards[name][row] = (before + points, max(reached, time))


def _hold_against_best(expected: Expected, seq: int, name: tuple[str, str], row: Row) -> None:
    """The first time that a score exceeds those of all other windows, whenever they were, is a personal best.

    The first window is none. A score counts as it was when its board last told of bests.
    """
    window, split, actor = row
    score = expected.boards[name][row][0]
    scores = expected.bests.setdefault((*name, split, actor), {})
    others = [each for other, each in scores.items() if other != window]
    scores[window] = score
    told = (*name, window, split, actor)
    if not others:
        expected.told[told] = None
    elif score > max(others):
        expected.told.setdefault(told, (seq, score, max(others)))
