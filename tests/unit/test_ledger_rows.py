"""The canonical bytes of rows: equal to what PostgreSQL's own driver writes, and never to change."""

from hashlib import sha256
from zlib import crc32

from sinks.ledger.rows import COLUMNS, GENESIS, PLACE, Rows
from tests.builders import INSTANT
from tests.ledger import posting

# SHA-256 of the row below after the genesis link: a change breaks the chain of every ledger there is.
GOLDEN = "e67d25980a2d909c34d401a887ee2be4cb2a3cee5122d83dac3f6a021f8d607b"


def rows(*seqs: int, partition: int = 7) -> tuple[Rows, bytes]:
    """Return a batch and its tuples."""
    batch = Rows(partition, INSTANT, GENESIS)
    return batch, batch.add([posting(seq) for seq in seqs])


def test_canonical_bytes_never_change() -> None:
    """Ledgers written by this release are verified by every later one."""
    batch, body = rows(1)

    assert batch.hash == sha256(GENESIS + body).digest()
    assert batch.hash.hex() == GOLDEN


def test_place_is_found_without_decoding() -> None:
    """Partition, sequence and leg stand at fixed places."""
    _, body = rows(123_456_789_012)

    assert PLACE.unpack_from(body) == (7, 123_456_789_012, 0)
    assert int.from_bytes(body[:2], "big") == len(COLUMNS)


def test_parts_make_the_same_batch_as_the_whole() -> None:
    """How a batch is cut for sending leaves no trace."""
    whole, body = rows(1, 2, 3)
    parts = Rows(7, INSTANT, GENESIS)
    pieces = parts.add([posting(1)]) + parts.add([posting(2), posting(3)])

    assert (pieces, parts.hash, parts.checksums) == (body, whole.hash, whole.checksums)
    assert (parts.count, parts.first_seq, parts.last_seq) == (3, 1, 3)
    assert (parts.debits, parts.credits) == (whole.debits, whole.credits)


def test_checksums_are_one_for_each_row() -> None:
    """Four bytes, in the order of the rows."""
    batch, body = rows(1)

    assert bytes(batch.checksums) == crc32(body).to_bytes(4, "big")


def test_totals_are_per_account_and_currency() -> None:
    """What the balances need: each touched account once."""
    batch, _ = rows(1, 2)

    assert batch.debits == {("acme", "issued", "xp"): 20}
    assert batch.credits == {("acme", "actor:ada", "xp"): 20}
