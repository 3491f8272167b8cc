"""Holds what a deployment arrived at against the workload's model. A measurement of wrong results is none."""

import json
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg

from bench.workload import Expected, Workload
from tests.end_to_end.deployment import Deployment

_SHOWN = 5
_PAGE = 200
_READ_S = 10.0


def differences(deployment: Deployment, url: str, work: Workload) -> list[str]:
    """Return the first differences between the model and the ledger and boards; `url` is a leaderboards worker's."""
    expected = work.expected()
    deployment.plaudit("ledger", "verify")
    with psycopg.connect(deployment.environment["PLAUDIT_DATABASE"]) as connection:
        balances = Counter(dict(_balances(connection)))
        transfers = connection.execute("SELECT count(*) FROM plaudit.transfers").fetchone()
    boards = Counter({key: score for name in _windows(expected) for key, score in _board(url, *name)})
    found = [f"transfers: {transfers}, expected {expected.transfers}"] if transfers != (expected.transfers,) else []
    for name, have, want in (("balance", balances, expected.balances), ("board", boards, expected.boards)):
        wrong = [key for key in have.keys() | want.keys() if have[key] != want[key]]
        found += [f"{name} {key}: {have[key]}, expected {want[key]}" for key in wrong[:_SHOWN]]
        if len(wrong) > _SHOWN:
            found.append(f"… {len(wrong)} {name} entries differ")
    return found


def _windows(expected: Expected) -> list[tuple[str, str, str]]:
    """Return the boards that workers still keep: tenant, board, window."""
    return sorted({(tenant, board, window) for tenant, board, window, _ in expected.boards})


def _balances(connection: psycopg.Connection) -> Iterator[tuple[tuple[str, str, str], int]]:
    query = "SELECT tenant, substr(account, 7), currency, balance FROM plaudit.balances WHERE account LIKE 'actor:%'"
    for tenant, actor, currency, balance in connection.execute(query):
        if balance:
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
