"""The product with one rule of its guarantee taken out at a time, to show that the simulator notices."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from agents import dedupe, match
from pipeline.recordbatch import in_flight, partitions, shards, shell
from pipeline.recordbatch.model import Effects, Record, Run
from pipeline.recordbatch.store import packed
from pipeline.revisions.compiled import CompiledEconomies
from rules.profile import EMPTY
from sinks.ledger import parts
from tables import profiles
from tables.seen import Seen, decode_seen
from tests.simulation.mutations_of_answers import MUTATIONS_OF_ANSWERS
from tests.simulation.mutations_of_boards import MUTATIONS_OF_BOARDS
from tests.simulation.mutations_of_seasons import MUTATIONS_OF_SEASONS
from tests.simulation.replaced import Mutation, replaced


def whole() -> Any:
    """Nothing is taken out."""
    return replaced()


# The order of effects.


def state_before_outputs() -> Any:
    """Changelog and disk say that an event was applied before its outputs are in the log."""
    return replaced((shell.Shell, "process", _state_first))


def state_before_outputs_of_dedupe() -> Any:
    """The same in one stage only, whose entries tell a repeated delivery from a duplicate."""

    async def process(self: shell.Shell, run: Run, held: Mapping[str, shards.Shard]) -> None:
        await (_state_first if self.name == "dedupe" else _PROCESS)(self, run, held)

    return replaced((shell.Shell, "process", process))


_PROCESS = shell.Shell.process


async def _state_first(self: shell.Shell, run: Run, held: Mapping[str, shards.Shard]) -> None:
    await self.core.before(run)
    effects = self.core.process(run, dict(held))
    await self._change_state(effects, held)
    await self._retrying("sink", lambda: self.core.deliver(run, effects))
    await self._produce(effects)
    self.core.applied(run, effects)


def disk_before_changelog() -> Any:
    """The disk is ahead of the changelog from which another worker recovers."""

    async def change_state(self: shell.Shell, effects: Effects, held: Mapping[str, shards.Shard]) -> None:
        for table, changes in effects.changes.items():
            held[table].write({key: _packed(change) for key, change in changes.items()})
        await _CHANGE_STATE(self, effects, held)

    return replaced((shell.Shell, "_change_state", change_state))


_CHANGE_STATE = shell.Shell._change_state


def _packed(change: Any) -> bytes | None:
    return None if change.value is None else packed(change.seq, change.value)


def acknowledged_before_done() -> Any:
    """A run is committed as soon as it is delivered to the stage."""

    def committable(self: in_flight.InFlight) -> int | None:
        return self._deliveries[-1].run.records[-1].offset + 1 if self._deliveries else None

    return replaced((in_flight.InFlight, "committable", committable))


def sink_not_waited_for() -> Any:
    """A run is finished though the ledger has not committed it."""

    async def retrying(self: shell.Shell, what: str, act: Callable[[], Any]) -> Any:
        if what != "sink":
            return await _RETRYING(self, what, act)
        return asyncio.get_running_loop().create_task(_RETRYING(self, what, act))

    return replaced((shell.Shell, "_retrying", retrying))


_RETRYING = shell.Shell._retrying


# Sequences.


def no_sequence_in_profiles() -> Any:
    """A profile does not remember the event that changed it last."""

    def decode(stored: bytes | None) -> Any:
        profile = _DECODE_PROFILE(stored)
        return profile if profile is EMPTY else msgspec.structs.replace(profile, seq=-1)

    return replaced((profiles, "decode", decode))


_DECODE_PROFILE = profiles.decode


def no_sequence_beside_the_seen_identity() -> Any:
    """A duplicate can't be told from a repeated delivery, and is forwarded like one."""

    def decode(value: bytes) -> Seen:
        seen = decode_seen(value)
        return Seen(_AnySequence(seen.seq), seen.appended_ms)

    return replaced((dedupe, "decode_seen", decode))


class _AnySequence(int):
    """Equal to every sequence."""

    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def plain_mark_for_the_seen_identity() -> Any:
    """A repeated delivery can't be told from a duplicate, and is dropped like one."""
    return replaced((dedupe, "decode_seen", lambda value: Seen(-1, decode_seen(value).appended_ms)))


def no_sequence_in_the_sink() -> Any:
    """The ledger takes whatever it is given."""
    return replaced((parts, "bisect_right", lambda *_, **__: 0))


def last_record_wins_in_recovery() -> Any:
    """Recovery takes the last record of a key, whatever its sequence."""

    def apply(self: shards.Shard, records: Iterable[Record], last: int) -> None:
        mine = [each for each in records if each.key is not None and not each.key.startswith(b"\0")]
        self.store.write({each.key: each.value for each in mine if each.key is not None}, last)
        self.position = last + 1

    return replaced((shards.Shard, "apply", apply))


# The revision.


def newest_revision_judges() -> Any:
    """An event is judged by the newest revision that the worker knows."""

    def at(self: CompiledEconomies, tenant: str, appended_ms: int) -> Any:
        return _AT(self, tenant, appended_ms if tenant not in self._histories else 1 << 41)

    return replaced((CompiledEconomies, "at", at))


_AT = CompiledEconomies.at


def revisions_not_waited_for() -> Any:
    """A run is judged before it is certain that its revisions are known."""

    async def confirmed(self: Any, appended_ms: int) -> None:
        pass

    return replaced((match.MatchStage, "before", confirmed))


# The fence.


def no_fence() -> Any:
    """A worker whose partition was taken over goes on, and writes its changelog and its disk."""

    async def keys_between(*_: Any) -> set[bytes]:
        return set()

    return replaced((shards.Shard, "_keys_between", keys_between))


def no_repair() -> Any:
    """What a worker wrote after it had lost its partition stays the last word in the changelog."""
    return replaced((shards.Shard, "_present_values", lambda *_: []))


def no_look_before_going_on() -> Any:
    """A worker that slept through the loss of a partition goes on with what it remembers."""

    async def check(*_: Any) -> None:
        pass

    return replaced((partitions.Partitions, "_check", check))


# Each of them takes out one rule, and is noticed alone.
MUTATIONS: tuple[Mutation, ...] = (
    state_before_outputs,
    disk_before_changelog,
    acknowledged_before_done,
    sink_not_waited_for,
    no_sequence_in_profiles,
    no_sequence_beside_the_seen_identity,
    plain_mark_for_the_seen_identity,
    no_sequence_in_the_sink,
    last_record_wins_in_recovery,
    newest_revision_judges,
    revisions_not_waited_for,
    no_fence,
    no_repair,
    no_look_before_going_on,
    *MUTATIONS_OF_ANSWERS,
    *MUTATIONS_OF_BOARDS,
    *MUTATIONS_OF_SEASONS,
)
