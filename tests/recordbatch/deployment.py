"""The summing stage on a broker: its topics, its workers, and what must come out of it."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError

from pipeline.embedded.probes import free_port
from pipeline.embedded.processes import Child, Household
from pipeline.recordbatch.model import Output, Record
from pipeline.recordbatch.producer import BatchProducer
from pipeline.recordbatch.store import sequence_of
from tests.recordbatch.worker import SUMS, Setup, State
from tests.wait import until

REPOSITORY = Path(__file__).parents[2]
PARTITIONS = 2


class Deployment:
    """One stage with two partitions, topics of its own, and workers by name; a worker's folder stays when it ends."""

    def __init__(self, address: str, prefix: str, household: Household, folder: Path) -> None:
        self.address = address
        self.prefix = prefix
        self.folder = folder
        self.journal = folder / "journal"
        self._household = household
        self._workers: list[Child] = []
        self.sent: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(PARTITIONS)}

    def topic(self, name: str) -> str:
        """Return a topic's name on the broker."""
        return self.prefix + name

    async def create_topics(self) -> None:
        """Declare the topics."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            compact = {"cleanup.policy": "compact", "min.compaction.lag.ms": "600000"}
            names = [NewTopic(self.topic(name), PARTITIONS, 1) for name in ("in", "out", "refused")]
            await admin.create_topics([*names, NewTopic(self.topic("changelog"), PARTITIONS, 1, topic_configs=compact)])
        finally:
            await admin.close()

    async def expire(self, before: int) -> None:
        """Have the broker remove the source's records below an offset, as retention would."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            partitions = (TopicPartition(self.topic("in"), number) for number in range(PARTITIONS))
            await admin.delete_records({tp: RecordsToDelete(before_offset=before) for tp in partitions})
        finally:
            await admin.close()

    async def send(self, partition: int, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Append records to the source."""
        producer = BatchProducer(self.address, client_id="test")
        await producer.start()
        await producer.append(self.topic("in"), partition, [Output(key, value) for key, value in records])
        await producer.stop()
        self.sent[partition] += records

    async def send_numbers(self, count: int) -> None:
        """Append so many numbers to each partition, over five keys."""
        for partition, sent in self.sent.items():
            begin = len(sent)
            numbers = range(begin, begin + count)
            await self.send(partition, [(b"acme|actor%d" % (n * 7 % 5), b"%d" % (n % 11 + 1)) for n in numbers])

    async def send_in_transactions(self, partition: int, count: int, size: int) -> None:
        """Append numbers in transactions of `size`, whose markers leave gaps between the offsets."""
        producer = AIOKafkaProducer(bootstrap_servers=self.address, transactional_id=self.prefix + "source")
        await producer.start()
        try:
            for start in range(0, count, size):
                async with producer.transaction():
                    for n in range(start, min(count, start + size)):
                        await producer.send(self.topic("in"), b"%d" % n, b"acme|ada", partition=partition)
        finally:
            await producer.stop()

    def start(self, name: str = "one", **options: Any) -> Child:
        """Start a worker; `options` are fields of its `Setup`."""
        setup = Setup(
            broker=self.address,
            prefix=self.prefix,
            folder=str(self.folder / name),
            web_port=free_port(),
            journal=str(self.journal),
            **options,
        )
        command = [sys.executable, "-m", "tests.recordbatch.worker", msgspec.json.encode(setup).decode()]
        child = self._household.start(f"{self.prefix}{name}", command, cwd=REPOSITORY)
        self._workers.append(child)
        return child

    def end(self) -> None:
        """Kill what is left."""
        for worker in self._workers:
            worker.kill()
            self._household.forget(worker)

    def log(self, name: str = "one") -> str:
        """Return all that a worker of this name logged."""
        return (self._household.logs / f"{self.prefix}{name}.log").read_text()

    def noted(self, child: Child, what: str) -> list[list[int]]:
        """Return the numbers of a worker's journal lines of one kind: `run`, `opened`, `closed`."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        words = [line.split() for line in lines]
        return [[int(n) for n in rest] for pid, kind, *rest in words if pid == str(child.pid) and kind == what]

    async def read(self, topic: str, partition: int) -> list[Record]:
        """Return everything in a partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.address, auto_offset_reset="earliest")
        await consumer.start()
        try:
            tp = TopicPartition(self.topic(topic), partition)
            consumer.assign([tp])
            end = (await consumer.end_offsets([tp]))[tp]
            records: list[Record] = []
            while await consumer.position(tp) < end:
                fetched = await consumer.getmany(tp, timeout_ms=200)
                records += [record for record in fetched.get(tp, []) if record.offset < end]
            return records
        finally:
            await consumer.stop()

    async def committed(self) -> dict[int, int]:
        """Return the committed offset of each partition that has one."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.topic("sum"))
        except KafkaError:  # the broker has just come (back), and has not loaded the group yet
            return {}
        finally:
            await admin.close()
        return {tp.partition: meta.offset for tp, meta in offsets.items() if tp.topic == self.topic("in")}

    async def rebalancing(self) -> bool:
        """Whether the group waits for its members to give up their partitions."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            answers = await admin.describe_consumer_groups([self.topic("sum")])
        finally:
            await admin.close()
        return any("PreparingRebalance" in str(group) for answer in answers for group in answer.groups)

    async def until_committed(self, deadline_s: float = 40.0) -> None:
        """Wait until everything that was sent is committed."""
        wanted = {number: len(sent) for number, sent in self.sent.items() if sent}
        await until(lambda: self._covers(wanted), deadline_s, f"committed: {wanted}")

    async def _covers(self, wanted: dict[int, int]) -> bool:
        committed = await self.committed()
        return all(committed.get(number, 0) >= offset for number, offset in wanted.items())

    async def assert_exact(self) -> None:
        """Outputs without repeats are what a plain loop makes of the input, in order; the changelog ends like it."""
        for partition, sent in self.sent.items():
            expected, totals = plain_loop(enumerate(sent))
            assert first_occurrences(await self.read("out", partition)) == expected
            assert newest_states(await self.read("changelog", partition)) == totals


def plain_loop(
    records: Iterable[tuple[int, tuple[bytes, bytes]]],
) -> tuple[list[tuple[int, bytes, int]], dict[bytes, int]]:
    """Return the outputs (sequence, key, sum) that records of given offsets must cause, and the sums in the end."""
    outputs = []
    totals: dict[bytes, int] = defaultdict(int)
    for seq, (key, value) in records:
        if value.isdigit():
            totals[key] += int(value)
            outputs.append((seq, key, totals[key]))
    return outputs, dict(totals)


def first_occurrences(records: Iterable[Record]) -> list[tuple[int, bytes, int]]:
    """Return (sequence, key, sum) as a reader sees them that skips sequences at or below the last one."""
    outputs: list[tuple[int, bytes, int]] = []
    for record in records:
        seq = int(dict(record.headers)["plaudit-seq"])
        if not outputs or seq > outputs[-1][0]:
            outputs.append((seq, record.key or b"", int(record.value or b"")))
    return outputs


def newest_states(records: Iterable[Record]) -> dict[bytes, int]:
    """Return the sums of a changelog that was compacted: of each key the last record, whatever its sequence."""
    last = {record.key: record.value for record in records if record.key and not record.key.startswith(b"\0")}
    states = {
        key: (sequence_of(value), msgspec.msgpack.decode(value[8:], type=State)) for key, value in last.items() if value
    }
    assert all(seq == state.last for seq, state in states.values())
    return {key: state.total for key, (_, state) in states.items()}


__all__ = ["PARTITIONS", "SUMS", "Deployment", "first_occurrences", "plain_loop"]
