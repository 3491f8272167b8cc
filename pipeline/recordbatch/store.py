"""One partition's shard of a table on disk: RocksDB, written in atomic batches together with the changelog offset."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import rocksdict

from pipeline.errors import InvariantBroken
from pipeline.recordbatch.ports import TableSpec

# Table keys begin with a tenant, never with NUL.
_OFFSET_KEY = b"\0offset"
# Every stored value begins with the sequence that caused it, big-endian, so that bytes compare as sequences do.
SEQ_BYTES = 8
# Of a table with a retention, entries are dropped by compaction this much after it, by this machine's clock. Whether an
# entry still counts is decided by the stage, from what the log says, never by its absence.
_RETENTION_MARGIN_S = 2 * 86_400
# While a disk is filled the changelog has all of it.
_NO_LOG: Any = rocksdict.WriteOptions()  # typed as if its properties were methods
_NO_LOG.disable_wal = True


class StoreOptions(NamedTuple):
    """Memory of a worker's shards. Faust's defaults are 2 GiB of cache and 192 MiB of buffers for each partition."""

    cache_bytes: int = 64 << 20
    write_buffer_bytes: int = 8 << 20

    def build(self, cache: rocksdict.Cache, *, filling: bool = False) -> rocksdict.Options:
        """Return RocksDB options; shards share `cache`. `filling` is for writing much and reading hardly ever."""
        table = rocksdict.BlockBasedOptions()
        table.set_block_cache(cache)
        table.set_bloom_filter(10, block_based=False)  # a missing key costs 0.4 µs instead of a disk read
        table.set_cache_index_and_filter_blocks(True)
        table.set_pin_l0_filter_and_index_blocks_in_cache(True)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(create_if_missing=True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_size(self.write_buffer_bytes)
        options.set_max_write_buffer_number(3)
        options.set_compression_type(rocksdict.DBCompressionType.lz4())
        options.set_keep_log_file_num(2)
        options.set_max_open_files(256)
        if filling:
            # A write holds Python's lock: with its batch and the usual skip list it takes 1.6 to 3.3 µs a record, with
            # this 0.3 to 0.7. It is sorted when it is flushed, 1.3 to 2.8 µs, by a thread of RocksDB's own.
            options.set_memtable_factory(rocksdict.MemtableFactory.vector())
            options.set_allow_concurrent_memtable_write(False)
        return options


def packed(seq: int, payload: bytes) -> bytes:
    """Return a value as it is stored and logged."""
    return seq.to_bytes(SEQ_BYTES, "big") + payload


def sequence_of(stored: bytes) -> int:
    """Return the sequence in front of a stored value."""
    return int.from_bytes(stored[:SEQ_BYTES], "big")


class ShardStore:
    """The disk of one shard. Not for use by two threads at once."""

    def __init__(
        self, path: Path, options: StoreOptions, cache: rocksdict.Cache, retention_days: int | None = None
    ) -> None:
        self._path = path
        self._options = options
        self._cache = cache
        self._access = (
            rocksdict.AccessType.with_ttl(retention_days * 86_400 + _RETENTION_MARGIN_S)
            if retention_days is not None
            else rocksdict.AccessType.read_write()
        )
        self._filling = False
        self._unflushed = False  # in filling: something may be in memory alone
        self._db: Any = self._open()

    def _open(self) -> Any:
        self._path.mkdir(parents=True, exist_ok=True)
        options = self._options.build(self._cache, filling=self._filling)
        # Named, the family takes these options; else it would take those that the folder was last opened with.
        return rocksdict.Rdict(str(self._path), options, column_families={"default": options}, access_type=self._access)

    def empty(self) -> bool:
        """Return whether nothing is on the disk, not even an offset."""
        return next(iter(self._db.keys()), None) is None

    # Filling an empty disk.

    def begin_filling(self) -> None:
        """Make many writes cheap and reading expensive, until `end_filling`.

        Writes go to memory alone and reach the disk in their order: a crash loses the last ones, and the offset tells
        what is left.
        """
        self._reopen(filling=True)

    def end_filling(self) -> None:
        """Bring everything to the disk and serve as usual; does nothing when there was no filling."""
        if self._filling:
            self._db.flush()
            self._reopen(filling=False)

    def _reopen(self, *, filling: bool) -> None:
        self._db.close()
        self._filling, self._unflushed = filling, False
        self._db = self._open()

    def offset(self) -> int:
        """Return the changelog offset that the disk holds everything up to and including; -1 for an empty disk."""
        stored = self._db.get(_OFFSET_KEY)
        return -1 if stored is None else int(stored)

    def entries(self) -> int:
        """Return about how many entries there are: one that was written again counts again until files are merged."""
        estimated: int | None = self._db.property_int_value("rocksdb.estimate-num-keys")
        return estimated or 0

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the stored values, sequence included, in the order of `keys`."""
        if self._unflushed:  # not sorted yet: each key would be looked for in all that was written
            self._db.flush()
            self._unflushed = False
        found: list[bytes | None] = self._db.get(list(keys))
        return found

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Iterate over entries in key order, sequence included."""
        start = max(prefix, b"\x01")
        for key, value in self._db.items(from_key=start):
            if not key.startswith(prefix):
                return
            yield key, value

    def write(self, changes: Mapping[bytes, bytes | None], offset: int) -> None:
        """Write all changes (None deletes) and the changelog offset that they reach, or, in a crash, nothing."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch[key] = value
        batch.put(_OFFSET_KEY, b"%d" % offset)
        if self._filling:
            self._db.write(batch, _NO_LOG)
            self._unflushed = True
        else:
            self._db.write(batch)

    def clear(self) -> None:
        """Remove everything: the disk belongs to another life of the changelog."""
        self._db.close()
        if not (self._path / "CURRENT").exists():
            raise InvariantBroken(f"not a table shard: {self._path.name}")
        shutil.rmtree(self._path)
        self._filling = self._unflushed = False
        self._db = self._open()

    def close(self) -> None:
        """Flush and release the files."""
        self._db.close()


class ShardFolder:
    """A worker's folder, with a database for each shard, which share memory."""

    def __init__(self, folder: Path, options: StoreOptions) -> None:
        self._folder = folder
        self._options = options
        self._cache = rocksdict.Cache(options.cache_bytes)

    def open(self, table: TableSpec, partition: int) -> ShardStore:
        """Open a shard's database; a new one is empty."""
        path = self._folder / f"{table.name}-{partition}"
        return ShardStore(path, self._options, self._cache, table.retention_days)
