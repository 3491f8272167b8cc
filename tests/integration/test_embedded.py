"""The embedded servers: readiness, failures, and that nothing of them is left behind, however their parent ends."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pipeline.embedded import processes
from pipeline.embedded.accounts import can_reach
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.postgres import EmbeddedPostgres, server_programs
from pipeline.embedded.probes import database_answers
from pipeline.embedded.processes import ChildDied, Household
from pipeline.errors import UserError
from tests.stack import Postgres
from tests.wait import until_sync

SCRIPT = Path(__file__).with_name("run_servers.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process that holds a broker, a database and a busy connection."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    with process:
        yield process
        process.kill()


def family(pid: int) -> list[psutil.Process]:
    """Return all descendants of a process: the janitor, the servers and their own children."""
    return psutil.Process(pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    """Return whether none of these processes runs."""
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_is_left_behind(parent: subprocess.Popen[str], number: signal.Signals) -> None:
    """Processes, also a busy one of the database, and the folder end with the parent."""
    assert parent.stdout is not None
    folder = Path(parent.stdout.readline().strip())
    descendants = family(parent.pid)
    assert {"tansu", "postgres"} <= {process.name().split("-")[0] for process in descendants}

    parent.send_signal(number)

    assert parent.wait(30) == (-number if number == signal.SIGKILL else 128 + number)
    until_sync(lambda: gone(descendants), 20, "all processes have ended")
    until_sync(lambda: not folder.exists(), 20, "the folder is removed")


def test_nothing_is_left_behind_when_parent_and_janitor_are_killed(parent: subprocess.Popen[str]) -> None:
    """The kernel's own net ends the processes; the folder has nobody left to remove it."""
    if sys.platform != "linux":
        # PR_SET_PDEATHSIG is Linux alone: elsewhere the janitor is the only net, and the test above shows it.
        pytest.skip("only Linux signals children at their parent's death")
    assert parent.stdout is not None
    folder = Path(parent.stdout.readline().strip())
    descendants = family(parent.pid)

    for process in descendants:
        if any("janitor" in word for word in process.cmdline()):
            process.kill()
    parent.kill()

    until_sync(lambda: gone(descendants), 20, "all processes have ended")
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_a_port_in_use_is_said_in_the_servers_words(household: Household) -> None:
    """Whoever asks for a port that is taken learns so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = EmbeddedBroker(household, port=taken.getsockname()[1])
        broker.start()

        with pytest.raises(ChildDied, match=r"(?s)broker ended with code .*Address.*in use"):
            broker.wait()


def test_a_free_port_that_was_just_taken_is_replaced(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between finding a port and listening on it another process may be faster."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1]])
        real = EmbeddedBroker.start.__globals__["free_port"]
        monkeypatch.setattr("pipeline.embedded.broker.free_port", lambda: next(ports, 0) or real())
        broker = EmbeddedBroker(household)
        broker.start()

        broker.wait()

        assert broker.address != f"127.0.0.1:{taken.getsockname()[1]}"
    broker.kill()


def test_the_database_lets_nobody_in_without_the_password(postgres: Postgres) -> None:
    """Every user of the machine can reach a loopback port."""
    url = postgres.empty_database()
    without = url.replace(url.split(":")[2].split("@")[0], "guess")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(without)

    assert database_answers(url)


def test_data_that_is_kept_outlives_the_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A second stack on the same folder finds the tables, and the same password opens them."""
    folder = tmp_path_factory.mktemp("kept")
    for place in (folder, *folder.parents):
        if not place.stat().st_mode & 0o001:  # pytest's folders are private; the server's account must get through
            place.chmod(0o755)
    with Household(folder) as household:
        server = EmbeddedPostgres(household, throwaway=False)
        server.start()
        server.wait()
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    with Household(folder) as household:
        server = EmbeddedPostgres(household, throwaway=False)
        server.start()
        server.wait()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for the database")
def test_a_folder_that_takes_long_to_remove_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The janitor removes it on its own: whoever stops a stack does not wait for the disk, nor see an error."""
    monkeypatch.setattr(processes, "_JANITOR_S", 0.0)
    household = Household()

    household.close()

    until_sync(lambda: not household.folder.exists(), 30.0, "the janitor has removed the folder")


def test_a_folder_that_the_servers_account_cannot_reach_is_refused(tmp_path: Path) -> None:
    """The message names the account and the folder."""
    (tmp_path / "private").mkdir(mode=0o700)
    with Household(tmp_path / "private" / "data") as household:
        server = EmbeddedPostgres(household, throwaway=True)

        with pytest.raises(UserError, match=r"account '\w+' can't reach .*private/data"):
            server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for the database")
def test_programs_out_of_the_accounts_reach_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A virtual environment under root's home folder works all the same."""
    programs = next(server_programs())
    monkeypatch.setattr(
        "pipeline.embedded.postgres.can_reach", lambda who, path: path != programs / "postgres" and can_reach(who, path)
    )
    with Household() as own:
        server = EmbeddedPostgres(own, throwaway=True)
        server.start()
        server.wait()

        assert database_answers(server.url)
        assert str(own.folder) in psutil.Process(server.child.pid).exe()
