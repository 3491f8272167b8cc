"""Reads what a deployment of the product arrived at: balances from the ledger, scores from a leaderboards worker."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg

from bench.workload import Expected

Balances = dict[tuple[str, str, str], int]
Boards = dict[tuple[str, str, str, str], int]

_PAGE = 200
_READ_S = 10.0


def arrived(database: str, url: str, expected: Expected) -> tuple[Balances, Boards, int]:
    """Return balances, scores of the boards that the model knows, and the number of transfers.

    `url` is a leaderboards worker's.
    """
    with psycopg.connect(database) as connection:
        balances = dict(_balances(connection))
        (transfers,) = connection.execute("SELECT count(*) FROM plaudit.transfers").fetchone() or (0,)
    windows = sorted({(tenant, board, window) for tenant, board, window, _ in expected.boards})
    return balances, {key: score for name in windows for key, score in _board(url, *name)}, int(transfers)


def _balances(connection: psycopg.Connection) -> Iterator[tuple[tuple[str, str, str], int]]:
    query = "SELECT tenant, substr(account, 7), currency, balance FROM plaudit.balances WHERE account LIKE 'actor:%'"
    for tenant, actor, currency, balance in connection.execute(query):
        yield (tenant, actor, currency), int(balance)


def _board(url: str, tenant: str, board: str, window: str) -> Iterator[tuple[tuple[str, str, str, str], int]]:
    offset = 0
    while True:
        query = urlencode({"window": window, "limit": _PAGE, "offset": offset})
        with urlopen(f"{url}/tables/boards/{tenant}/{board}?{query}", timeout=_READ_S) as answer:
            entries = json.load(answer)["entries"]
        for entry in entries:
            yield (tenant, board, window, entry["actor"]), entry["score"]
        if len(entries) < _PAGE:
            return
        offset += _PAGE
