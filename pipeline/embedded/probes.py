"""Readiness, asked in the servers' own protocols, and free ports."""

import socket
import struct
import time
from collections.abc import Callable

import psycopg

from pipeline.embedded.processes import Child, ChildDied

# Kafka's Metadata request (key 3, version 1): correlation id, client id, and a null array of topics, which means all.
_METADATA_BODY = struct.pack(">hhih7si", 3, 1, 1, 7, b"plaudit", -1)
_METADATA_REQUEST = struct.pack(">i", len(_METADATA_BODY)) + _METADATA_BODY
_POLL_S = 0.02


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def broker_answers(address: str, within_s: float = 2.0) -> bool:
    """Return whether a Kafka broker at `host:port` answers a metadata request and names at least one broker."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=within_s) as connection:
            connection.sendall(_METADATA_REQUEST)
            answer = connection.makefile("rb")
            length, _, brokers = struct.unpack(">iii", answer.read(12))
            answer.read(length - 8)
    except (OSError, struct.error):
        return False
    return bool(brokers > 0)


def database_answers(url: str, within_s: float = 2.0) -> bool:
    """Return whether PostgreSQL at that URL answers `SELECT 1`."""
    try:
        with psycopg.connect(url, connect_timeout=max(2, int(within_s)), autocommit=True) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def wait_until_ready(child: Child, ready: Callable[[], bool], within_s: float) -> None:
    """Wait until a child that was started answers.

    Raises:
        ChildDied: it ended, or the time is over; with the end of what it wrote.
    """
    deadline = time.monotonic() + within_s
    while True:
        # Asked first: an answer counts only of a child that runs after it, not of a stranger on its port.
        answers = ready()
        if child.exit_code is not None:
            raise ChildDied(f"{child.name} ended with code {child.exit_code} before it was ready:\n{child.tail()}")
        if answers:
            return
        if time.monotonic() > deadline:
            raise ChildDied(f"{child.name} did not answer within {within_s:g} s:\n{child.tail()}")
        time.sleep(_POLL_S)
