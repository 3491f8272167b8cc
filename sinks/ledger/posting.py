"""What the ledger takes: a transaction's transfers, within the limits of the tables; everything else is refused."""

from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import ACTOR_LENGTH_MAX, ID_LENGTH_MAX, SOURCE_LENGTH_MAX, TYPE_LENGTH_MAX, Ask

SEQ_MAX = 2**63 - 1
# `actor:` and the longest actor. What indexes hold must fit into a b-tree entry (2,704 bytes) at four bytes a
# character.
_ACCOUNT_LENGTH_MAX = len("actor:") + ACTOR_LENGTH_MAX
_NAME_LENGTH_MAX = 128
_TENANT_LENGTH_MAX = 63

_Int4 = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Amount = Annotated[int, Meta(gt=0, le=2**63 - 1)]
_Account = Annotated[str, Meta(min_length=1, max_length=_ACCOUNT_LENGTH_MAX)]
_Name = Annotated[str, Meta(max_length=_NAME_LENGTH_MAX)]
_Kind = Literal["award", "spend", "redeem", "adjust", "reverse", "bonus"]


class PostedTransfer(msgspec.Struct, frozen=True, gc=False):
    """A `pipeline.events.Transfer` that the table `transfers` can hold."""

    id: UUID
    debit_account: _Account
    credit_account: _Account
    amount: _Amount
    currency: _Name
    kind: _Kind
    cause: Annotated[str, Meta(max_length=ID_LENGTH_MAX)]
    leg: _Int4


class PostedTransaction(msgspec.Struct, frozen=True, gc=False):
    """The part of a `pipeline.events.Transaction` that the ledger keeps; scores are skipped without being decoded."""

    tenant: Annotated[str, Meta(min_length=1, max_length=_TENANT_LENGTH_MAX)]
    actor: Annotated[str, Meta(max_length=ACTOR_LENGTH_MAX)]
    event_source: Annotated[str, Meta(max_length=SOURCE_LENGTH_MAX)]
    event_id: Annotated[str, Meta(max_length=ID_LENGTH_MAX)]
    event_type: Annotated[str, Meta(max_length=TYPE_LENGTH_MAX)]
    revision: _Int4
    occurred_at: Annotated[datetime, Meta(tz=True)]
    transfers: tuple[PostedTransfer, ...]
    ask: Ask | None = None


class Posting(NamedTuple):
    """A transaction and the sequence of the event that caused it."""

    seq: int
    transaction: PostedTransaction


_decode = msgspec.json.Decoder(PostedTransaction).decode
_YEAR_MIN = datetime(1, 1, 1, tzinfo=UTC)
_YEAR_MAX = datetime.max.replace(tzinfo=UTC)


def decode_posted(value: bytes) -> PostedTransaction:
    """Read a transaction, checked against everything that the database would refuse.

    Raises:
        PoisonEvent: it is no transaction, or one that the ledger can't hold.
    """
    try:
        transaction = _decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PoisonEvent(Reason.INVALID_RECORD, f"not a transaction: {error}") from error
    # A NUL can only come escaped; PostgreSQL holds none in a text. An escaped backslash before `u0000` is harmless.
    if b"\\u0000" in value and b"\\u0000" in msgspec.json.encode(transaction).replace(b"\\\\", b""):
        raise PoisonEvent(Reason.NULL_CHARACTER, "a text holds a null character")
    if not _YEAR_MIN <= transaction.occurred_at <= _YEAR_MAX:
        raise PoisonEvent(Reason.INVALID_TIME, "occurred_at lies outside the years 1 to 9999 in UTC")
    legs = -1
    for transfer in transaction.transfers:
        if transfer.debit_account == transfer.credit_account:
            raise PoisonEvent(Reason.INVALID_RECORD, f"leg {transfer.leg} debits the account that it credits")
        if transfer.leg <= legs:
            raise PoisonEvent(Reason.INVALID_RECORD, f"leg {transfer.leg} does not follow leg {legs}")
        legs = transfer.leg
    return transaction
