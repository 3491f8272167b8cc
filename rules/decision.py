"""What the rules decide about one event."""

from typing import Any, Literal

import msgspec

from pipeline.events import Ask, Event, Score
from rules.profile import Profile

PostingKind = Literal["award", "bonus", "spend", "redeem", "adjust", "reverse"]
SkipReason = Literal["limit", "cooldown", "zero", "too_old", "abuse"]

RefusalReason = Literal[
    "already_awarded",
    "already_cancelled",
    "already_completed",
    "already_reversed",
    "already_started",
    "attribute_out_of_range",
    "attributes_too_large",
    "balance_out_of_range",
    "expired",
    "insufficient_balance",
    "invalid_amount",
    "invalid_attribute_name",
    "invalid_reason",
    "invalid_timezone",
    "limit_reached",
    "no_economy",
    "no_freezes_left",
    "no_streak",
    "not_freezable",
    "not_open",
    "not_reversible",
    "not_settled",
    "not_spendable",
    "nothing_to_freeze",
    "out_of_stock",
    "starts_by_itself",
    "too_many_attributes",
    "too_many_open",
    "unknown_badge",
    "unknown_currency",
    "unknown_event",
    "unknown_quest",
    "unknown_redemption",
    "unknown_reward",
    "unknown_streak",
    "unknown_tenant",
    "unknown_tier",
]
"""Why a command is refused: the codes that users meet, so none is ever renamed (docs/economy.md)."""

ISSUED = "issued"
SPENT = "spent"
ADJUSTED = "adjusted"
REVERSED = "reversed"
_REWARD = "reward:"


def reward_account(reward: str) -> str:
    """Return the name of the account that holds what was paid for a reward."""
    return f"{_REWARD}{reward}"


def is_reward_account(account: str) -> bool:
    """Return whether an account holds what was paid for a reward."""
    return account.startswith(_REWARD)


def actor_account(actor: str) -> str:
    """Return the name of an actor's account."""
    return f"actor:{actor}"


class Posting(msgspec.Struct, frozen=True, gc=False):
    """A movement of `amount` > 0 that an event causes.

    `cause` is the id of the rule, streak, badge or quest, `level:<number>`, or what a command gives as its reason.
    """

    debit_account: str
    credit_account: str
    amount: int
    currency: str
    kind: PostingKind
    cause: str


class Fact(msgspec.Struct, frozen=True, gc=False):
    """Something that became true, for subscribers: a CloudEvents type and its data."""

    type: str
    data: dict[str, Any]


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The answer to a command. `reason` is None when the command was applied."""

    status: Literal["applied", "refused"]
    reason: RefusalReason | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """All that one event does.

    `profile` is the very object that was passed in when the event changed nothing: there is nothing to store then.
    Postings and facts are in the order in which they came about, so a posting's index is its leg. `scores` has at
    most one entry per leaderboard, and one for the actor's league. `skipped` names the rules whose conditions held but
    that gave nothing, with the reason. `ask` is what the ledger must say before a command has its outcome. `event` is
    the event in whose name all of this is, where it isn't the one that was judged: the command that an answer belongs
    to.
    """

    profile: Profile
    postings: tuple[Posting, ...] = ()
    facts: tuple[Fact, ...] = ()
    scores: tuple[Score, ...] = ()
    skipped: tuple[tuple[str, SkipReason], ...] = ()
    outcome: Outcome | None = None
    ask: Ask | None = None
    event: Event | None = None
