"""Commands: what they do, or why they are refused."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tests.simulation.oracle.badges import give_by_hand, is_open
from tests.simulation.oracle.rewards import cancel, redeem
from tests.simulation.oracle.state import Quest
from tests.simulation.oracle.streaks import freeze
from tests.simulation.oracle.turn import Turn


def carry_out(turn: Turn) -> bool:
    """Do what a command asks for; return whether levels and badges may follow from it."""
    refusal = _COMMANDS[turn.type](turn)
    if refusal is not None:
        turn.outcome = ("refused", refusal)
    elif turn.ask is None or turn.ask["type"] == "stock_returned":
        turn.outcome = ("applied", None)
        turn.changed = True
    return refusal is None and turn.type in _LIKE_EVENTS


def _set_attributes(turn: Turn) -> str | None:
    try:
        ZoneInfo(turn.data.get("timezone", "UTC") or "UTC")
    except ZoneInfoNotFoundError:
        return "invalid_timezone"
    merged = turn.actor.attributes | turn.data
    turn.actor.attributes = {name: value for name, value in merged.items() if value is not None}
    return None


def _spend(turn: Turn) -> str | None:
    currency, amount = turn.data["currency"], turn.data["amount"]
    options = turn.document["currencies"].get(currency)
    if options is None:
        return "unknown_currency"
    if not options.get("spendable"):
        return "not_spendable"
    if amount <= 0:
        return "invalid_amount"
    if turn.actor.balances[currency] < amount:
        return "insufficient_balance"
    turn.take(currency, amount, "spend", turn.data.get("reason", "spend"), "spent")
    return None


def _adjust(turn: Turn) -> str | None:
    currency, amount = turn.data["currency"], turn.data["amount"]
    if currency not in turn.document["currencies"]:
        return "unknown_currency"
    if amount == 0:
        return "invalid_amount"
    cause = turn.data.get("reason", "adjust")
    if amount > 0:
        turn.give(currency, amount, "adjust", cause, "adjusted")
        return None
    if turn.actor.balances[currency] < -amount:
        return "insufficient_balance"
    turn.take(currency, -amount, "adjust", cause, "adjusted")
    return None


def _award_badge(turn: Turn) -> str | None:
    part = turn.entry("badges", turn.data["badge"])
    return "unknown_badge" if part is None else give_by_hand(turn, part, turn.data.get("tier"))


def _freeze_streak(turn: Turn) -> str | None:
    part = turn.entry("streaks", turn.data["streak"])
    return "unknown_streak" if part is None else freeze(turn, part)


def _start_quest(turn: Turn) -> str | None:
    part = turn.entry("quests", turn.data["quest"])
    if part is None:
        return "unknown_quest"
    if part.get("start") != "command":
        return "starts_by_itself"
    quest = turn.actor.quests.get(part["id"])
    if quest is not None:
        return "already_started" if quest.completed is None else "already_completed"
    if not is_open(turn, part):
        return "not_open"
    turn.actor.quests[part["id"]] = Quest(turn.at)
    return None


def _ask_reversal(turn: Turn) -> str | None:
    named = (turn.data["source"], turn.data["id"])
    if named in turn.actor.reversed:
        return "already_reversed"
    turn.ask = {"type": "reversal", "source": named[0], "id": named[1]}
    return None


_COMMANDS: dict[str, Callable[[Turn], str | None]] = {
    "plaudit.attributes.set": _set_attributes,
    "plaudit.spend": _spend,
    "plaudit.adjust": _adjust,
    "plaudit.badge.award": _award_badge,
    "plaudit.streak.freeze": _freeze_streak,
    "plaudit.quest.start": _start_quest,
    "plaudit.reverse": _ask_reversal,
    "plaudit.reward.redeem": redeem,
    "plaudit.reward.cancel": cancel,
}
_LIKE_EVENTS = (
    "plaudit.spend",
    "plaudit.adjust",
    "plaudit.badge.award",
    "plaudit.streak.freeze",
    "plaudit.quest.start",
)
