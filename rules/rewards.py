"""Rewards: points for something. Whether a piece of a shared stock is left, the ledger says (docs/adr/0011)."""

from typing import Any

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import Event, StockAsked
from rules.decision import Decision, Fact, Outcome, reward_account
from rules.economy import Economy
from rules.origins import Origin, claim_of, digest_of, named
from rules.profile import NO_GAME, Profile, Redemption
from rules.redemptions import changed, find, released, undo, with_redemption
from rules.refusal import Refusal, known_in
from rules.work import Work


class StockAnswer(msgspec.Struct, frozen=True):
    """What the ledger says: whether the claim of this command got a piece. `claim` names it if it is given back."""

    command: Origin
    reward: str
    claim: str
    granted: bool


def redeem(work: Work, data: dict[str, Any], seq: int) -> Decision:
    """Take the cost and tell of the redemption; of a reward with a stock, reserve the cost and ask for a piece.

    Raises:
        Refusal: `unknown_reward`, `limit_reached` for this actor, `insufficient_balance`, `too_many_open`.
    """
    game = work.economy.game
    reward = known_in({} if game is None else game.rewards, data.get("reward"), "unknown_reward")
    if reward.per_actor is not None and work.game.redeemed.get(reward.id, 0) >= reward.per_actor:
        raise Refusal("limit_reached")
    if any(work.balances.get(currency, 0) < amount for currency, amount in reward.cost):
        raise Refusal("insufficient_balance")
    expires_us = None if reward.expires_us is None else work.at_us + reward.expires_us
    claim = None if reward.stock is None else claim_of(work.event, seq)
    redemption = Redemption(
        reward=reward.id,
        source=work.event.source,
        id=work.event.id,
        at_us=work.at_us,
        cost=dict(reward.cost),
        expires_us=expires_us,
        state="active" if claim is None else "pending",
        claim=claim,
    )
    with_redemption(work, redemption)
    if reward.stock is None or claim is None:
        _pay(work, redemption)
        return msgspec.structs.replace(work.applied(seq), outcome=Outcome("applied"))
    work.balances = {name: amount - redemption.cost.get(name, 0) for name, amount in work.balances.items()}
    return msgspec.structs.replace(work.applied(seq), ask=StockAsked(reward.id, reward.stock, claim))


def settle(profile: Profile, answer: Event, economy: Economy, seq: int) -> Decision:
    """Bring a pending redemption to its end, as the ledger says, in the name of the command.

    Raises:
        PoisonEvent: the answer can't be read.
    """
    try:
        said = msgspec.convert(answer.data, StockAnswer, strict=False)
    except msgspec.ValidationError as error:
        raise PoisonEvent(Reason.INVALID_RECORD, f"no answer about a stock: {error}") from error
    command = named(answer, said.command)
    # By its claim: a command may have come again after its retention, and both wait.
    pending = next((each for each in (profile.game or NO_GAME).redemptions if each.claim == said.claim), None)
    if pending is None or pending.state != "pending":
        return Decision(profile)  # it has been settled by an earlier answer
    work = Work(profile, command, economy)
    work.balances = {name: amount + pending.cost.get(name, 0) for name, amount in work.balances.items()}
    if said.granted:
        settled = msgspec.structs.replace(pending, state="active")
        changed(work, pending, settled)
        _pay(work, settled)
        outcome = Outcome("applied")
    else:
        released(work, pending, None)
        outcome = Outcome("refused", "out_of_stock")
    return msgspec.structs.replace(work.applied(seq), outcome=outcome, event=command)


def cancel(work: Work, data: dict[str, Any], seq: int) -> Decision:
    """Refund a redemption, named by the id of its command, and give its piece back.

    Raises:
        Refusal: `unknown_redemption`, `not_settled` while the ledger is asked, `already_cancelled`, `expired`.
        PoisonEvent: the refund is out of range.
    """
    name, source = data.get("redemption"), data.get("source")
    redemption = find(work.game, source if isinstance(source, str) else None, name)
    if redemption is None:
        raise Refusal("unknown_redemption")
    if redemption.state == "pending":
        raise Refusal("not_settled")
    if redemption.state == "cancelled":
        raise Refusal("already_cancelled")
    if redemption.expires_us is not None and work.at_us >= redemption.expires_us:
        raise Refusal("expired")
    for currency, amount in redemption.cost.items():
        work.give(currency, amount, reward_account(redemption.reward), "redeem", redemption.reward)
    # The command was undone: `plaudit.reverse` must not undo it once more.
    work.change(reversed=(*work.game.reversed, digest_of(redemption.source, redemption.id)))
    ask = undo(work, redemption)
    return msgspec.structs.replace(work.applied(seq), outcome=Outcome("applied"), ask=ask)


def _pay(work: Work, redemption: Redemption) -> None:
    for currency, amount in redemption.cost.items():
        work.take(currency, amount, reward_account(redemption.reward), "redeem", redemption.reward)
    told = {"reward": redemption.reward, "redemption": redemption.id, "cost": redemption.cost}
    work.facts.append(Fact("reward.redeemed", told))
