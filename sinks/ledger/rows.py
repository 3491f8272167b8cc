"""The bytes of a batch: PostgreSQL's binary COPY tuples, which are also what the hash chain is computed over.

A tuple is written here, column by column, rather than by the driver: the sink hashes exactly the bytes that it sends,
and `verify` gets them back from `COPY … TO STDOUT (FORMAT BINARY)` without decoding a row. The columns of fixed width
come first, so that partition, sequence and leg of a tuple are found at fixed places. See ADR 0006.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from zlib import crc32

from sinks.ledger.posting import PostedTransaction, Posting

# The canonical columns, in their order. To change it is to make a new version of the chain.
FIXED_COLUMNS = ("partition", "seq", "leg", "id", "amount", "revision", "occurred_at", "recorded_at")
TEXT_COLUMNS = (
    "tenant",
    "actor",
    "event_source",
    "event_id",
    "event_type",
    "debit_account",
    "credit_account",
    "currency",
    "kind",
    "cause",
)
COLUMNS = (*FIXED_COLUMNS, *TEXT_COLUMNS)

# Each value follows its length; the tuple begins with the number of its columns.
_pack = Struct(">h ii iq ii i16s iq ii iq iq").pack
_COLUMN_COUNT = len(COLUMNS)
# Where a tuple says which row it is: (partition, sequence, leg).
PLACE = Struct(">6x i 4x q 4x i")
RECORDED_AT = slice(86, 94)
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"

GENESIS = bytes(32)  # what the first link of a partition follows
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
_MICROSECOND = timedelta(microseconds=1)

AccountKey = tuple[str, str, str]


class Rows:
    """A batch as it is turned into rows. Totals are per (tenant, account, currency); the hash is the batch's link."""

    def __init__(self, partition: int, recorded_at: datetime, previous: bytes) -> None:
        """Begin a batch that follows the link `previous` of its partition."""
        self.count = 0
        self.first_seq = self.last_seq = -1
        self.checksums = bytearray()
        self.debits: dict[AccountKey, int] = {}
        self.credits: dict[AccountKey, int] = {}
        self._partition = partition
        self._recorded = _micros(recorded_at)
        self._hash = sha256(previous)
        self._texts = _Texts()

    @property
    def hash(self) -> bytes:
        """The link of the hash chain that covers the rows so far and, through the previous link, everything before."""
        return self._hash.digest()

    def add(self, postings: Iterable[Posting]) -> bytes:
        """Return the tuples of further postings, in (sequence, leg) order; the postings' sequences must ascend."""
        rows: list[bytes] = []
        for seq, transaction in postings:
            if transaction.transfers:
                self._add_transaction(rows, seq, transaction)
        self.count += len(rows)
        self.checksums += Struct(f">{len(rows)}I").pack(*map(crc32, rows))
        body = b"".join(rows)
        self._hash.update(body)
        return body

    def _add_transaction(self, rows: list[bytes], seq: int, transaction: PostedTransaction) -> None:
        text, debits, credits_ = self._texts, self.debits, self.credits
        tenant = transaction.tenant
        # fmt: off
        head = (4, self._partition, 8, seq)
        tail = (4, transaction.revision, 8, _micros(transaction.occurred_at), 8, self._recorded)
        event = b"".join((
            text[tenant], text[transaction.actor], text[transaction.event_source], _text(transaction.event_id),
            text[transaction.event_type],
        ))
        for transfer in transaction.transfers:
            debit, credit, currency, amount = (
                transfer.debit_account, transfer.credit_account, transfer.currency, transfer.amount,
            )
            fixed = _pack(_COLUMN_COUNT, *head, 4, transfer.leg, 16, transfer.id.bytes, 8, amount, *tail)
            rows.append(b"".join((
                fixed, event, text[debit], text[credit], text[currency], text[transfer.kind], text[transfer.cause],
            )))
            # fmt: on
            key = (tenant, debit, currency)
            debits[key] = debits.get(key, 0) + amount
            key = (tenant, credit, currency)
            credits_[key] = credits_.get(key, 0) + amount
        if self.first_seq < 0:
            self.first_seq = seq
        self.last_seq = seq


class _Texts(dict[str, bytes]):
    """Values as the tuple holds them, made once per batch: most texts of a batch repeat."""

    def __missing__(self, value: str) -> bytes:
        encoded = self[value] = _text(value)
        return encoded


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND
