"""The stages around match that a scenario passes through: what drops repeats, and what keeps leaderboards."""

import msgspec

from agents.dedupe import DedupeStage
from agents.leaderboards import LeaderboardsStage
from pipeline.events import IDENTITY_HEADER, CommandOutcome, Event, actor_key, decode_event, encode_json, identity
from rules.decision import Decision
from tables import seen
from tables.board_shards import BoardShards
from tests import builders
from tests.memory import MemoryRecord, MemoryTable, sequenced, step

_decode_outcome = msgspec.json.Decoder(CommandOutcome).decode


class Arrivals:
    """What stands before the rules: of all events with one identity it lets the first through."""

    def __init__(self) -> None:
        self._stage = DedupeStage("unique", outcomes="outcomes", dead_letters="dead-letters", retention_days=90)
        self._table = MemoryTable()
        self._seq = 0

    def accepts(self, event: Event) -> tuple[bool, list[str]]:
        """Return whether an event goes on, and the outcomes that it has had by then."""
        key = actor_key(event.tenant, event.subject)
        named = ((IDENTITY_HEADER, identity(event.tenant, event.source, event.id)),)
        record = MemoryRecord(encode_json(event), offset=self._seq, key=key, headers=named)
        self._seq += 1
        effects = step(self._stage, [record], {seen.NAME: self._table})
        outcomes = [_decode_outcome(each.value or b"") for each in effects.outputs.get(("outcomes", 0), ())]
        assert all(each.id == event.id for each in outcomes)
        return ("unique", 0) in effects.outputs, [each.status for each in outcomes]


class Boards:
    """The leaderboards of a scenario, with four closed windows kept."""

    def __init__(self) -> None:
        shards = BoardShards()
        self._stage = LeaderboardsStage(facts="facts", dead_letters="dead-letters", windows_kept=4, shards=shards)
        self._table = MemoryTable()
        self._stage.partition_opened(0, {"boards": self._table})

    def bests(self, event: Event, decision: Decision, seq: int) -> list[str]:
        """Add what an event scores; return the personal bests that are told, as scenarios write them."""
        scored = builders.transaction(
            actor=event.subject, occurred_at=event.time, transfers=(), scores=tuple(decision.scores)
        )
        effects = step(self._stage, [sequenced(encode_json(scored), seq)], {"boards": self._table})
        facts = [decode_event(output.value or b"") for output in effects.outputs.get(("facts", 0), ())]
        assert all(fact.subject == event.subject and fact.time == event.time for fact in facts)
        return ["{board} {window}: {score} > {previous}".format(**fact.data) for fact in facts]
