"""Leaderboards with one rule taken out at a time, to show that the simulator notices."""

from typing import Any

import msgspec

from pipeline.recordbatch.model import Effects
from pipeline.topology import BOARDS
from rules import scores
from tables import board_batch, boards, tops
from tables.boards import BESTS, split_board_key
from tables.personal_bests import Bests
from tests.simulation.replaced import Mutation, replaced
from web import rank_changes, rank_watch


def no_sequence_in_boards() -> Any:
    """A row of a board does not remember the event that changed it last."""

    def decode(value: bytes) -> boards.Standing:
        return msgspec.structs.replace(_DECODE_STANDING(value), seq=-1)

    return replaced((board_batch, "decode_standing", decode))


_DECODE_STANDING = boards.decode_standing


def bests_not_remembered() -> Any:
    """A window does not remember that its personal best was told."""

    def note(bests: Bests, window: str, score: int, seq: int, expired_through: str) -> int | None:
        previous = _NOTE(bests, window, score, seq, expired_through)
        if previous is not None:
            bests.told.remove(window)
        return previous

    return replaced((Bests, "note", note))


_NOTE = Bests.note


def bests_after_scores() -> Any:
    """A run writes the scores before what was to be beaten."""

    def finish(batch: board_batch.BoardBatch, effects: Effects) -> None:
        _FINISH(batch, effects)
        rows = effects.changes.get(BOARDS.name, {})
        for key in [key for key in rows if split_board_key(key).window == BESTS]:
            rows[key] = rows.pop(key)

    return replaced((board_batch.BoardBatch, "finish", finish))


_FINISH = board_batch.BoardBatch.finish


def bests_expire() -> Any:
    """With a window its scores are forgotten."""

    def forget(bests: Bests, expired_through: str) -> None:
        _FORGET(bests, expired_through)
        bests.scores.pop("", None)

    return replaced((Bests, "_forget", forget))


_FORGET = Bests._forget


def splits_in_one_board() -> Any:
    """A split's value does not split the board."""
    return replaced((scores, "split_value", lambda _: "everybody"))


def changes_of_rank_not_kept() -> Any:
    """What a look has decided to tell is not in its row."""
    return replaced((rank_watch, "encode", lambda top: tops.encode(msgspec.structs.replace(top, untold=()))))


def looks_not_numbered() -> Any:
    """Each look counts its decisions from the beginning."""

    def decided(before: tops.Top, after: Any, *, final: bool) -> tops.Top | None:
        return _DECIDED(msgspec.structs.replace(before, number=0), after, final=final)

    return replaced((rank_watch, "decided", decided))


_DECIDED = rank_changes.decided


MUTATIONS_OF_BOARDS: tuple[Mutation, ...] = (
    no_sequence_in_boards,
    bests_not_remembered,
    bests_after_scores,
    bests_expire,
    changes_of_rank_not_kept,
    looks_not_numbered,
    splits_in_one_board,
)
