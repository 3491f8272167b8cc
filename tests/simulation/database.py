"""The ledger's database in memory: its tables, with their constraints, and the locks of its sessions."""

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import errors

from sinks.ledger.rows import GENESIS
from tests.simulation.copied import Row
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.session import MemoryConnection

_Account = tuple[int, str, str, str]  # partition, tenant, account, currency
Part = tuple[str, str, str, str]  # tenant, season, board, split


class Claim(NamedTuple):
    """What was decided about a claim of a tenant's actor on a piece of a reward's stock."""

    tenant: str
    name: str
    reward: str
    actor: str
    granted: bool


class Decided(NamedTuple):
    """A change of a stock, as it was committed: a claim that was granted or refused, or whose piece was returned."""

    tenant: str
    reward: str
    claim: str
    what: str


class Frozen(NamedTuple):
    """A standing of a season, its lines as (rank, actor, score), and the try to close the season that wrote it."""

    tie: str
    actors: int
    hash: bytes
    closed_at: datetime
    call: Any
    lines: list[tuple[int, str, int]]


@dataclass
class Transaction:
    """What a session has said since BEGIN."""

    rows: list[Row] = field(default_factory=list)
    totals: dict[_Account, tuple[int, int]] = field(default_factory=dict)
    links: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    progress: dict[int, int] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    returned: list[tuple[str, str]] = field(default_factory=list)  # tenant, claim
    taken: list[tuple[str, str, int]] = field(default_factory=list)  # tenant, reward, how many more
    frozen: dict[Part, Frozen] = field(default_factory=dict)


class Database:
    """The tables. `away` refuses all, `trouble` is how likely a statement or the answer to a commit is lost."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.away = False
        self.trouble = 0.0
        self.transfers: dict[tuple[int, int, int], Row] = {}
        self.progress: dict[int, int] = {}
        self.links: dict[int, list[bytes]] = defaultdict(lambda: [GENESIS])
        self.debits: dict[_Account, int] = defaultdict(int)
        self.credits: dict[_Account, int] = defaultdict(int)
        self.taken: dict[tuple[str, str], int] = {}  # tenant, reward
        self.claims: dict[tuple[str, str], Claim] = {}  # tenant, claim
        self.returned: set[tuple[str, str]] = set()
        self.decided: list[Decided] = []
        self.frozen: dict[Part, Frozen] = {}
        self.locks: dict[Hashable, MemoryConnection] = {}
        self._ids: set[bytes] = set()

    def balances(self) -> dict[tuple[str, str, str], int]:
        """Return the balance of each tenant's account and currency."""
        found: dict[tuple[str, str, str], int] = defaultdict(int)
        for _, *key in self.debits.keys() | self.credits.keys():
            found[key[0], key[1], key[2]] = 0
        for (_, tenant, account, currency), amount in self.credits.items():
            found[tenant, account, currency] += amount
        for (_, tenant, account, currency), amount in self.debits.items():
            found[tenant, account, currency] -= amount
        return dict(found)

    def commit(self, work: Transaction) -> None:
        """Take a transaction over, all of it or, where a constraint forbids it, nothing."""
        for row in work.rows:
            if (row.partition, row.seq, row.leg) in self.transfers or row.id in self._ids:
                raise errors.UniqueViolation(f"the transfer at {row.partition}/{row.seq}/{row.leg} is there already")
        for key, (debits, credits_) in work.totals.items():
            left = self.credits[key] + credits_ - self.debits[key] - debits
            if left < 0 and key[2].startswith("actor:"):
                raise errors.CheckViolation(f"{key[2]} would fall to {left}")
        for partition, previous, link in work.links:
            if self.links[partition][-1] != previous:
                raise errors.UniqueViolation(f"the chain of partition {partition} has another end")
            self.links[partition].append(link)
        if work.frozen.keys() & self.frozen.keys():
            raise errors.UniqueViolation(f"these standings are there already: {sorted(work.frozen)}")
        self.frozen |= work.frozen
        self._commit_stock(work)
        for row in work.rows:
            self.transfers[row.partition, row.seq, row.leg] = row
            self._ids.add(row.id)
        for key, (debits, credits_) in work.totals.items():
            self.debits[key] += debits
            self.credits[key] += credits_
        self.progress.update(work.progress)

    def _commit_stock(self, work: Transaction) -> None:
        for claim in work.claims:
            if (claim.tenant, claim.name) in self.claims:
                raise errors.UniqueViolation(f"the claim {claim.name} is there already")
            self.claims[claim.tenant, claim.name] = claim
            self.decided.append(
                Decided(claim.tenant, claim.reward, claim.name, "granted" if claim.granted else "refused")
            )
        for tenant, name in work.returned:
            self.returned.add((tenant, name))
            self.decided.append(Decided(tenant, self.claims[tenant, name].reward, name, "returned"))
        for tenant, reward, more in work.taken:
            self.taken[tenant, reward] += more

    def end_sessions(self, process: Process) -> None:
        """Roll back what a process had open, once the server sees that it is gone."""
        for lock, holder in list(self.locks.items()):
            if holder.process is process:
                holder.lose()
                self.locks.pop(lock, None)
