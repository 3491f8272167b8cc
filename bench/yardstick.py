"""What a few fixed primitives cost on this host at this moment, and how its Python was built.

The speed of shared hosts changes by a factor of two within minutes. A figure without its yardstick says little.
"""

import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from statistics import median

import msgspec
from rocksdict import Rdict

from bench.workload import Workload
from pipeline.events import Event

_REPEATS = 5
_DECODES = 4_000
_KEYS = 200
_READS = 20
_LOOP = 200_000


@dataclass(frozen=True)
class Yardstick:
    """Microseconds: one event decoded with msgspec, one key of a RocksDB multi-get, 1,000 turns of a Python loop."""

    decode: float
    read: float
    loop: float

    def __str__(self) -> str:
        return f"decode {self.decode:.2f} µs, multi-get {self.read:.2f} µs a key, 1,000 loop turns {self.loop:.0f} µs"


def measure() -> Yardstick:
    """Measure; takes about a fifth of a second. The best of a few repeats, as what disturbs only slows down."""
    decoder = msgspec.json.Decoder(Event)
    _, value = next(Workload(events=1).actions()).record()

    def decode() -> None:
        for _ in range(_DECODES):
            decoder.decode(value)

    keys: list[str | int | float | bytes | bool] = [b"tenant-1|actor-%d" % n for n in range(_KEYS)]
    with tempfile.TemporaryDirectory() as folder:
        database = Rdict(folder)
        for key in keys:
            database[key] = bytes(300)

        def read() -> None:
            for _ in range(_READS):
                database.get(keys)

        found = Yardstick(
            decode=_best(decode) / _DECODES * 1e6,
            read=_best(read) / (_READS * _KEYS) * 1e6,
            loop=_best(_turn) / _LOOP * 1e9,
        )
        database.close()
    return found


def middle(found: list[Yardstick]) -> Yardstick:
    """Return the medians."""
    decode, read, loop = (median(values) for values in zip(*map(astuple, found), strict=True))
    return Yardstick(decode, read, loop)


def python_build() -> str:
    """Return how this Python was built: profile-guided builds are up to a third faster."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimised = "--enable-optimizations" in arguments
    return "profile-guided build" if optimised else "built without profile-guided optimisation"


def _turn() -> None:
    total = 0
    for number in range(_LOOP):
        total += number & 7


def _best(run: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best
