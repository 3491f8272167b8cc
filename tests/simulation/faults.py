"""What goes wrong, when and for how long: drawn from the seed, told in the trace."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.process import Effect

if TYPE_CHECKING:
    from tests.simulation.worker import Host
    from tests.simulation.world import Slot, World

_EFFECTS_MAX = 15
_EFFECTS_OF_KIND_MAX = 3
_KINDS: tuple[Effect | None, ...] = (None, "outputs", "changelog", "changelog", "disk", "sink", "commit")
MONTH_MS = 31 * 86_400_000


class Faults:
    """Plagues a world until it is told to stop."""

    def __init__(self, world: "World", chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._over = False
        self._gap_s = chance.choice([0.1, 0.2, 0.3, 0.5, 0.8, 1e6])
        every: list[Callable[[], None]] = [
            self._crash,
            self._stop,
            self._broker_trouble,
            self._broker_away,
            self._database_trouble,
            self._database_away,
            self._rebalance,
            self._another_worker,
            self._worker_leaves,
            self._older_offset,
            self._compact,
            self._month_passes,
        ]
        # Few kinds in one run leave room for what only a long row of the same kind, undisturbed, brings about.
        self._kinds = [*chance.sample(every, chance.randint(2, len(every))), self._crash, self._stop, self._stop]
        self._favourite = chance.choice(world.stages)  # it is hit as often as all others together

    async def plague(self) -> None:
        """Do harm again and again."""
        try:
            while True:
                await asyncio.sleep(self._chance.expovariate(1 / self._gap_s))
                self._chance.choice(self._kinds)()
        finally:
            self._over = True

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, act)

    def _running(self) -> "list[Slot]":
        return [slot for slot in self._world.slots if self._world.alive(slot)]

    def _victim(self) -> "Slot | None":
        running = self._running()
        favourites = [slot for slot in running if slot.stage is self._favourite]
        if favourites and self._chance.random() < 0.5:
            running = favourites
        return self._chance.choice(running) if running else None

    def _crash(self) -> None:
        if (slot := self._victim()) is not None:
            self._arm(slot, self._kill)

    def _stop(self) -> None:
        if (slot := self._victim()) is not None:
            self._arm(slot, self._put_to_sleep)

    def _arm(self, slot: "Slot", befall: "Callable[[Slot, Host], None]") -> None:
        """Let something happen to a worker beside one of its next effects."""
        host = slot.host
        assert host is not None
        kind = self._chance.choice(_KINDS)
        effects = self._chance.randint(0, _EFFECTS_MAX if kind is None else _EFFECTS_OF_KIND_MAX)
        host.process.arm(lambda: befall(slot, host), effects, kind)

    def _put_to_sleep(self, slot: "Slot", host: "Host") -> None:
        seconds = self._chance.choice([0.5, 3.0, 5.0, 8.0]) * (0.5 + self._chance.random())
        self._world.tell(f"{slot.name} is stopped for {seconds:.1f} s")
        self._world.stop(slot)
        self._later(seconds, lambda: self._wake(slot, host))

    def _wake(self, slot: "Slot", host: "Host") -> None:
        self._world.resume(host)
        others = [each for each in self._running() if each.stage is slot.stage and each is not slot]
        if others and self._chance.random() < 0.7 and not self._over:  # worst when the owner is lost to its zombie
            self._later(self._chance.random() * 0.6, lambda: self._lose(self._chance.choice(others)))

    def _lose(self, slot: "Slot") -> None:
        if slot.host is None or slot.host.process.dead:
            return
        if self._chance.random() < 0.5:
            self._kill(slot, slot.host)
        else:
            self._leave(slot, slot.host)

    def _kill(self, slot: "Slot", host: "Host") -> None:
        if slot.host is not host or host.process.dead:
            return
        loss = self._chance.choice(["", "", "", "emptied", "power"])
        lost = {"emptied": ", its disk lost", "power": ", its last writes lost"}
        self._world.tell(f"{slot.name} is killed{lost.get(loss, '')}")
        self._world.kill(slot)
        slot.disk.fail(loss, self._chance)
        self._later(self._chance.random() * 5.0, lambda: self._world.start(slot))

    def _broker_trouble(self) -> None:
        self._world.tell("requests to the broker go wrong")
        self._world.broker.trouble = 0.3
        self._later(self._chance.random() * 2.0, self._world.heal_broker)

    def _broker_away(self) -> None:
        self._world.tell("the broker is away")
        self._world.broker.away = True
        self._later(self._chance.random() * 3.0, self._world.heal_broker)

    def _database_trouble(self) -> None:
        self._world.tell("connections to the database break")
        self._world.database.trouble = 0.15
        self._later(self._chance.random() * 3.0, self._world.heal_database)

    def _database_away(self) -> None:
        self._world.tell("the database is away")
        self._world.database.away = True
        self._later(self._chance.random() * 4.0, self._world.heal_database)

    def _rebalance(self) -> None:
        group = self._chance.choice(list(self._world.groups.values()))
        group.rebalance()

    def _another_worker(self) -> None:
        self._world.add_worker(self._chance.choice(self._world.stages))

    def _worker_leaves(self) -> None:
        slot = self._victim()
        if slot is not None and slot.host is not None:
            self._leave(slot, slot.host)

    def _leave(self, slot: "Slot", host: "Host") -> None:
        self._world.tell(f"{slot.name} is asked to leave")
        host.leave()
        self._later(self._chance.random() * 6.0, lambda: self._world.start(slot))

    def _older_offset(self) -> None:
        group = self._chance.choice(list(self._world.groups.values()))
        for number, committed in sorted(group.committed.items()):
            group.rewind[number] = self._chance.randint(0, committed)
        group.rebalance()

    def _compact(self) -> None:
        self._world.compact()

    def _month_passes(self) -> None:
        self._world.tell("a month passes")
        self._world.broker.leap_ms += MONTH_MS
