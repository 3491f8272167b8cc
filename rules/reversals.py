"""Reversals: the opposite of every transfer that an event caused, once.

What an event caused stands in the ledger, however long ago it was; profiles do not remember it. So a reversal takes two
steps (docs/adr/0010): the command makes match ask the ledger, and the ledger's answer, an event of the same actor, is
what posts.
"""

from collections import Counter
from typing import Annotated, Any

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import ID_LENGTH_MAX, SOURCE_LENGTH_MAX, Event, ReversalAsked
from rules.decision import REVERSED, Decision, Outcome, actor_account, is_reward_account
from rules.economy import Economy
from rules.origins import Origin, digest_of, named
from rules.profile import NO_GAME, Profile
from rules.redemptions import find, undo
from rules.refusal import Refusal
from rules.work import Work


class Moved(msgspec.Struct, frozen=True):
    """A transfer of the ledger."""

    debit_account: str
    credit_account: str
    amount: Annotated[int, msgspec.Meta(gt=0)]
    currency: str


class ReversalAnswer(msgspec.Struct, frozen=True):
    """What the ledger says: which command asked, about which event, and what that event moved.

    `event` is None if the ledger has no transfer of it.
    """

    command: Origin
    asked: ReversalAsked
    event: Origin | None
    transfers: tuple[Moved, ...]


def ask_reversal(profile: Profile, data: dict[str, Any]) -> Decision:
    """Ask the ledger what the named event moved.

    Raises:
        Refusal: `unknown_event`: nothing can have this name; `already_reversed`.
    """
    source, name = data.get("source"), data.get("id")
    if not (isinstance(source, str) and 0 < len(source) <= SOURCE_LENGTH_MAX):
        raise Refusal("unknown_event")
    if not (isinstance(name, str) and 0 < len(name) <= ID_LENGTH_MAX):
        raise Refusal("unknown_event")
    if "\0" in source or "\0" in name:
        raise Refusal("unknown_event")
    if digest_of(source, name) in (profile.game or NO_GAME).reversed:
        raise Refusal("already_reversed")
    return Decision(profile, ask=ReversalAsked(source, name))


def reverse(profile: Profile, answer: Event, economy: Economy, seq: int) -> Decision:
    """Post the opposite of what the ledger says, in the name of the command.

    What the event had brought the actor is taken back as far as it is still there; the account `reversed` carries the
    rest. Levels, badges and what limits have counted stay. Leaderboards lose what the event had brought, in the windows
    of its own time.

    A refund of a reward stays: the redemption is cancelled and its piece may be another's, so that who paid its cost
    once more would get nothing for it. What was paid for a reward stays, too, if the redemption is not at hand: its
    piece could not be given back.

    Raises:
        Refusal: `already_reversed`, `unknown_event`; `not_reversible`: the event refunded a reward, or paid for one of
            which the profile does not know any more; `balance_out_of_range`: no balance can hold what is given back.
        PoisonEvent: the answer can't be read.
    """
    try:
        found = msgspec.convert(answer.data, ReversalAnswer, strict=False)
    except msgspec.ValidationError as error:
        raise PoisonEvent(Reason.INVALID_RECORD, f"no answer about a reversal: {error}") from error
    command = named(answer, found.command)
    digest = digest_of(found.asked.source, found.asked.id)
    if digest in (profile.game or NO_GAME).reversed:
        raise Refusal("already_reversed", command)
    if found.event is None:
        raise Refusal("unknown_event", command)
    if any(is_reward_account(each.debit_account) for each in found.transfers):
        raise Refusal("not_reversible", command)
    paid = _paid(found)
    redeemed = find(profile.game or NO_GAME, found.asked.source, found.asked.id) if paid else None
    # Of another cost, they are several: an id came again after its retention, and one of them is forgotten or waits.
    if paid and (redeemed is None or redeemed.state != "active" or redeemed.cost != paid):
        raise Refusal("not_reversible", command)
    work = Work(profile, named(answer, found.event), economy)
    work.change(reversed=(*work.game.reversed, digest))
    try:
        _post_opposite(work, found, actor_account(answer.subject))
    except PoisonEvent as out_of_range:  # in the name of the command, which waits for its outcome
        raise Refusal("balance_out_of_range", command) from out_of_range
    ask = None if redeemed is None else undo(work, redeemed)
    return msgspec.structs.replace(work.applied(seq), outcome=Outcome("applied"), event=command, ask=ask)


def _paid(found: ReversalAnswer) -> Counter[str]:
    """Return what the event paid for rewards, by currency."""
    paid = Counter[str]()
    for moved in found.transfers:
        if is_reward_account(moved.credit_account):
            paid[moved.currency] += moved.amount
    return paid


def _post_opposite(work: Work, found: ReversalAnswer, actor: str) -> None:
    cause = found.asked.id
    for moved in sorted(found.transfers, key=lambda each: each.debit_account != actor):  # what it took, first
        if moved.debit_account == actor:
            work.give(moved.currency, moved.amount, moved.credit_account, "reverse", cause)
        elif moved.credit_account == actor:
            there = min(work.balances.get(moved.currency, 0), moved.amount)
            if there:
                work.take(moved.currency, there, moved.debit_account, "reverse", cause)
            if moved.amount > there:
                work.move(REVERSED, moved.debit_account, moved.amount - there, moved.currency, cause)
        else:
            work.move(moved.credit_account, moved.debit_account, moved.amount, moved.currency, cause)
