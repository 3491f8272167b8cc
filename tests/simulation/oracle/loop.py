"""What must come out: a loop over the distinct events in the order of the log, told plainly and slowly."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.simulation.oracle.answers import hear
from tests.simulation.oracle.awards import award, climb, holds, is_about, is_refused
from tests.simulation.oracle.badges import advance_quests, award_all, count
from tests.simulation.oracle.boards import score
from tests.simulation.oracle.commands import carry_out
from tests.simulation.oracle.state import Expected, Posted, Publication, Question, known
from tests.simulation.oracle.streaks import advance
from tests.simulation.oracle.turn import Turn
from tests.simulation.oracle.versions import accepts


class Oracle:
    """Knows the publications, and the settings that decide: the margin, the retention, how many windows are kept."""

    def __init__(
        self, publications: Iterable[Publication], margin_ms: int, retention_days: int, windows_kept: int
    ) -> None:
        self._revisions: dict[str, list[Publication]] = defaultdict(list)
        self._margin_ms = margin_ms
        self._retention_ms = retention_days * 86_400_000
        self._windows_max = windows_kept + 1
        for said in publications:
            known = self._revisions[said.tenant]
            if any(earlier.number >= said.number for earlier in known):
                continue  # another publisher was faster
            late = said.effective - said.appended < margin_ms * 3 / 4
            as_arrived = said._replace(published=said.appended, effective=said.appended + margin_ms)
            known.append(as_arrived if late else said)

    def expect(self, log: Iterable[tuple[int, int, bytes]]) -> Expected:
        """Return what follows from the records of a partition: offset, append time in milliseconds, value."""
        expected = Expected()
        first: dict[tuple[str, str, str], int] = {}
        for seq, appended, value in log:
            event = json.loads(value)
            name = (event["tenant"], event["source"], event["id"])
            if name in first and appended - first[name] <= self._retention_ms:
                if event["type"].startswith("plaudit.") and not event["type"].startswith("plaudit.answer."):
                    expected.outcomes[seq] = (event["id"], "duplicate", None)
                continue
            first[name] = appended
            if event["type"].startswith("plaudit.answer."):
                expected.answers[seq] = event
            expected.unique.append(seq)
            self._judge(expected, seq, appended, event)
        return expected

    def known(self, tenant: str) -> list[Publication]:
        """Return a tenant's revisions, as they took effect."""
        return self._revisions[tenant]

    def in_force(self, tenant: str, now_ms: int) -> Publication | None:
        """Return a tenant's revision at an instant, in milliseconds; None before the first."""
        known = [each for each in self._revisions[tenant] if each.effective <= now_ms]
        return max(known, key=lambda each: (each.effective, each.number), default=None)

    def _judge(self, expected: Expected, seq: int, appended: int, event: dict[str, Any]) -> None:
        tenant = event["tenant"]
        revisions = self._revisions[tenant]
        revision = self.in_force(tenant, appended)
        if revision is None:
            heard = [each for each in revisions if each.published <= appended - self._margin_ms]
            reason = "no_economy" if heard else "unknown_tenant"
            if event["type"].startswith("plaudit."):
                expected.outcomes[seq] = (event["id"], "refused", reason)
            else:
                expected.refused[seq] = reason
            return
        if not accepts(revision.document, event):
            expected.refused[seq] = "unsupported_version"
            return
        who = (tenant, event["subject"])
        turn = Turn(expected.actors[who], event, revision.document)
        _play(turn)
        if turn.changed:
            expected.history[who].append((seq, known(turn.actor)))
        if turn.facts:
            expected.facts[seq] = turn.facts
        if turn.outcome is not None:
            expected.outcomes[seq] = (turn.id, *turn.outcome)
        if turn.ask is not None:
            question = Question(seq, who, turn.source, turn.id, turn.type, turn.happened, turn.ask)
            expected.questions.append(question)
        for leg, moved in enumerate(turn.moved):
            posted = Posted(tenant, turn.source, turn.id, turn.type, turn.happened, who[1], moved, revision.number)
            expected.transfers[seq, leg] = posted
        score(expected, seq, who, turn, self._windows_max)


def _play(turn: Turn) -> None:
    """Do all that an event does to its actor."""
    if turn.type.startswith("plaudit.answer."):
        hear(turn)
    elif turn.type.startswith("plaudit."):
        if carry_out(turn):
            _follow(turn, None)
    elif not is_refused(turn):
        turn.judged = True
        for streak in turn.part("streaks"):
            if is_about(streak, turn.type):
                advance(turn, streak)
        for rule in turn.part("rules"):
            if is_about(rule, turn.type) and holds(rule, turn):
                award(turn, rule)
        _follow(turn, turn.type)


def _follow(turn: Turn, event_type: str | None) -> None:
    """Give what follows from a change: levels, badges, quests, and levels again."""
    if turn.moved:
        climb(turn)
    moved = len(turn.moved)
    if event_type is not None:
        count(turn)
    if turn.changed:
        award_all(turn, event_type=event_type)
    if event_type is not None:
        advance_quests(turn)
    if len(turn.moved) > moved:
        climb(turn)
