"""Whatever goes wrong, all is as it must be afterwards; and where a rule of the guarantee is missing, it is not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.simulation import faults
from tests.simulation.mutations import (
    MUTATIONS,
    plain_mark_for_the_seen_identity,
    state_before_outputs_of_dedupe,
)
from tests.simulation.replaced import Mutation, replaced
from tests.simulation.run import Outcome, simulate

# `make simulate` runs any number of others.
_CHUNK = 40
_CHUNKS = 10
# A rule that is missing shows in one seed of three, or of two hundred: it takes the right faults in the right order.
_SEEDS_MAX = 1_000
_ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """Give other tests their logs back."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_all_is_as_it_must_be_whatever_goes_wrong(chunk: int) -> None:
    """Ledger, profiles, limits, boards, outcomes, dead letters: what a loop over the distinct events says."""
    for seed in range(chunk * _CHUNK, (chunk + 1) * _CHUNK):
        outcome = simulate(seed)
        assert not outcome.differences, outcome.report()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_missing_rule_is_noticed(mutation: Mutation) -> None:
    """Each rule carries weight, and the simulator sees when it doesn't."""
    with mutation():
        assert _first_failure(_SEEDS_MAX) is not None


@pytest.mark.timeout(400)
def test_the_sequence_beside_the_identity_keeps_events_even_if_their_forwarding_failed() -> None:
    """Dedupe could write its state first; with a plain mark, an event whose forwarding failed would then be lost.

    In a run that spans more than dedupe remembers, an identity that comes again takes the place of its first sequence:
    so no month passes here, and outputs do go first in the product.
    """
    with state_before_outputs_of_dedupe(), replaced((faults, "MONTH_MS", 0)):
        with_sequence = _first_failure(2 * _CHUNK)
        with plain_mark_for_the_seen_identity():
            with_mark = _first_failure(_SEEDS_MAX, about="events.unique")

    assert with_sequence is None, with_sequence.report()
    assert with_mark is not None


def test_a_failure_tells_what_went_wrong_and_how_to_see_it_again() -> None:
    """Somebody has to find the cause from it."""
    with MUTATIONS[0]():
        failed = _first_failure(_SEEDS_MAX)

    assert failed is not None
    report = failed.report()
    assert report.startswith(f"seed {failed.seed}, ")
    assert any(word in report for word in ("killed", "stopped"))
    assert f"- {failed.differences[0]}" in report
    assert report.endswith(f"make simulate SEED={failed.seed}")


@pytest.mark.parametrize("hashes", ["1", "2"])
def test_a_seed_is_the_same_run_in_every_process(hashes: str) -> None:
    """Nothing in it depends on a wall clock, threads, addresses, or the order of sets."""
    here = [simulate(seed, fingerprint=True).digest for seed in (3, 4, 5)]

    digests = "[simulate(seed, fingerprint=True).digest for seed in (3, 4, 5)]"
    program = f"from tests.simulation.run import simulate; print({digests})"
    there = subprocess.run(
        [sys.executable, "-c", program],
        cwd=_ROOT,
        env={"PYTHONHASHSEED": hashes, "PYTHONPATH": str(_ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert there.stdout.strip() == str(here)


def _first_failure(seeds_max: int, about: str = "") -> Outcome | None:
    """Return the first seed in which something is wrong, or something of `about`."""
    outcomes = (simulate(seed) for seed in range(seeds_max))
    return next((each for each in outcomes if any(about in difference for difference in each.differences)), None)
