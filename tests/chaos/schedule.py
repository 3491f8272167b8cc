"""Which fault happens when: drawn from a seed alone, so that a run can be repeated."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.topology import STAGES

# Workers that each stage has from the beginning to the end, and the one that comes and goes.
WORKERS = ("1", "2")
EXTRA = "3"
SESSION_TIMEOUT_S = 5.0
# A quiet beginning, so that every stage is at work, and an end in which the last fault can still be seen to pass.
QUIET_S = 5.0


class Kind(StrEnum):
    """What can happen; the text is what reports call it."""

    KILL_WORKER = "worker killed"
    ZOMBIE = "worker stopped, then continued"
    EMPTY_DISK = "worker killed, its disk emptied"
    ADD_WORKER = "worker added"
    REMOVE_WORKER = "worker removed"
    KILL_BROKER = "broker killed"
    KILL_DATABASE = "database killed"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at `at_s` seconds after the beginning that is over, or undone, `lasts_s` later; `worker` is `match-2`."""

    number: int
    at_s: float
    kind: Kind
    lasts_s: float
    stage: str = ""
    worker: str = ""


_SCALE = "scale"
# Of twenty faults in a row, so many are of each kind: all kinds meet, however short the run.
_DECK = (
    (Kind.KILL_WORKER,) * 6
    + (Kind.ZOMBIE,) * 3
    + (Kind.EMPTY_DISK,) * 3
    + (_SCALE,) * 4
    + (Kind.KILL_BROKER,) * 2
    + (Kind.KILL_DATABASE,) * 2
)
_LASTS_S = {
    Kind.KILL_WORKER: (0.0, 3.0),
    Kind.ZOMBIE: (SESSION_TIMEOUT_S + 1.0, SESSION_TIMEOUT_S + 6.0),
    Kind.EMPTY_DISK: (0.0, 3.0),
    Kind.ADD_WORKER: (0.0, 0.0),
    Kind.REMOVE_WORKER: (0.0, 0.0),
    Kind.KILL_BROKER: (0.5, 4.0),
    Kind.KILL_DATABASE: (0.5, 6.0),
}
# After a fault is over, nothing else happens to the same process for so long: it shall get to work in between.
_SPARED_S = 4.0
_STATEFUL = tuple(stage.name for stage in STAGES if stage.tables)


@dataclass
class _Stage:
    """What the schedule knows of the run while it is drawn: who is there, and until when something is at work on it."""

    chance: random.Random
    present: set[str] = field(default_factory=lambda: {f"{s.name}-{n}" for s in STAGES for n in WORKERS})
    busy: dict[str, float] = field(default_factory=dict)

    def free(self, now: float, stages: tuple[str, ...]) -> list[str]:
        """Return the workers of some stages to whom nothing is happening, in a fixed order."""
        return sorted(w for w in self.present if w.rpartition("-")[0] in stages and self.busy.get(w, 0.0) <= now)

    def take(self, what: str, until: float) -> None:
        self.busy[what] = until + _SPARED_S


def plan(seed: int, seconds: float, faults: int) -> list[Fault]:
    """Return the faults of a run of that length, in the order of their instants."""
    chance = random.Random(seed)
    instants = sorted(chance.uniform(QUIET_S, seconds) for _ in range(faults))
    cards = _cards(chance)
    stage = _Stage(chance)
    held: list[str] = []
    planned: list[Fault] = []
    for number, at_s in enumerate(instants, 1):
        while True:
            # A card that can't be played now waits for the next instant.
            playable = next((card for card in held if _playable(stage, card, at_s)), None)
            if playable is not None:
                held.remove(playable)
                break
            held.append(next(cards))
        planned.append(_play(stage, number, at_s, playable))
    return planned


def _cards(chance: random.Random) -> Iterator[str]:
    while True:
        deck = list(_DECK)
        chance.shuffle(deck)
        yield from deck


def _playable(stage: _Stage, card: str, now: float) -> bool:
    if card in (Kind.KILL_BROKER, Kind.KILL_DATABASE):
        return stage.busy.get(card, 0.0) <= now
    if card == _SCALE:
        return True
    return bool(stage.free(now, _targets(card)))


def _targets(card: str) -> tuple[str, ...]:
    return _STATEFUL if card == Kind.EMPTY_DISK else tuple(each.name for each in STAGES)


def _play(stage: _Stage, number: int, at_s: float, card: str) -> Fault:
    if card == _SCALE:
        return _scale(stage, number, at_s)
    kind = Kind(card)
    lasts_s = round(stage.chance.uniform(*_LASTS_S[kind]), 2)
    at_s = round(at_s, 2)
    if kind in (Kind.KILL_BROKER, Kind.KILL_DATABASE):
        stage.take(kind, at_s + lasts_s)
        return Fault(number, at_s, kind, lasts_s)
    worker = stage.chance.choice(stage.free(at_s, _targets(kind)))
    stage.take(worker, at_s + lasts_s)
    return Fault(number, at_s, kind, lasts_s, worker.rpartition("-")[0], worker)


def _scale(stage: _Stage, number: int, at_s: float) -> Fault:
    """Add a third worker to a stage without one, or remove one that is there: in turns, as far as possible."""
    at_s = round(at_s, 2)
    extras = [worker for worker in stage.free(at_s, _targets(_SCALE)) if worker.endswith(f"-{EXTRA}")]
    if extras:
        worker = stage.chance.choice(extras)
        stage.present.remove(worker)
        stage.take(worker, at_s)
        return Fault(number, at_s, Kind.REMOVE_WORKER, 0.0, worker.rpartition("-")[0], worker)
    without = [each.name for each in STAGES if f"{each.name}-{EXTRA}" not in stage.present]
    name = stage.chance.choice(without)
    worker = f"{name}-{EXTRA}"
    stage.present.add(worker)
    stage.take(worker, at_s + _SPARED_S)
    return Fault(number, at_s, Kind.ADD_WORKER, 0.0, name, worker)
