"""The records that travel between stages, and their codecs.

The canonical event is a CloudEvents 1.0 envelope in structured JSON, so that the history in `events` can be read by any
CloudEvents client. Behind `normalize` its types are trusted.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Headers of derived records. Sequence: the offset of the event in its partition of `events`; appended: the time of that
# append in milliseconds since the epoch. Both are decimal text, so that any client can read them.
SEQ_HEADER = "plaudit-seq"
APPENDED_HEADER = "plaudit-appended"
# The identity of an event on `events`, so that dedupe needs not parse the payload: tenant NUL source NUL id.
IDENTITY_HEADER = "plaudit-identity"
TRACE_HEADER = "traceparent"
# Topic-level choice of a source format, on records of `events.raw`.
FORMAT_HEADER = "plaudit-format"
TENANT_HEADER = "plaudit-tenant"

ID_LENGTH_MAX = 256
SOURCE_LENGTH_MAX = 512
TYPE_LENGTH_MAX = 128
ACTOR_LENGTH_MAX = 256
DATA_BYTES_MAX = 256 * 1024
DATA_DEPTH_MAX = 32
FUTURE_MINUTES_MAX = 5

COMMAND_PREFIX = "plaudit."
# Events that only Plaudit itself may append: what the ledger says to something that match asked.
ANSWER_PREFIX = "plaudit.answer."
REVERSAL_ANSWER = ANSWER_PREFIX + "reversal"
STOCK_ANSWER = ANSWER_PREFIX + "stock"
ANSWER_SOURCE = "plaudit/ledger"

Headers = tuple[tuple[str, bytes], ...]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A canonical event: one thing an actor of a tenant did, at an instant in UTC."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    tenant: str
    time: datetime
    dataversion: str | None = None
    traceparent: str | None = None
    data: dict[str, Any] = {}

    @property
    def actor(self) -> str:
        """The actor who earns: the envelope's subject."""
        return self.subject


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable movement of `amount` > 0 (smallest unit) from the debited to the credited account of one tenant.

    `id` is a UUID as text (`transfer_id`).
    """

    id: str
    debit_account: str
    credit_account: str
    amount: int
    currency: str
    kind: str
    cause: str
    leg: int


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event adds to one leaderboard: `window` is the first day of the window (`2026-11-16`) or `all`.

    With `personal_best` it is told when the actor's score in this window beats those in all others.
    """

    board: str
    window: str
    points: int
    split: str | None = None
    personal_best: bool = False


class ReversalAsked(msgspec.Struct, frozen=True, tag="reversal"):
    """Which transfers did this event of the actor cause?"""

    source: str
    id: str


class StockAsked(msgspec.Struct, frozen=True, tag="stock"):
    """Is one of so many pieces of this reward left? `claim` names the command that asks, and this time that it came."""

    reward: str
    stock: int
    claim: str


class StockReturned(msgspec.Struct, frozen=True, tag="stock_returned"):
    """The piece that this claim got is free again. Needs no answer."""

    reward: str
    claim: str


Ask = ReversalAsked | StockAsked | StockReturned
"""What match can't know of itself and asks the ledger, which answers with an event of the actor (docs/adr/0010)."""


class Transaction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that one event posted: its transfers in order, what they mean for leaderboards, what the ledger is asked."""

    tenant: str
    actor: str
    event_source: str
    event_id: str
    event_type: str
    revision: int
    occurred_at: datetime
    transfers: tuple[Transfer, ...]
    scores: tuple[Score, ...] = ()
    ask: Ask | None = None


class CommandOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command, for whoever waits for it. `id` is the command's; balances are those after it."""

    id: str
    status: Literal["applied", "refused", "duplicate"]
    reason: str | None = None
    transfers: tuple[Transfer, ...] = ()
    balances: Mapping[str, int] = {}


encode_json = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode
decode_transaction = msgspec.json.Decoder(Transaction).decode


def micros(instant: datetime) -> int:
    """Return an aware instant in microseconds since the epoch."""
    return (instant - EPOCH) // _MICROSECOND


def from_millis(millis: int) -> datetime:
    """Return the instant, in UTC, that lies `millis` milliseconds after the epoch."""
    return EPOCH + timedelta(milliseconds=millis)


def actor_key(tenant: str, actor: str) -> bytes:
    """Return the key that every record about an actor carries. A tenant holds no `|`, so the first one separates."""
    return f"{tenant}|{actor}".encode()


def split_actor_key(key: bytes) -> tuple[str, str]:
    """Return (tenant, actor) of a key made by `actor_key`."""
    tenant, _, actor = key.decode().partition("|")
    return tenant, actor


def identity(tenant: str, source: str, event_id: str) -> bytes:
    """Return what makes an event the same event. No part holds a NUL, so no two identities are equal by chance."""
    return f"{tenant}\0{source}\0{event_id}".encode()


_CAUSE = blake2b(digest_size=13, person=b"plaudit-cause")


def cause_id(event_identity: bytes, seq: int) -> str:
    """Return what the ids of everything that an event causes begin with, so that a repeat has the same ids.

    All but the last four digits of a version 8 UUID (RFC 9562), with 104 bits of BLAKE2b: among 10^12 events the chance
    that two share it is about 10^-8. The sequence is part of it because an identity may come again once its retention
    is over, and then is a new event.
    """
    hashed = _CAUSE.copy()  # half the price of making one with its parameters
    hashed.update(event_identity + seq.to_bytes(8, "big"))
    digits = hashed.hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[12:15]}-8{digits[15:18]}-{digits[18:]}"


def transfer_id(cause: str, leg: int) -> str:
    """Return the id of an event's transfer, a UUID that ends in the leg.

    A leg of more than 16 bits does not exist: its transaction would be larger than any record may be.
    """
    return f"{cause}{leg:04x}"


def header(headers: Iterable[tuple[str, bytes]], name: str) -> bytes | None:
    """Return the first header of that name, or None."""
    for key, value in headers:
        if key == name:
            return value
    return None


@lru_cache(maxsize=256)  # the events of one broker batch share their time
def _appended(appended_ms: int) -> tuple[str, bytes]:
    return APPENDED_HEADER, b"%d" % appended_ms


def derived_headers(seq: int, appended_ms: int, traceparent: bytes | None = None) -> Headers:
    """Return the headers that every record derived from the event at `seq` carries."""
    base = ((SEQ_HEADER, b"%d" % seq), _appended(appended_ms))
    return base if traceparent is None else (*base, (TRACE_HEADER, traceparent))


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Where and why a record was refused. The record's value itself travels unchanged beside it."""

    reason: str
    message: str
    stage: str
    topic: str
    partition: int
    offset: int
    time: datetime
    attempts: int

    def headers(self) -> Headers:
        """Return the dead letter's headers; every value is text."""
        fields: Mapping[str, object] = msgspec.structs.asdict(self) | {"time": self.time.isoformat()}
        return tuple((f"plaudit-{name}", str(value).encode()) for name, value in fields.items())
