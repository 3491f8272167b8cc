"""Rewards: redeemed, paid, cancelled and undone."""

from datetime import timedelta

from tests.simulation.oracle.state import Redemption
from tests.simulation.oracle.turn import Turn


def redeem(turn: Turn) -> str | None:
    """Take the cost, or reserve it and ask for a piece of the stock; return why not."""
    part = turn.entry("rewards", turn.data["reward"])
    if part is None:
        return "unknown_reward"
    actor, cost = turn.actor, part["cost"]
    if "per_actor" in part and actor.redeemed[part["id"]] >= part["per_actor"]:
        return "limit_reached"
    if any(actor.balances[currency] < amount for currency, amount in cost.items()):
        return "insufficient_balance"
    usable = timedelta(minutes=int(part["expires_after"][:-1])) if "expires_after" in part else None
    expires = None if usable is None else turn.time + usable
    redemption = Redemption(part["id"], turn.source, turn.id, dict(cost), expires, "active")
    actor.redemptions.append(redemption)
    actor.redeemed[part["id"]] += 1
    if "stock" in part:
        redemption.state = "pending"
        actor.balances.subtract(cost)
        actor.waiting.append(redemption)
        turn.ask = {"type": "stock", "reward": part["id"], "stock": part["stock"]}
        turn.changed = True
    else:
        pay(turn, redemption)
    return None


def pay(turn: Turn, redemption: Redemption) -> None:
    """Move the cost of a redemption."""
    for currency, amount in redemption.cost.items():
        turn.take(currency, amount, "redeem", redemption.reward, f"reward:{redemption.reward}")
    turn.facts.append("reward.redeemed")


def find(turn: Turn, source: str | None, name: str) -> Redemption | None:
    """Return the latest redemption of that id, from that source if one is named."""
    mine = [each for each in turn.actor.redemptions if each.id == name and source in {None, each.source}]
    return mine[-1] if mine else None


def cancel(turn: Turn) -> str | None:
    """Give the cost of a redemption back; return why not."""
    redemption = find(turn, turn.data.get("source"), turn.data["redemption"])
    if redemption is None:
        return "unknown_redemption"
    if redemption.state != "active":
        return "not_settled" if redemption.state == "pending" else "already_cancelled"
    if redemption.expires is not None and turn.time >= redemption.expires:
        return "expired"
    for currency, amount in redemption.cost.items():
        turn.give(currency, amount, "redeem", redemption.reward, f"reward:{redemption.reward}")
    turn.actor.reversed.add((redemption.source, redemption.id))
    undo(turn, redemption)
    return None


def undo(turn: Turn, redemption: Redemption) -> None:
    """Let a redemption count no more, and tell the ledger of its piece."""
    redemption.state = "cancelled"
    uncount(turn, redemption)
    turn.facts.append("reward.cancelled")
    if redemption.claim is not None:
        turn.ask = {"type": "stock_returned", "reward": redemption.reward, "claim": redemption.claim}


def uncount(turn: Turn, redemption: Redemption) -> None:
    """Let a redemption not count for the number per actor."""
    turn.actor.redeemed[redemption.reward] = max(turn.actor.redeemed[redemption.reward] - 1, 0)
