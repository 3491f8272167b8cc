"""Looking after workers, played by small programs."""

import http.client
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.embedded.processes import ChildDied, Household
from pipeline.embedded.workers import Workers
from pipeline.settings import child_environment
from tests.wait import until_sync

READY = """
import http.server, os
class Views(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["PLAUDIT_WORKER"].encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["PLAUDIT_WEB_PORT"])), Views).serve_forever()
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
FAILING = "import sys; sys.exit('no table today')"


@pytest.fixture
def household() -> Iterator[Household]:
    """Processes of this test's own."""
    with Household() as own:
        yield own


def workers(household: Household, program: str, stages: Sequence[str] = ("match",), each: int = 1) -> Workers:
    """Return workers that run a Python program instead."""
    return Workers(household, stages, each, child_environment({}), lambda _: (sys.executable, "-I", "-c", program))


def test_a_worker_that_does_not_start_is_shown_with_its_last_words(household: Household) -> None:
    """What the user needs is in the worker's own output."""
    failing = workers(household, FAILING)
    failing.start()

    with pytest.raises(ChildDied, match=r"(?s)worker match-1 ended with code 1.*no table today"):
        failing.wait(within_s=20)


def test_a_worker_that_ends_is_started_again_and_said_so(household: Household) -> None:
    """A crash costs a moment, not the stage."""
    said: list[str] = []
    both = workers(household, READY, stages=("match", "ledger"))
    both.start()
    both.wait(within_s=20)
    first = both.all[0].child
    assert first is not None

    first.kill()
    both.look_after(said.append)
    until_sync(lambda: looked_after(both, said) and both.all[0].child is not first, 20, "it is started again")
    both.wait(within_s=20)

    assert len(said) == 1
    assert "worker match-1 ended with code -9" in said[0]
    assert "started again in 1 s" in said[0]
    assert both.all[1].child is not None
    assert both.all[1].child.exit_code is None


def test_a_worker_that_fails_again_and_again_is_tried_less_often(household: Household) -> None:
    """A defect must not keep the machine busy."""
    said: list[str] = []
    failing = workers(household, FAILING)
    failing.start()

    until_sync(lambda: looked_after(failing, said) and len(said) == 2, 30, "it has failed twice")

    assert ["again in 1 s" in said[0], "again in 2 s" in said[1]] == [True, True]


def test_workers_are_told_apart(household: Household) -> None:
    """Each has a name and a port of its own, the same after a restart."""
    three = workers(household, READY, each=3)
    three.start()
    three.wait(within_s=20)

    names = [asked_for_its_name(worker.port) for worker in three.all]

    assert names == ["match-1", "match-2", "match-3"]


def test_workers_are_told_where_the_others_are(household: Household) -> None:
    """One stage's workers may ask another's."""
    program = "import os; print('asks', os.environ['PLAUDIT_WEB_MATCH'], os.environ['PLAUDIT_WEB_LEDGER'], flush=True)"
    both = workers(household, program, stages=("match", "ledger"), each=2)

    both.start()

    first, second, third, fourth = both.all
    children = [worker.child for worker in both.all if worker.child is not None]
    said = f"asks {first.url},{second.url} {third.url},{fourth.url}"
    until_sync(lambda: all(said in child.tail() for child in children), 20, "each says where the others are")


def test_a_worker_that_does_not_stop_is_killed(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping is bounded."""
    monkeypatch.setattr("pipeline.embedded.workers._STOP_S", 0.5)
    deaf = workers(household, DEAF)
    deaf.start()
    child = deaf.all[0].child
    assert child is not None
    until_sync(lambda: "deaf" in child.tail(), 20, "it does not listen to signals")

    deaf.stop()

    assert child.exit_code == -9


def test_output_goes_to_a_file_of_its_own(household: Household) -> None:
    """The logs are where the documentation says."""
    failing = workers(household, FAILING)
    failing.start()
    child = failing.all[0].child
    assert child is not None
    child.wait(20)

    assert Path(household.folder / "logs" / "match-1.log").read_text().strip() == "no table today"


def looked_after(some: Workers, said: list[str]) -> bool:
    """Look after the workers once, as the stack does all the time."""
    some.look_after(said.append)
    return True


def asked_for_its_name(port: int) -> str:
    """Return what the worker at that port calls itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
