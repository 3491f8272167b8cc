"""Workers that slept through the loss of their partitions."""

import os
import signal

from tests.recordbatch.deployment import PARTITIONS, Deployment
from tests.wait import until


async def test_a_worker_that_slept_in_a_run_is_fenced(stage: Deployment) -> None:
    """It goes on with its run beside the new owner: nothing of it counts, and afterwards it is a worker like others."""
    hold = stage.folder / "hold"
    hold.touch()
    await stage.send_numbers(200)
    zombie = stage.start("one", hold=str(hold))
    await until(lambda: len(stage.noted(zombie, "run")) >= 2, 40, "it is in a run of each partition")

    os.kill(zombie.pid, signal.SIGSTOP)
    stage.start("two")
    await stage.until_committed()
    hold.unlink()
    os.kill(zombie.pid, signal.SIGCONT)

    await until(lambda: "fenced" in stage.log("one"), 40, "the zombie finds out")
    await until(lambda: len(stage.noted(zombie, "opened")) >= 3, 40, "the zombie is given a partition again")
    await stage.send_numbers(100)
    await stage.until_committed()
    await stage.assert_exact()


async def test_a_worker_that_slept_while_idle_recovers_before_it_goes_on(stage: Deployment) -> None:
    """Its state is older than what is committed: outputs computed from it would be wrong before any fence is met.

    It may also be given records before it knows. What it computes from them repeats what is there, since they are next
    to its state, and then it meets the fence, which has it recover, too.
    """
    await stage.send_numbers(100)
    sleeper = stage.start("one")
    await stage.until_committed()

    os.kill(sleeper.pid, signal.SIGSTOP)
    other = stage.start("two")
    # By then the broker has answered the sleeper's last fetch, with nothing.
    await until(lambda: len(stage.noted(other, "opened")) >= PARTITIONS, 40, "the other one has the partitions")
    await stage.send_numbers(100)
    await stage.until_committed()
    # Killed, so that the partitions come back to the sleeper, which has never been told that they were away.
    other.kill()
    os.kill(sleeper.pid, signal.SIGCONT)
    await stage.send_numbers(100)

    await stage.until_committed()
    for partition in range(PARTITIONS):
        recovered = [target for number, target in stage.noted(sleeper, "opened") if number == partition]
        assert len(recovered) >= 2
        assert recovered[-1] > 2  # more than the fences of both: what the other one wrote
    await stage.assert_exact()


async def test_an_idle_zombie_stops_answering_for_its_partitions(stage: Deployment) -> None:
    """Its own look at the changelog tells it, even while no record comes."""
    await stage.send_numbers(50)
    zombie = stage.start("one", sole_writer_check_s=0.5)
    await stage.until_committed()

    os.kill(zombie.pid, signal.SIGSTOP)
    stage.start("two")
    await stage.send_numbers(50)
    await stage.until_committed()
    os.kill(zombie.pid, signal.SIGCONT)

    await until(lambda: len(stage.noted(zombie, "closed")) >= 2, 40, "it gives up both partitions")
    await stage.send_numbers(50)
    await stage.until_committed()
    await stage.assert_exact()
