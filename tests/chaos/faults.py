"""Which faults happen when: a schedule that follows from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "kill worker", "freeze worker", "empty disk", "add worker", "remove worker", "kill broker", "kill database"
]

# How often each comes, relative to the others. Whatever is drawn, each kind comes at least once.
_WEIGHTS: Final[dict[Kind, int]] = {
    "kill worker": 8,
    "freeze worker": 4,
    "empty disk": 3,
    "add worker": 2,
    "remove worker": 2,
    "kill broker": 2,
    "kill database": 2,
}
STATEFUL: Final = ("dedupe", "match", "leaderboards")


@dataclass(frozen=True)
class Fault:
    """A fault at `at_s` seconds after the load began; `stage` is empty for broker and database.

    `chance` decides what is left open, in [0, 1): which of a stage's workers, and how long it is away.
    """

    at_s: float
    kind: Kind
    stage: str
    chance: float


def schedule(seed: int, faults: int, seconds: float, stages: Sequence[str]) -> list[Fault]:
    """Return `faults` faults within `seconds`, in the order of their time; the same seed gives the same ones."""
    chance = random.Random(seed)
    kinds: list[Kind] = list(_WEIGHTS)
    kinds += chance.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()), k=max(0, faults - len(kinds)))
    chance.shuffle(kinds)
    step = seconds / len(kinds)
    found = []
    for number, kind in enumerate(kinds):
        where: Sequence[str] = stages
        if kind == "empty disk":
            where = STATEFUL
        elif kind.endswith(("broker", "database")):
            where = ("",)
        found.append(Fault(step * (number + chance.random()), kind, chance.choice(where), chance.random()))
    return found
