"""The disk of a shard."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.recordbatch.store import packed, sequence_of
from tests.recordbatch.memory_log import new_store
from tests.wait import until_sync

REPOSITORY = Path(__file__).parents[3]
# Writes batches until it is killed; each sets both keys to the same number, which is the offset, too.
WRITER = """
import sys
from pathlib import Path
from tests.recordbatch.memory_log import new_store
store = new_store(Path(sys.argv[1]), buffer_bytes=1 << 16)
if "filling" in sys.argv:
    store.begin_filling()
number = store.offset() + 1
while True:
    store.write({b"acme|ada": b"%d" % number, b"acme|bob": b"%d" % number}, number)
    if number % 1000 == 999:
        print(number, flush=True)
    number += 1
"""


def test_a_new_disk_holds_nothing(tmp_path: Path) -> None:
    """Recovery begins at the changelog's beginning."""
    store = new_store(tmp_path / "shard")

    assert store.offset() == -1
    assert store.get_many([b"acme|ada"]) == [None]
    assert list(store.items()) == []


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    """Values, deletions and the offset."""
    store = new_store(tmp_path / "shard")
    store.write({b"acme|ada": b"1", b"acme|bob": b"2"}, 7)
    store.write({b"acme|ada": None}, 8)
    store.close()

    store = new_store(tmp_path / "shard")

    assert store.offset() == 8
    assert store.get_many([b"acme|bob", b"acme|ada", b"acme|bob"]) == [b"2", None, b"2"]


def test_a_kill_leaves_whole_batches_and_their_offset(tmp_path: Path) -> None:
    """Either all of a batch is there, with its offset, or nothing of it."""
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "shard")],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        assert writer.stdout is not None
        reached = int(writer.stdout.readline())
        writer.kill()
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()

        store = new_store(tmp_path / "shard")
        offset = store.offset()
        values = store.get_many([b"acme|ada", b"acme|bob"])
        store.close()

        assert offset >= reached
        assert values == [b"%d" % offset] * 2


def test_a_kill_while_a_disk_is_filled_leaves_whole_batches_and_their_offset(tmp_path: Path) -> None:
    """The last ones are lost; what is left is what stood there after the batch that the offset names."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "shard"), "filling"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert writer.stdout is not None
    # A write waits while three full buffers wait for the disk, however slow that is; this is three times as much.
    while int(writer.stdout.readline()) < 9_999:
        pass
    writer.kill()
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()

    store = new_store(tmp_path / "shard")

    assert store.offset() > 0
    assert store.get_many([b"acme|ada", b"acme|bob"]) == [b"%d" % store.offset()] * 2
    store.write({b"acme|ada": b"mine"}, 99_999)
    assert store.get_many([b"acme|ada"]) == [b"mine"]


@pytest.mark.parametrize("retention_days", [None, 30])
def test_a_disk_that_is_filled_can_be_read_and_serves_afterwards(tmp_path: Path, retention_days: int | None) -> None:
    """Reading is only expensive meanwhile; nothing is missing once filling has ended."""
    store = new_store(tmp_path / "shard", retention_days)
    assert store.empty()
    store.begin_filling()
    store.write({b"acme|ada": b"1", b"acme|bob": b"2"}, 1)

    assert store.get_many([b"acme|bob", b"acme|cleo"]) == [b"2", None]
    store.write({b"acme|ada": None, b"acme|bob": b"3"}, 2)
    assert store.get_many([b"acme|ada", b"acme|bob"]) == [None, b"3"]

    store.end_filling()
    store.write({b"acme|dan": b"4"}, 3)
    store.close()
    store = new_store(tmp_path / "shard", retention_days)

    assert list(store.items()) == [(b"acme|bob", b"3"), (b"acme|dan", b"4")]
    assert store.offset() == 3
    assert not store.empty()


def test_a_disk_that_is_closed_while_it_is_filled_goes_on_where_it_was(tmp_path: Path) -> None:
    """The next rebalance ends a recovery anywhere."""
    store = new_store(tmp_path / "shard")
    store.begin_filling()
    store.write({b"acme|ada": b"1"}, 1)
    store.close()

    store = new_store(tmp_path / "shard")

    assert store.offset() == 1
    assert store.get_many([b"acme|ada"]) == [b"1"]


def test_items_come_in_key_order_and_without_the_disks_own_entries(tmp_path: Path) -> None:
    """A prefix gives what begins with it, and no more."""
    store = new_store(tmp_path / "shard")
    keys = [b"acme\0day\0ada", b"acme\0day\0bob", b"acme\0week\0ada", b"acme-two\0day\0ada", b"\xff\xff", b"acme"]
    store.write({key: key for key in keys}, 3)

    assert [key for key, _ in store.items()] == sorted(keys)
    assert [key for key, _ in store.items(b"acme\0day\0")] == [b"acme\0day\0ada", b"acme\0day\0bob"]
    assert [key for key, _ in store.items(b"acme\0")] == sorted(key for key in keys if key.startswith(b"acme\0"))
    assert [key for key, _ in store.items(b"\xff")] == [b"\xff\xff"]
    assert list(store.items(b"nobody")) == []


@pytest.mark.parametrize("retention_days", [None, 30])
def test_entries_are_counted_roughly(tmp_path: Path, retention_days: int | None) -> None:
    """What was written again counts once from when files are merged; the disk's own entry is one of them."""
    store = new_store(tmp_path / "shard", retention_days)
    assert store.entries() == 0
    for offset in range(3):
        store.write({b"acme|actor%d" % number: b"1" for number in range(100)}, offset)

    assert 100 <= store.entries() <= 303
    store.close()
    assert new_store(tmp_path / "shard", retention_days).entries() == 101


def test_a_cleared_disk_is_a_new_one(tmp_path: Path) -> None:
    """It belonged to another life of the changelog."""
    store = new_store(tmp_path / "shard")
    store.write({b"acme|ada": b"1"}, 7)

    store.clear()

    assert store.offset() == -1
    assert list(store.items()) == []
    store.write({b"acme|ada": b"2"}, 0)
    assert store.get_many([b"acme|ada"]) == [b"2"]


def test_a_table_with_a_retention_works_like_others(tmp_path: Path) -> None:
    """Values carry the time of their writing on the disk, which nobody sees."""
    store = new_store(tmp_path / "shard", retention_days=30)
    store.write({b"acme|ada": b"1", b"acme|bob": b"2"}, 7)
    store.write({b"acme|bob": None}, 8)
    store.close()

    store = new_store(tmp_path / "shard", retention_days=30)

    assert store.offset() == 8
    assert store.get_many([b"acme|ada", b"acme|bob"]) == [b"1", None]
    assert list(store.items()) == [(b"acme|ada", b"1")]


@pytest.mark.parametrize("seq", [0, 1, 255, 256, 2**40, 2**63 - 1])
def test_sequences_compare_as_their_bytes_do(seq: int) -> None:
    """A stored value begins with its sequence."""
    assert sequence_of(packed(seq, b"payload")) == seq
    assert packed(seq, b"z") < packed(seq + 1, b"")


def test_what_is_past_its_retention_leaves_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merging files drops it, and the offset that was reached by then; a table without a retention keeps all."""
    monkeypatch.setattr("pipeline.recordbatch.store._RETENTION_MARGIN_S", 1)
    store, forever = new_store(tmp_path / "shard", retention_days=0), new_store(tmp_path / "other")
    for each in (store, forever):
        each.write({b"acme|ada": b"1"}, 7)

    def merged() -> bool:
        for each in (store, forever):
            each._db.compact_range(None, None)  # else that happens when files have grown
        return store.empty()

    until_sync(merged, 20, "the entry has gone")
    assert store.offset() == -1  # the changelog is read from its beginning
    assert (forever.get_many([b"acme|ada"]), forever.offset()) == ([b"1"], 7)
