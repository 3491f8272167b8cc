"""Leaderboards with one rule taken out at a time, to show that the simulator notices."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rules import scores
from tables import board_batch, boards, personal_bests
from tests.simulation.replaced import Mutation, replaced


def no_sequence_in_boards() -> Any:
    """A row of a board does not remember the event that changed it last."""

    def decode(value: bytes) -> boards.Standing:
        return msgspec.structs.replace(_DECODE_STANDING(value), seq=-1)

    return replaced((board_batch, "decode_standing", decode))


_DECODE_STANDING = boards.decode_standing


def bests_not_remembered() -> Any:
    """A window does not remember that its personal best was told."""

    def challenge(standing: boards.Standing, others: Iterable[boards.Standing]) -> tuple[boards.Standing, int | None]:
        return standing, _CHALLENGE(standing, others)[1]

    return replaced((board_batch, "challenge", challenge))


_CHALLENGE = personal_bests.challenge


def splits_in_one_board() -> Any:
    """A split's value does not split the board."""
    return replaced((scores, "split_value", lambda _: "everybody"))


MUTATIONS_OF_BOARDS: tuple[Mutation, ...] = (
    no_sequence_in_boards,
    bests_not_remembered,
    splits_in_one_board,
)
