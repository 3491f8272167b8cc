"""What the ledger answered to commands, and what follows from it."""

from collections import Counter
from typing import Any

from tests.simulation.oracle.rewards import find, pay, uncount, undo
from tests.simulation.oracle.state import Moved
from tests.simulation.oracle.turn import Turn

_STOCK = "plaudit.answer.stock"


def hear(turn: Turn) -> None:
    """Do what an answer of the ledger leads to, in the name of the command that it belongs to."""
    said = turn.data
    if turn.type == _STOCK:
        _settle(turn, said)
    else:
        _reverse(turn, said)


def _settle(turn: Turn, said: dict[str, Any]) -> None:
    """Each claim settles one redemption: those of one command in the order in which they were made."""
    turn.named(said["command"])
    if said["claim"] in turn.actor.claims:
        return
    turn.actor.claims.add(said["claim"])
    named = (turn.source, turn.id)
    redemption = next((each for each in turn.actor.waiting if (each.source, each.id) == named), None)
    if redemption is None:
        return  # nobody asked; that there is such an answer at all is found elsewhere
    turn.actor.waiting.remove(redemption)
    turn.actor.balances.update(redemption.cost)
    turn.changed = True
    if said["granted"]:
        redemption.state, redemption.claim = "active", said["claim"]
        pay(turn, redemption)
        turn.outcome = ("applied", None)
    else:
        turn.actor.redemptions.remove(redemption)
        uncount(turn, redemption)
        turn.outcome = ("refused", "out_of_stock")


def _reverse(turn: Turn, said: dict[str, Any]) -> None:
    """Move everything back; what the actor has no more is carried by `reversed`."""
    asked, origin = (said["asked"]["source"], said["asked"]["id"]), said["event"]
    turn.named(said["command"])
    if asked in turn.actor.reversed:
        turn.outcome = ("refused", "already_reversed")
        return
    if origin is None:
        turn.outcome = ("refused", "unknown_event")
        return
    if any(each["debit_account"].startswith("reward:") for each in said["transfers"]):
        turn.outcome = ("refused", "not_reversible")
        return
    cost = Counter[str]()
    for each in said["transfers"]:
        if each["credit_account"].startswith("reward:"):
            cost[each["currency"]] += each["amount"]
    redemption = find(turn, *asked) if cost else None
    if redemption is not None and (redemption.state != "active" or redemption.cost != cost):
        turn.outcome = ("refused", "not_reversible")  # an id that came again paid for two
        return
    turn.counts_for(origin["time"])
    turn.actor.reversed.add(asked)
    turn.changed = True
    turn.outcome = ("applied", None)
    back = [each for each in said["transfers"] if each["debit_account"] == turn.account]
    for each in back + [each for each in said["transfers"] if each["debit_account"] != turn.account]:
        _move_back(turn, each, asked[1])
    if redemption is not None:
        undo(turn, redemption)


def _move_back(turn: Turn, moved: dict[str, Any], cause: str) -> None:
    currency, amount = moved["currency"], moved["amount"]
    debit, credit = moved["debit_account"], moved["credit_account"]
    if debit == turn.account:
        turn.give(currency, amount, "reverse", cause, credit)
    elif credit == turn.account:
        there = min(turn.actor.balances[currency], amount)
        if there:
            turn.take(currency, there, "reverse", cause, debit)
        if amount > there:
            turn.moved.append(Moved("reversed", debit, currency, amount - there, "reverse", cause))
    else:
        turn.moved.append(Moved(credit, debit, currency, amount, "reverse", cause))
