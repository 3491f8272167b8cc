"""The broker is killed under working workers, which wait for it and go on by themselves."""

import time

import pytest

from tests.recordbatch.deployment import Deployment
from tests.stack import Kafka
from tests.wait import until

AWAY_S = 15.0
STOPPED_S = 15.0


def _reaches(runs: list[list[int]], offset: int) -> bool:
    return any(last >= offset for _, _, last, _ in runs)


async def passed(seconds: float) -> None:
    """Wait until an outage has lasted so long: longer than the session timeout, shorter than the client's patience."""
    end = time.monotonic() + seconds
    await until(lambda: time.monotonic() >= end, seconds + 5, "the outage is over")


@pytest.mark.timeout(150)
async def test_workers_outlive_their_broker(stage: Deployment, kafka: Kafka) -> None:
    """None is restarted, and all sums are exact."""
    hold = stage.folder / "hold"
    workers = [stage.start("one", hold=str(hold)), stage.start("two", hold=str(hold))]
    await until(lambda: all(stage.noted(worker, "opened") for worker in workers), 40, "each has a partition")
    await stage.send_numbers(100)
    await stage.until_committed()
    hold.touch()
    await stage.send_numbers(200)
    await until(lambda: all(_reaches(stage.noted(worker, "run"), 100) for worker in workers), 40, "each is in a run")

    kafka.kill()
    hold.unlink()
    await passed(AWAY_S)
    kafka.start()

    await stage.send_numbers(100)
    await stage.until_committed(80)
    assert [worker.exit_code for worker in workers] == [None, None]
    await stage.assert_exact()


async def test_a_worker_stops_although_its_broker_is_away(stage: Deployment, kafka: Kafka) -> None:
    """Whoever stops it must not wait for the broker; what it could not finish is done by the next."""
    await stage.send_numbers(100)
    worker = stage.start()
    await stage.until_committed()

    kafka.kill()
    worker.ask_to_stop()
    ended = worker.wait(STOPPED_S)
    kafka.start()

    assert ended
    assert worker.exit_code == 0, worker.tail()
    stage.start()
    await stage.send_numbers(50)
    await stage.until_committed()
    await stage.assert_exact()


async def test_a_worker_may_start_before_its_broker(stage: Deployment, kafka: Kafka) -> None:
    """A machine that starts everything at once has no order."""
    await stage.send_numbers(50)
    kafka.kill()
    worker = stage.start()
    await until(lambda: worker.exit_code is not None or "broker" in stage.log(), 40, "the worker finds no broker")
    kafka.start()

    await stage.until_committed(60)

    assert worker.exit_code is None
    await stage.assert_exact()
