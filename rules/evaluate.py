"""The match core: what one event does to one actor under one revision of an economy. Pure."""

from pipeline.errors import InvariantBroken
from pipeline.events import COMMAND_PREFIX, Event
from rules.awards import award
from rules.commands import apply_command
from rules.decision import Decision
from rules.economy import Economy
from rules.profile import Profile
from rules.turn import after_rules, before_rules
from rules.versions import check_version
from rules.work import Work


def apply(profile: Profile, event: Event, economy: Economy, seq: int) -> Decision:
    """Decide about the event of sequence `seq`, which must be greater than the profile's.

    First abuse limits and streaks, then rules in document order, levels, badges, quests, and levels again. Nothing but
    the arguments is read: the same ones give the same decision.

    Raises:
        PoisonEvent: the event can never be judged: an unknown command, a payload version that the economy does not
        name,
            or an amount that no account can hold. Nothing of it is applied then.
        InvariantBroken: the sequence was applied already.
    """
    if seq <= profile.seq:
        raise InvariantBroken(f"sequence {seq} comes after {profile.seq} was applied")
    if event.type.startswith(COMMAND_PREFIX):
        return apply_command(profile, event, economy, seq)
    if economy.versions:
        check_version(event, economy.versions)
    candidates = economy.rules.candidates(event.type)
    plan = None if economy.game is None else economy.game.plan(event.type)
    if candidates is None and plan is None:
        return Decision(profile)
    work = Work(profile, event, economy)
    if plan is not None and not before_rules(work, plan):
        return work.decision(seq)
    if candidates is not None:
        for rule in candidates.matching(work):
            if rule.when is None or rule.when(work):
                award(work, rule)
    after_rules(work, economy, plan)
    return work.decision(seq)
