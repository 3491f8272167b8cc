"""Workers come, go and fail; what they leave behind is enough for the next."""

import shutil
import signal
from pathlib import Path

from pipeline.recordbatch.app import BatchApp, WorkerOptions
from pipeline.recordbatch.model import StageCore
from pipeline.recordbatch.runtime import WorkerRuntime
from tests.recordbatch.deployment import Deployment, first_occurrences
from tests.wait import until

STOPPED_S = 10.0


async def test_a_worker_that_has_not_connected_yet_says_that_it_is_not_ready(tmp_path: Path) -> None:
    """Its web server answers before its consumer has begun."""
    options = WorkerOptions(stage="s", app_id="s", broker="127.0.0.1:1", source="s", folder=tmp_path)

    app = BatchApp(options, StageCore())

    reasons = WorkerRuntime(app, partitions=1).unready()

    app.consumer._thread.thread_loop.close()  # made with the app, and closed by a thread that never began
    assert "no broker answers" in reasons


async def test_a_stopped_worker_goes_on_from_its_disk(stage: Deployment) -> None:
    """It ends cleanly and at once, has committed everything, and reads nothing of the changelog again but its fence."""
    await stage.send_numbers(200)
    worker = stage.start()
    await stage.until_committed()

    worker.ask_to_stop()

    assert worker.wait(STOPPED_S)
    assert worker.exit_code == 0, worker.tail()

    again = stage.start()
    await stage.send_numbers(100)
    await stage.until_committed()

    assert sorted(stage.noted(again, "opened")) == [[0, 1], [1, 1]]
    assert {first for _, first, _, _ in stage.noted(again, "run")} >= {200}
    assert min(first for _, first, _, _ in stage.noted(again, "run")) == 200
    await stage.assert_exact()


async def test_a_worker_with_an_empty_disk_recovers_from_the_changelog(stage: Deployment) -> None:
    """A machine that is lost takes nothing with it."""
    await stage.send_numbers(200)
    worker = stage.start()
    await stage.until_committed()
    worker.stop(STOPPED_S)
    shutil.rmtree(stage.folder / "one")

    again = stage.start()
    await stage.send_numbers(100)
    await stage.until_committed()

    assert all(target > 1 for _, target in stage.noted(again, "opened"))
    await stage.assert_exact()


async def test_what_retention_removed_unread_is_not_passed_over_in_silence(stage: Deployment) -> None:
    """A worker that was away for too long says how much it has lost, and goes on with what is left."""
    await stage.send_numbers(20)
    worker = stage.start()
    await stage.until_committed()
    worker.stop(STOPPED_S)
    await stage.send_numbers(20)
    await stage.expire(before=30)

    again = stage.start()
    await stage.until_committed()

    assert {first for _, first, _, _ in stage.noted(again, "run")} == {30}
    (line, _) = [line for line in stage.log().splitlines() if "removed records that were not read" in line]
    assert "committed=20" in line
    assert "begin=30" in line


async def test_a_rebalance_in_the_middle_of_a_run_costs_nothing(stage: Deployment) -> None:
    """A second worker joins while the first is held in a run, and leaves again while it is held itself."""
    hold = stage.folder / "hold"
    hold.touch()
    await stage.send_numbers(300)
    first = stage.start("one", hold=str(hold))
    await until(lambda: len(stage.noted(first, "run")) >= 2, 40, "the first worker is in a run of each partition")

    second = stage.start("two", hold=str(hold))
    await until(stage.rebalancing, 40, "the group waits for the first worker's runs")
    hold.unlink()
    await until(lambda: stage.noted(second, "opened"), 40, "the second worker has a partition")
    await stage.until_committed()

    hold.touch()
    await stage.send_numbers(300)
    await until(lambda: len(stage.noted(second, "run")) >= 1, 40, "the second worker is in a run")
    second.ask_to_stop()
    hold.unlink()

    assert second.wait(STOPPED_S)
    assert second.exit_code == 0
    await stage.until_committed()
    await stage.assert_exact()


async def test_a_worker_that_stops_in_a_rebalance_storm_loses_nothing(stage: Deployment) -> None:
    """Workers join and leave while others are still recovering."""
    await stage.send_numbers(500)
    stage.start("one", records_max=20)
    second = stage.start("two", records_max=20)
    third = stage.start("three", records_max=20)
    await until(lambda: stage.journal.exists() and "run" in stage.journal.read_text(), 40, "somebody works")
    # Before it logs anything it is still importing, and a signal ends it as any program.
    await until(lambda: stage.log("three") != "", 40, "the third worker has begun")

    second.kill()
    third.ask_to_stop()
    await stage.send_numbers(100)

    assert third.wait(STOPPED_S)
    assert third.exit_code == 0, third.tail()
    await stage.until_committed()
    await stage.assert_exact()


async def test_a_worker_stops_although_its_sink_is_away(stage: Deployment) -> None:
    """It breaks off what it can't finish, and the next one does it again."""
    away = stage.folder / "away"
    away.touch()
    await stage.send_numbers(100)
    worker = stage.start(sink_away=str(away))
    await until(lambda: "waiting for something outside" in stage.log(), 40, "the worker waits for its sink")

    worker.ask_to_stop()

    assert worker.wait(STOPPED_S)
    assert worker.exit_code == 0, worker.tail()
    assert await stage.committed() == {}

    away.unlink()
    stage.start(sink_away=str(away))
    await stage.until_committed()
    await stage.assert_exact()


async def test_a_defect_stops_the_worker_and_passes_nothing_over(stage: Deployment) -> None:
    """The run, and those behind it, stay unfinished: neither acknowledged nor in the state."""
    await stage.send_numbers(100)
    await stage.send(0, [(b"acme|ada", b"defect")])
    await stage.send(0, [(b"acme|ada", b"5")] * 300)
    worker = stage.start()

    await until(lambda: worker.exit_code is not None, 40, "the worker stops")

    assert worker.exit_code == 1
    assert "the stage has a defect" in stage.log()
    assert (await stage.committed()).get(0, 0) <= 100
    assert all(seq < 100 for seq, _, _ in first_occurrences(await stage.read("out", 0)))


async def test_a_bad_record_leaves_its_neighbours_alone(stage: Deployment) -> None:
    """It is refused by itself, with its sequence."""
    await stage.send(0, [(b"acme|ada", b"1"), (b"acme|ada", b"\xff not a number"), (b"acme|ada", b"2")])
    await stage.send_numbers(20)
    stage.start()
    await stage.until_committed()

    refused = await stage.read("refused", 0)

    assert [(record.value, dict(record.headers)["plaudit-seq"]) for record in refused] == [(b"\xff not a number", b"1")]
    await stage.assert_exact()


async def test_runs_keep_to_their_bounds(stage: Deployment) -> None:
    """In records and in bytes; one record always fits."""
    await stage.send(0, [(b"acme|ada", b"0" * size) for size in (10, 3_000, 10, 10)])
    await stage.send_numbers(100)
    worker = stage.start(records_max=30, bytes_max=1_000)
    await stage.until_committed()

    sizes = [(first, last, size) for _, first, last, size in stage.noted(worker, "run")]

    assert (1, 1, 1) in sizes
    assert max(size for _, _, size in sizes) <= 30
    await stage.assert_exact()


async def test_gaps_between_offsets_are_committed(stage: Deployment) -> None:
    """A transactional producer leaves markers, which nobody gets and which end the log."""
    await stage.send_in_transactions(0, count=60, size=7)
    stage.start()
    # 60 records and the markers of 9 transactions; the last record is at 67, and its marker is never seen.
    await until(lambda: _committed(stage, 0, 68), 40, "everything is committed")

    outputs = first_occurrences(await stage.read("out", 0))

    assert [total for _, _, total in outputs] == [sum(range(n + 1)) for n in range(60)]
    assert [seq for seq, _, _ in outputs] == [n + n // 7 for n in range(60)]


async def _committed(stage: Deployment, partition: int, offset: int) -> bool:
    return (await stage.committed()).get(partition) == offset


async def test_a_worker_that_is_killed_and_not_restarted_is_replaced(stage: Deployment) -> None:
    """Its partitions move after the session timeout; the next owner recovers them from the changelog."""
    await stage.send_numbers(200)
    first = stage.start("one", records_max=20)
    await until(lambda: len(stage.noted(first, "run")) >= 4, 40, "the first worker works")
    stage.start("two")

    first.kill()
    assert first.exit_code == -signal.SIGKILL
    await stage.send_numbers(50)

    await stage.until_committed()
    await stage.assert_exact()
