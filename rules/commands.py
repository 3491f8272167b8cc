"""Commands: events that ask for something instead of telling what happened, and are answered."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import ANSWER_PREFIX, REVERSAL_ANSWER, STOCK_ANSWER, Event
from rules.attributes import set_attributes
from rules.badge_commands import award_badge
from rules.decision import Decision, Outcome
from rules.economy import Economy
from rules.points_commands import adjust, spend
from rules.profile import Profile
from rules.quests import start_quest
from rules.refusal import Refusal
from rules.reversals import ask_reversal, reverse
from rules.rewards import cancel, redeem, settle
from rules.streak_commands import freeze_streak
from rules.turn import after_rules
from rules.work import Work

Command = Callable[[Work, dict[str, Any]], None]
"""Does what a command's data asks for. Raises Refusal if it is not to be done, before anything has changed."""

_COMMANDS: Final[dict[str, Command]] = {
    "plaudit.spend": spend,
    "plaudit.adjust": adjust,
    "plaudit.badge.award": award_badge,
    "plaudit.streak.freeze": freeze_streak,
    "plaudit.quest.start": start_quest,
}

Judge = Callable[[Profile, Event, Economy, int], Decision]
"""Decides about a command in a way of its own, or about what the ledger said to one. Raises as commands do."""

_OTHERS: Final[dict[str, Judge]] = {
    "plaudit.attributes.set": lambda profile, command, _, seq: set_attributes(profile, command.data, seq),
    "plaudit.reverse": lambda profile, command, _economy, _seq: ask_reversal(profile, command.data),
    "plaudit.reward.redeem": lambda profile, command, economy, seq: redeem(
        Work(profile, command, economy), command.data, seq
    ),
    "plaudit.reward.cancel": lambda profile, command, economy, seq: cancel(
        Work(profile, command, economy), command.data, seq
    ),
    REVERSAL_ANSWER: reverse,
    STOCK_ANSWER: settle,
}


def is_command(event_type: str) -> bool:
    """Return whether events of this type ask for something, and wait for an outcome."""
    return event_type in _COMMANDS or (event_type in _OTHERS and not event_type.startswith(ANSWER_PREFIX))


def apply_command(profile: Profile, command: Event, economy: Economy, seq: int) -> Decision:
    """Decide about a command, or about what the ledger answered to one. A refused command changes nothing.

    What a command gives may lead to levels and badges, as with any other event. If something of it is out of range,
    all of it is refused as `balance_out_of_range`: who sent the command hears of it, as of a dead letter nobody would.

    Raises:
        PoisonEvent: `unknown_command`; or an answer that can't be read.
    """
    try:
        if command.type in _COMMANDS:
            work = Work(profile, command, economy)
            _COMMANDS[command.type](work, command.data)
            after_rules(work, economy, None)
            return msgspec.structs.replace(work.applied(seq), outcome=Outcome("applied"))
        if command.type in _OTHERS:
            return _OTHERS[command.type](profile, command, economy, seq)
    except Refusal as refusal:
        return Decision(profile, outcome=Outcome("refused", refusal.reason), event=refusal.event)
    except PoisonEvent as poison:
        if poison.reason is not Reason.AMOUNT_OUT_OF_RANGE:
            raise
        return Decision(profile, outcome=Outcome("refused", "balance_out_of_range"))
    raise PoisonEvent(Reason.UNKNOWN_COMMAND, f"there is no command {command.type}")
