"""On what a bench ran: the machine and the versions of what was measured."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil

from bench.venvs import PEERS
from bench.yardstick import python_build
from tests.stack import HERE as KAFKA


def machine() -> str:
    """Return cores, memory and Python in a line."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()} ({python_build()})"


def processor() -> str:
    """Return the processor's name, as far as the operating system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def versions() -> dict[str, str]:
    """Return the versions of the product's engine, the servers and the peers."""
    kafka = ET.parse(KAFKA / "pom.xml").findtext(".//{*}kafka.version")
    return {
        "Faust": version("faust-streaming"),
        "aiokafka": version("aiokafka"),
        "rocksdict": version("rocksdict"),
        "psycopg": version("psycopg"),
        "Apache Kafka": str(kafka),
        "Kafka Streams": str(ET.parse(PEERS / "kafka-streams" / "pom.xml").findtext(".//{*}kafka.version")),
        "Quix Streams": _pinned("quix", "quixstreams"),
        "idiomatic Faust": _pinned("faust_idiomatic", "faust-streaming"),
    }


def _pinned(peer: str, package: str) -> str:
    lines = (PEERS / peer / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2].rstrip(" \\") for line in lines if line.startswith(f"{package}=="))
