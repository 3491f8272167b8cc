"""A consumer group: who owns which partition, up to where work is committed, and who has not been heard of."""

import asyncio
from random import Random
from typing import NamedTuple, Protocol

SESSION_S = 3.0


class Member(Protocol):
    """A worker, as the group knows it."""

    name: str
    signal: asyncio.Event


class Assignment(NamedTuple):
    """What a member owns in a generation."""

    generation: int
    partitions: list[int]


class _Round:
    """A rebalance under way."""

    def __init__(self) -> None:
        self.arrived: dict[Member, asyncio.Future[Assignment]] = {}


class Group:
    """One stage's group over `partitions` partitions."""

    def __init__(self, stage: str, partitions: int, chance: Random, told: "Telling") -> None:
        self.stage = stage
        self.members: list[Member] = []
        self.generation = 0
        self.committed: dict[int, int] = {}
        self.rewind: dict[int, int] = {}  # partitions that are next read from an older offset, and from which
        self._numbers = range(partitions)
        self._chance = chance
        self._told = told
        self._round: _Round | None = None

    async def sync(self, member: Member) -> Assignment:
        """Take part in a rebalance; return what the member owns after it."""
        if member not in self.members:
            self.members.append(member)
        self.rebalance()
        assert self._round is not None
        done: asyncio.Future[Assignment] = asyncio.get_running_loop().create_future()
        self._round.arrived[member] = done
        self._complete_if_all_are_here()
        return await done

    def rebalance(self) -> None:
        """Begin a rebalance, if none is under way."""
        if self._round is not None:
            return
        begun = self._round = _Round()
        for member in self.members:
            member.signal.set()

        def expire() -> None:
            if self._round is begun:
                self._drop([each for each in self.members if each not in begun.arrived])
                self._complete_if_all_are_here()

        asyncio.get_running_loop().call_later(SESSION_S, expire)

    def leave(self, member: Member) -> None:
        """Forget a member: it said so, or has not been heard of for a session."""
        if member in self.members:
            self._drop([member])
            self.rebalance()
            self._complete_if_all_are_here()

    def commit(self, member: Member, generation: int, offsets: dict[int, int]) -> bool:
        """Take offsets over, from members of this generation only."""
        if member not in self.members or generation != self.generation:
            return False
        for number, offset in offsets.items():
            self.committed[number] = offset
        return True

    def position(self, number: int) -> int:
        """Return from where a partition is to be read on."""
        committed = self.committed.get(number, 0)
        older = self.rewind.pop(number, None)
        if older is None or older >= committed:
            return committed
        self._told(f"{self.stage}/{number} is read again from {older}, committed was {committed}")
        self.committed[number] = older
        return older

    def _drop(self, members: list[Member]) -> None:
        for member in members:
            self.members.remove(member)
            member.signal.set()
            waiting = None if self._round is None else self._round.arrived.pop(member, None)
            if waiting is not None and not waiting.done():  # it owns nothing, and has to come again
                waiting.set_result(Assignment(self.generation, []))

    def _complete_if_all_are_here(self) -> None:
        now = self._round
        if now is None or not now.arrived or any(member not in now.arrived for member in self.members):
            return
        self._round = None
        self.generation += 1
        owners = sorted(now.arrived, key=lambda member: member.name)
        self._chance.shuffle(owners)
        for index, owner in enumerate(owners):
            mine = [number for number in self._numbers if number % len(owners) == index]
            owner.signal.clear()
            if not now.arrived[owner].done():  # its process may have died while it waited
                now.arrived[owner].set_result(Assignment(self.generation, mine))
        shares = ", ".join(f"{owner.name} {number}" for number, owner in zip(self._numbers, owners * 9, strict=False))
        self._told(f"generation {self.generation} of {self.stage}: {shares}")


class Telling(Protocol):
    """Writes a line of the trace."""

    def __call__(self, line: str) -> None: ...
