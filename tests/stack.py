"""Real servers for tests: the embedded broker and database, and Apache Kafka from its published jars."""

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4
from xml.etree import ElementTree as ET

import psutil
import psycopg

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.postgres import EmbeddedPostgres
from pipeline.embedded.probes import broker_answers, free_port, wait_until_ready
from pipeline.embedded.processes import Child, Household
from sinks.ledger.migrate import upgrade

HERE = Path(__file__).parent / "kafka"
LOGGING = HERE / "log4j2.properties"
MAVEN_S = 300
FORMAT_S = 60
KAFKA_READY_S = 60.0


class KafkaMissing(Exception):
    """Java 17 or Maven is not on this machine."""


class Tansu:
    """The embedded broker. It forgets everything when it ends, so it is never killed here."""

    def __init__(self, household: Household) -> None:
        self._broker = EmbeddedBroker(household)
        self._broker.start()
        self._broker.wait()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return self._broker.address

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._broker.child.pid


class Kafka:
    """One Kafka node (KRaft) on loopback, with its log on disk; the address stays the same over restarts."""

    def __init__(self, household: Household, *, starts_fast: bool = True) -> None:
        """Start a node; one that `starts_fast` compiles its code less well, and is slower under load."""
        self._household = household
        self._java_options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] if starts_fast else ["-XX:+UseG1GC"]
        self._jars = kafka_jars()
        self._child: Child | None = None
        self._data = household.folder / f"kafka-{uuid4().hex[:8]}"
        self._port, self._controller_port = free_port(), free_port()
        self._format()
        self.start()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        """Start the broker on the data that it had, and wait until it answers."""
        self.launch()
        assert self._child is not None
        wait_until_ready(self._child, lambda: broker_answers(self.address), KAFKA_READY_S)

    def launch(self) -> None:
        """Start the broker on the data that it had; it does not answer yet."""
        self._child = self._household.start("kafka", self._java("kafka.Kafka", str(self._data / "server.properties")))

    def kill(self) -> None:
        """End the broker with SIGKILL."""
        assert self._child is not None
        self._child.kill()
        self._household.forget(self._child)

    def stop(self) -> None:
        """Shut the broker down cleanly."""
        assert self._child is not None
        self._child.stop(within_s=30)
        self._household.forget(self._child)

    def restart(self) -> None:
        """Kill the broker and start it again."""
        self.kill()
        self.start()

    def _java(self, *arguments: str) -> list[str]:
        java = shutil.which("java")
        assert java is not None
        options = ["-Xmx512m", *self._java_options, f"-Dlog4j2.configurationFile={LOGGING}"]
        return [java, *options, "-cp", f"{self._jars}/*", *arguments]

    def _format(self) -> None:
        self._data.mkdir()
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._data / "log"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # A node that was killed is taken back as soon as the controller has given up its former life.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            # So that a test sees compaction and retention at work within seconds.
            "log.cleaner.backoff.ms": "500",
            "log.cleaner.dedupe.buffer.size": "16777216",
            "log.retention.check.interval.ms": "1000",
            "num.network.threads": "2",
            "num.io.threads": "4",
        }
        file = self._data / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        command = self._java("kafka.tools.StorageTool", "format", "-t", "cGxhdWRpdC10ZXN0cy0xMA", "-c", str(file))
        subprocess.run(command, check=True, capture_output=True, timeout=FORMAT_S)


def kafka_jars() -> Path:
    """Return the folder of the broker's jars; Maven fills it once per version.

    Raises:
        KafkaMissing: Java 17 or Maven is not there.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise KafkaMissing(f"{program} is not on the PATH")
    version = ET.parse(HERE / "pom.xml").findtext(".//{*}kafka.version")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plaudit"
    jars = cache / f"kafka-{version}"
    if jars.is_dir():
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    # Into a folder of its own, then renamed: no other test run ever sees half of it.
    with tempfile.TemporaryDirectory(dir=cache) as unfinished:
        pom = shutil.copy(HERE / "pom.xml", unfinished)
        full = Path(unfinished) / "jars"
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={full}"]
        command = ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", *options]
        subprocess.run(command, check=True, timeout=MAVEN_S)
        try:
            full.rename(jars)
        except OSError:
            assert jars.is_dir(), "another run was faster, or the cache can't be written"
    return jars


class Postgres:
    """A PostgreSQL server; every test takes a database of its own from it."""

    def __init__(self, household: Household, *, throwaway: bool = True) -> None:
        """Start a server; one that is not `throwaway` waits for the disk at each commit."""
        self._server = EmbeddedPostgres(household, throwaway=throwaway, port=free_port())
        self._template: str | None = None
        self.start()

    @property
    def pid(self) -> int:
        """The server's process id, while it runs."""
        return self._server.child.pid

    def start(self) -> None:
        """Start the server, at the same address as before."""
        self.launch()
        self._server.wait()

    def launch(self) -> None:
        """Start the server, at the same address as before; it does not answer yet."""
        self._server.start()

    def kill(self) -> None:
        """End the server as a crash would."""
        self._server.kill()

    def kill_at_once(self) -> None:
        """End the server and each of its processes with SIGKILL: none can do or say anything more."""
        server = psutil.Process(self.pid)
        doomed = [server, *server.children(recursive=True)]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        # Those of the server are nobody's to wait for once it is gone, and its memory is theirs until they are too.
        psutil.wait_procs(doomed[1:], timeout=10)
        self._server.kill()

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.kill()
        self.start()

    def empty_database(self) -> str:
        """Create a database without tables; return its URL."""
        name = f"test_{uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name}")
        return self._server.url_of(name)

    def database(self) -> str:
        """Create a database with an empty ledger, a copy of one that was migrated once; return its URL."""
        if self._template is None:
            template = self.empty_database()
            upgrade(template)
            self._template = urlsplit(template).path.removeprefix("/")
        name = f"test_{uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return self._server.url_of(name)

    def copy_of(self, database: str) -> str:
        """Copy a database that nobody is connected to; return the copy's URL."""
        name = f"test_{uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {urlsplit(database).path.removeprefix('/')}")
        return self._server.url_of(name)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute(statement.encode())
