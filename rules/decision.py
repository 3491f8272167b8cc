"""What the rules decide about one event."""

from typing import Any, Literal

import msgspec

from pipeline.events import Score
from rules.profile import Profile

PostingKind = Literal["award", "bonus"]
SkipReason = Literal["limit", "cooldown", "zero", "too_old"]

ISSUED = "issued"


def actor_account(actor: str) -> str:
    """Return the name of an actor's account."""
    return f"actor:{actor}"


class Posting(msgspec.Struct, frozen=True, gc=False):
    """A movement of `amount` > 0 that an event causes; `cause` is the rule's id, or `level:<number>`."""

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
    """The answer to a command. `reason` is a code, None when the command was applied."""

    status: Literal["applied", "refused"]
    reason: str | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """All that one event does.

    `profile` is the very object that was passed in when the event changed nothing: there is nothing to store then.
    Postings and facts are in the order in which they came about, so a posting's index is its leg. `scores` has at
    most one entry per leaderboard. `skipped` names the rules whose conditions held but that gave nothing, with the
    reason.
    """

    profile: Profile
    postings: tuple[Posting, ...] = ()
    facts: tuple[Fact, ...] = ()
    scores: tuple[Score, ...] = ()
    skipped: tuple[tuple[str, SkipReason], ...] = ()
    outcome: Outcome | None = None
