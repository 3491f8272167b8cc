"""P6: how long a worker with an empty disk needs until it has its profiles again, beside Kafka Streams.

Match makes the profiles, one event an actor. Kafka Streams gets the same keys and values into a store with a changelog.
Then both start on an empty disk; the clock runs from the start of the process until it says that it is ready.
"""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import yardstick
from bench.feed import Piece, burst
from bench.peer import KafkaStreamsStore
from bench.product import Product
from bench.stand import Stand
from bench.workload import Workload
from pipeline.events import APPENDED_HEADER, SEQ_HEADER
from pipeline.partitioner import partitioner
from pipeline.recordbatch.model import Output
from pipeline.topology import EVENTS_UNIQUE, MATCH, PROFILES, changelog_name, topic_name
from tests.end_to_end.deployment import PARTITIONS
from tests.wait import until_sync

_PREFIX = "recovery."
_READY_S = 600.0

Report = Callable[[str], None]


def measure(stand: Stand, profiles: int, rounds: int, report: Report) -> dict[str, Any]:
    """Return the seconds of both, round by round, in turns."""
    product = Product(stand, Workload(events=profiles, actors=profiles), _PREFIX)
    product.prepare()
    _make_profiles(stand, product, profiles)
    changelog = stand.compacted(changelog_name(_PREFIX, MATCH, PROFILES))
    held = sum(len(value) for value in changelog.values())
    report(f"recovery: {len(changelog):,} entries of {held / len(changelog):.0f} bytes")
    store = KafkaStreamsStore(stand)
    store.fill(changelog)
    found = []
    for _ in range(rounds):
        stick = yardstick.measure()
        ours, theirs = _recovery(product), store.recovery()
        found.append({"plaudit": ours, "Kafka Streams": theirs, "yardstick_loop": stick.loop})
        report(f"recovery: {ours:.1f} s, Kafka Streams {theirs:.1f} s")
    return {"profiles": len(changelog), "bytes": held / len(changelog), "rounds": found}


def _make_profiles(stand: Stand, product: Product, profiles: int) -> None:
    """Let match judge one event of each actor."""
    partition_of = partitioner(PARTITIONS)
    offsets = [0] * PARTITIONS
    appended = str(int(time.time() * 1000)).encode()
    piece = Piece()
    for number, action in enumerate(Workload(events=profiles, actors=1).actions()):
        _, value = action.record()
        value = value.replace(b'"actor-0"', b'"actor-%d"' % number)
        key = b"%s|actor-%d" % (action.tenant.encode(), number)
        partition = partition_of(key)
        headers = ((SEQ_HEADER, b"%d" % offsets[partition]), (APPENDED_HEADER, appended))
        offsets[partition] += 1
        piece.records.append((partition, Output(key, value, headers)))
    asyncio.run(burst(stand.broker, topic_name(_PREFIX, EVENTS_UNIQUE), piece))
    product.deployment.start(MATCH.name)
    until_sync(lambda: product.deployment.waiting_records(MATCH.name) == 0, _READY_S, "match is done")
    product.deployment.stop(MATCH.name)


def _recovery(product: Product) -> float:
    """Return the seconds from the start of a worker of match on an empty disk until it is ready."""
    shutil.rmtree(Path(product.deployment.environment["PLAUDIT_DATA"]))
    start = time.perf_counter()
    product.deployment.start(MATCH.name)
    until_sync(lambda: product.deployment.unready(MATCH.name) == [], _READY_S, "match is ready")
    seconds = time.perf_counter() - start
    product.deployment.stop(MATCH.name)
    return seconds
