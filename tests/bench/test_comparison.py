"""A measurement of wrong results is none: whatever a contender counts differently from the model is named."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from bench.contender import differences
from bench.peer import Peer
from bench.processes import StolenTime
from bench.race import OpenLoop, Result, Round, ratio
from bench.stand import Stand
from bench.workload import Expected, Workload
from bench.yardstick import Yardstick
from tests.wait import until_sync

WORK = Workload(events=200, actors=10)


@pytest.fixture
def expected() -> Expected:
    """What the workload leads to."""
    return WORK.expected()


def test_the_same_result_has_no_differences(expected: Expected) -> None:
    """Zeros may be there or not."""
    boards = {**expected.boards, ("tenant-0", "daily", "2026-03-02", "nobody"): 0}

    assert differences(expected, expected.balances, boards, expected.transfers) == []


def test_every_kind_of_difference_is_named(expected: Expected) -> None:
    """One point too many, an actor too few, a row too many."""
    balances, boards = dict(expected.balances), dict(expected.boards)
    balance, score = next(iter(balances)), next(iter(boards))
    balances[balance] += 1
    wanted = boards.pop(score)

    found = differences(expected, balances, boards, expected.transfers + 1)

    assert found == [
        f"transfers: {expected.transfers + 1}, expected {expected.transfers}",
        f"balance {' '.join(balance)}: {balances[balance]}, expected {balances[balance] - 1}",
        f"board {' '.join(score)}: 0, expected {wanted}",
    ]


def test_many_differences_are_counted(expected: Expected) -> None:
    """Not hundreds of lines."""
    found = differences(expected, {}, expected.boards, expected.transfers)

    assert len(found) == 6
    assert found[-1] == f"… {len(expected.balances)} balance entries differ"


class Idle(Peer):
    """A peer that does nothing; the test leaves in the database and in the file what it should have done."""

    name = "idle peer"

    def command(self) -> list[str]:
        return [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Servers without Java."""
    with Stand("embedded") as servers:
        yield servers


def leave(peer: Idle, expected: Expected, file: Path) -> None:
    """Write a right result where the bench looks for it."""
    with psycopg.connect(peer.database) as connection, connection.cursor() as cursor:
        rows = [(*key, balance) for key, balance in expected.balances.items()]
        cursor.executemany("INSERT INTO balances VALUES (%s, %s, %s, %s)", rows)
        cursor.execute(
            "INSERT INTO transfers SELECT now(), now(), 1, 0, 't', 'a', 'xp', 's', n::text, 'x', 'c' "
            "FROM generate_series(1, %s) AS n",
            (expected.transfers,),
        )
    file.write_text("".join(json.dumps([*key, score]) + "\n" for key, score in expected.boards.items()))


@pytest.mark.parametrize(
    ("spoil", "refused"),
    [
        ("SELECT 1", 0),
        ("UPDATE balances SET balance = balance + 1 WHERE actor = 'actor-0' AND currency = 'xp'", 1),
        ("DELETE FROM transfers WHERE event_id = '1'", 1),
    ],
)
def test_what_a_peer_left_is_held_against_the_model(stand: Stand, expected: Expected, spoil: str, refused: int) -> None:
    """Its database and its boards are read, and a single wrong balance or missing row is enough."""
    peer = Idle(stand, WORK, suffix=str(abs(hash(spoil))))
    peer.start()
    until_sync(lambda: not peer.died(), 10, "the peer runs")
    leave(peer, expected, peer.boards_file)
    with psycopg.connect(peer.database) as connection:
        connection.execute(spoil.encode())

    found = peer.stop_and_compare(expected)

    assert len(found) == refused, found


def test_a_ratio_compares_turns_of_the_same_round() -> None:
    """A host that is twice as slow in one round spoils both turns of it, and no ratio."""
    stick = Yardstick(1, 1, 1)

    def result(*cpu: float) -> Result:
        return Result("x", [Round(1_000, 1.0, {"x": each}, {}, 0.0, stick) for each in cpu])

    assert ratio(result(1.0, 2.0, 1.0), result(3.0, 6.0, 3.0)) == 3.0


def test_a_latency_is_the_middle_one_of_the_turns() -> None:
    """A turn in which the host stood still spoils no figure, and neither does a lucky one make it."""
    stick = Yardstick(1, 1, 1)
    turns = [OpenLoop([quick, slow], 0.0, stick) for quick, slow in ((0.1, 0.2), (0.3, 9.0), (0.2, 0.2))]
    result = Result("x", open_loops=turns)

    assert (result.latency(0.0), result.latency(0.99)) == (0.2, 0.2)


def test_stolen_time_is_a_share() -> None:
    """Of the whole machine, over the time in which it was measured."""
    with StolenTime() as stolen:
        until_sync(lambda: sum(psutil.cpu_times()) > sum(stolen.before) + 0.1, 10, "some time passes")

    assert 0.0 <= stolen.share <= 1.0
