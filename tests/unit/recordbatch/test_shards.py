"""The fence: who owns a shard, and that the changelog alone gives the owner's state back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import TransientError
from pipeline.recordbatch.model import Change, Output
from pipeline.recordbatch.shards import Fenced, Shard
from tests.recordbatch.memory_log import TOPIC, MemoryLog, contents, new_store, recover_from, settle

Opener = Callable[[str], Shard]


@pytest.fixture
def shard_on(tmp_path: Path) -> Opener:
    """Makes a shard on a named disk; the same name is the same disk."""
    return lambda disk: Shard(TOPIC, 0, new_store(tmp_path / disk))


def put(**values: int) -> dict[bytes, Change]:
    """Return changes whose sequence is their value."""
    return {key.encode(): Change(value, b"%d" % value) for key, value in values.items()}


def delete(key: str, seq: int) -> dict[bytes, Change]:
    """Return a change that deletes."""
    return {key.encode(): Change(seq, None)}


async def opened(log: MemoryLog, shard: Shard) -> Shard:
    """Open a shard as a worker does."""
    await recover_from(log, shard)
    return shard


async def recovered(log: MemoryLog, shard_on: Opener) -> dict[bytes, bytes]:
    """Return what a worker with an empty disk finds."""
    return contents(await opened(log, shard_on("empty")))


async def test_a_worker_that_was_taken_over_is_fenced_before_it_touches_its_disk(shard_on: Opener) -> None:
    """Its disk would claim an offset whose predecessors it never applied."""
    log = MemoryLog()
    zombie = await opened(log, shard_on("zombie"))
    await settle(log, zombie, put(ada=1))
    await opened(log, shard_on("owner"))

    with pytest.raises(Fenced):
        await settle(log, zombie, put(ada=2))

    assert contents(zombie) == {b"ada": b"1"}
    assert zombie.store.offset() == 1


async def test_an_idle_worker_that_was_taken_over_finds_out(shard_on: Opener) -> None:
    """Otherwise it would answer reads from old state for ever."""
    log = MemoryLog()
    zombie = await opened(log, shard_on("zombie"))
    await opened(log, shard_on("owner"))

    with pytest.raises(Fenced):
        await zombie.check_sole_writer(log, log)


async def test_the_owner_writes_again_what_a_zombie_overwrote(shard_on: Opener) -> None:
    """Compaction keeps the last record of a key, and that was the zombie's older one."""
    log = MemoryLog()
    owner = await opened(log, shard_on("owner"))
    await settle(log, owner, put(ada=5, bob=6))
    log.add([Output(b"ada", b"\0" * 7 + b"\x01" + b"1", (("plaudit-writer", b"zombie"),))])

    await settle(log, owner, put(bob=7))
    log.compact()

    assert await recovered(log, shard_on) == {b"ada": b"5", b"bob": b"7"}


async def test_a_zombie_that_writes_between_two_batches_of_one_append_loses(shard_on: Opener) -> None:
    """The key was in the first batch, so the zombie's record stands behind it."""
    log = MemoryLog(batch_records=1)
    owner = await opened(log, shard_on("owner"))
    stale = Output(b"ada", (1).to_bytes(8, "big") + b"1", (("plaudit-writer", b"zombie"),))
    log.between = [lambda: log.add([stale]) and None]

    await settle(log, owner, put(ada=5, bob=6))
    log.compact()

    assert await recovered(log, shard_on) == {b"ada": b"5", b"bob": b"6"}


async def test_a_zombie_that_writes_again_during_the_repair_loses(shard_on: Opener) -> None:
    """The repair is an append like any other: what stands behind it is repaired in turn."""
    log = MemoryLog(batch_records=1)
    owner = await opened(log, shard_on("owner"))
    await settle(log, owner, put(cleo=3))
    stale = [Output(key, (1).to_bytes(8, "big") + b"1", ()) for key in (b"cleo", b"ada")]
    log.between = [lambda: None, lambda: log.add(stale) and None, lambda: log.add(stale) and None]

    await settle(log, owner, put(ada=5, bob=6))
    await owner.check_sole_writer(log, log)
    log.compact()

    assert await recovered(log, shard_on) == {b"ada": b"5", b"bob": b"6", b"cleo": b"3"}


async def test_a_repair_that_fails_is_not_forgotten(shard_on: Opener) -> None:
    """The zombie's records lie before the offset that the second attempt expects."""
    log = MemoryLog()
    owner = await opened(log, shard_on("owner"))
    await settle(log, owner, put(ada=5))
    log.add([Output(b"ada", (1).to_bytes(8, "big") + b"1", ())])
    log.trouble = ["ok", "refused"]

    await settle(log, owner, put(bob=6))
    log.compact()

    assert await recovered(log, shard_on) == {b"ada": b"5", b"bob": b"6"}


async def test_a_delayed_request_of_ones_own_is_repaired(shard_on: Opener) -> None:
    """The client gave up on it and wrote again; the broker took it seconds later, behind newer values."""
    log = MemoryLog()
    owner = await opened(log, shard_on("owner"))
    log.trouble = ["late"]
    await settle(log, owner, put(ada=5))
    await settle(log, owner, put(ada=6))
    log.arrive()

    await settle(log, owner, put(bob=7))
    log.compact()

    assert await recovered(log, shard_on) == {b"ada": b"6", b"bob": b"7"}


@pytest.mark.parametrize("trouble", ["refused", "unheard", "twice", "late"])
async def test_trouble_with_the_broker_costs_nothing(shard_on: Opener, trouble: str) -> None:
    """Retries append a batch twice; that is not another writer."""
    log = MemoryLog(batch_records=1)
    owner = await opened(log, shard_on("owner"))
    log.trouble = ["ok", trouble]

    await settle(log, owner, put(ada=1, bob=2))
    await settle(log, owner, put(ada=3))
    log.arrive()
    await owner.check_sole_writer(log, log)
    log.compact()

    assert contents(owner) == await recovered(log, shard_on) == {b"ada": b"3", b"bob": b"2"}


async def test_a_failed_read_of_a_gap_is_tried_again(shard_on: Opener) -> None:
    """What was written in between must be known before the disk is written."""
    log = MemoryLog()
    zombie = await opened(log, shard_on("zombie"))
    await opened(log, shard_on("owner"))
    log.unreadable = 1

    with pytest.raises(TransientError):
        await zombie.log_changes(put(ada=1), log, log)
    with pytest.raises(Fenced):
        await zombie.log_changes(put(ada=1), log, log)


async def test_a_gap_that_was_compacted_fences(shard_on: Opener) -> None:
    """Of two fences compaction keeps the later one, which may stand behind the gap."""
    log = MemoryLog()
    zombie = await opened(log, shard_on("zombie"))
    await opened(log, shard_on("owner"))

    def taken_over_again() -> None:
        log.add([Output(b"\0fence", b"third", ())])
        log.compact()

    log.between = [taken_over_again]

    with pytest.raises(Fenced):
        await zombie.log_changes(put(ada=1), log, log)


async def test_a_changelog_that_lost_records_fences(shard_on: Opener) -> None:
    """A broker that lost its disk's last writes gives an offset a second time."""
    log = MemoryLog()
    owner = await opened(log, shard_on("owner"))
    await settle(log, owner, put(ada=1))
    log.records.pop()
    log.end -= 1

    with pytest.raises(Fenced):
        await owner.log_changes(put(ada=2), log, log)


async def test_a_disk_ahead_of_its_changelog_is_emptied(shard_on: Opener) -> None:
    """The changelog was made anew: the disk belongs to its former life."""
    log = MemoryLog()
    await settle(log, await opened(log, shard_on("disk")), put(ada=1))

    assert contents(await opened(MemoryLog(), shard_on("disk"))) == {}


async def test_recovery_takes_the_higher_sequence_whatever_the_order(shard_on: Opener) -> None:
    """A zombie's late record stands behind the newer one."""
    log = MemoryLog()
    owner = await opened(log, shard_on("owner"))
    await settle(log, owner, put(ada=5))
    log.add([Output(b"ada", (1).to_bytes(8, "big") + b"1", ())])

    assert await recovered(log, shard_on) == {b"ada": b"5"}


async def test_recovery_repairs_what_a_zombie_wrote_while_there_was_no_owner(shard_on: Opener) -> None:
    """The next compaction would otherwise keep the zombie's record, and the next recovery find only that."""
    log = MemoryLog()
    owner = await opened(log, shard_on("owner"))
    await settle(log, owner, put(ada=5, bob=6))
    log.add([Output(b"ada", (1).to_bytes(8, "big") + b"1", ())])

    await opened(log, shard_on("next"))
    log.compact()

    assert await recovered(log, shard_on) == {b"ada": b"5", b"bob": b"6"}


async def test_recovery_from_disk_repairs_too(shard_on: Opener) -> None:
    """The newer value is on the disk only: the changelog before its offset is not read again."""
    log = MemoryLog()
    await settle(log, await opened(log, shard_on("disk")), put(ada=5))
    log.add([Output(b"ada", (1).to_bytes(8, "big") + b"1", ())])

    await opened(log, shard_on("disk"))
    log.compact()

    assert await recovered(log, shard_on) == {b"ada": b"5"}


@pytest.mark.parametrize("chunk", [1, 2, 10])
async def test_a_repair_that_a_recovery_did_not_come_to_is_made_by_the_next(shard_on: Opener, chunk: int) -> None:
    """The next rebalance, or a crash, ends a recovery anywhere; the disk must not say that all was well until then."""
    log = MemoryLog()
    owner = await opened(log, shard_on("disk"))
    await settle(log, owner, put(ada=5))
    owner.store.close()
    log.add([Output(b"ada", (1).to_bytes(8, "big") + b"1", ())])
    broken_off = shard_on("disk")
    await broken_off.raise_fence(log)
    for start in range(broken_off.position, log.end, chunk):
        broken_off.apply(log.records[start : start + chunk], min(start + chunk, log.end) - 1)
    broken_off.store.close()

    last = await opened(log, shard_on("disk"))
    last.store.close()
    log.compact()

    assert await recovered(log, shard_on) == {b"ada": b"5"}
    assert shard_on("disk").position > last.fence, "once repaired, the disk says so"


async def test_a_disk_without_an_offset_is_not_taken_for_an_empty_one(shard_on: Opener) -> None:
    """It may hold a newer value than the changelog, once that was compacted before its repair."""
    log = MemoryLog()
    await settle(log, await opened(log, shard_on("owner")), put(ada=5))
    log.add([Output(b"ada", (1).to_bytes(8, "big") + b"1", ())])
    broken_off = shard_on("disk")
    await broken_off.raise_fence(log)
    broken_off.apply(log.records, log.end - 1)
    broken_off.store.close()
    log.compact()

    shard = shard_on("disk")

    assert shard.position == 0
    assert contents(await opened(log, shard)) == {b"ada": b"5"}


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 9])
async def test_the_highest_sequence_stays_however_the_changelog_is_cut_into_pieces(
    shard_on: Opener, chunk: int
) -> None:
    """Values and tombstones in an order in which each is older or newer than what came before it, of any key."""
    log = MemoryLog()
    for key, seq, value in [
        (b"ada", 5, b"5"), (b"bob", 9, None), (b"ada", 7, None), (b"cleo", 3, b"3"), (b"ada", 6, b"6"),
        (b"bob", 8, b"8"), (b"cleo", 2, None), (b"dan", 4, b"4"), (b"dan", 10, b"10"), (b"bob", 11, b"11"),
        (b"bob", 9, None), (b"ada", 4, None), (b"ada", 6, b"6"),
    ]:  # fmt: skip
        headers = (("plaudit-seq", b"%d" % seq),)
        log.add([Output(key, None if value is None else seq.to_bytes(8, "big") + value, headers)])

    shard = shard_on("disk")
    await recover_from(log, shard, chunk)

    assert contents(shard) == {b"bob": b"11", b"cleo": b"3", b"dan": b"10"}


async def test_a_deleted_key_stays_deleted(shard_on: Opener) -> None:
    """A tombstone has a sequence, too: an older value behind it does not bring the key back."""
    log = MemoryLog()
    owner = await opened(log, shard_on("owner"))
    await settle(log, owner, put(ada=5, bob=6))
    await settle(log, owner, delete("ada", 7))
    log.add([Output(b"bob", (6).to_bytes(8, "big") + b"6", ())] * 3)  # so that they come in different chunks
    log.add([Output(b"ada", (5).to_bytes(8, "big") + b"5", ())])

    assert await recovered(log, shard_on) == {b"bob": b"6"}
    log.compact()
    assert contents(await opened(log, shard_on("later"))) == {b"bob": b"6"}


async def test_an_old_tombstone_deletes_nothing_newer(shard_on: Opener) -> None:
    """A zombie's deletion came before the value that stands before it."""
    log = MemoryLog()
    owner = await opened(log, shard_on("owner"))
    await settle(log, owner, put(ada=9))
    log.add([Output(b"ada", None, (("plaudit-seq", b"7"),))])

    assert await recovered(log, shard_on) == {b"ada": b"9"}


async def test_a_stopped_worker_reads_the_changelog_only_from_its_offset(shard_on: Opener) -> None:
    """Its disk has the rest."""
    log = MemoryLog()
    shard = await opened(log, shard_on("disk"))
    await settle(log, shard, put(ada=1, bob=2))
    shard.store.close()

    again = shard_on("disk")

    assert again.position == 3
    assert contents(await opened(log, again)) == {b"ada": b"1", b"bob": b"2"}
