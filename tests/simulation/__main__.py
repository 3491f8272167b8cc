"""Runs seeds on all cores, or one again: `make simulate SEEDS=10000`, `make simulate SEED=42`."""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.mutations import MUTATIONS, whole
from tests.simulation.replaced import Mutation
from tests.simulation.run import Outcome, simulate

_CHUNK = 20
_SHOWN = 3  # failed seeds whose trace is printed; the numbers of the others are enough
_SEEDS_END = 1 << 31


def main() -> int:
    """Return 0 if every seed came out as it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many (default: 2000)")
    parser.add_argument("--first", type=int, help="the first of them (default: drawn anew each time)")
    parser.add_argument("--seed", type=int, help="one alone, with its trace")
    names = [each.__name__ for each in MUTATIONS]
    parser.add_argument("--without", choices=names, help="take a rule out, to see the simulator notice")
    options = parser.parse_args()
    if options.seed is not None:
        with _mutation(options.without)():
            outcome = simulate(options.seed, fingerprint=True)
        print(outcome.report())
        return 1 if outcome.differences else 0
    first = secrets.randbelow(_SEEDS_END) if options.first is None else options.first
    return _many(first, options.seeds, options.without)


def _many(first: int, seeds: int, without: str | None) -> int:
    print(f"seeds {first} to {first + seeds - 1}", flush=True)
    begun, failed, done = time.monotonic(), 0, 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        chunks = [range(start, min(start + _CHUNK, first + seeds)) for start in range(first, first + seeds, _CHUNK)]
        for chunk, outcomes in zip(chunks, pool.map(_failures, chunks, [without] * len(chunks)), strict=True):
            done += len(chunk)
            for outcome in outcomes:
                failed += 1
                print(outcome.report() if failed <= _SHOWN else f"seed {outcome.seed}", flush=True)
            if sys.stderr.isatty():
                print(f"\r{done} of {seeds}", end="", file=sys.stderr)
    seconds = time.monotonic() - begun
    print(f"{done} seeds in {seconds:.0f} s, {seconds / done * 1000:.0f} ms each: {failed or 'none'} failed")
    return 1 if failed else 0


def _failures(seeds: range, without: str | None) -> list[Outcome]:
    with _mutation(without)():
        return list(_failing(seeds))


def _failing(seeds: range) -> Iterator[Outcome]:
    for seed in seeds:
        outcome = simulate(seed)
        if outcome.differences:
            yield outcome


def _mutation(name: str | None) -> Mutation:
    return next((each for each in MUTATIONS if each.__name__ == name), whole)


if __name__ == "__main__":
    sys.exit(main())
