"""What a tenant's tables state: balances of profiles, scores of leaderboards, each as of its last event."""

from collections import defaultdict

from pipeline.events import actor_key, split_actor_key
from pipeline.reconcile.model import BalanceKey, RowKey
from pipeline.reconcile.tally import NOTHING, Stated
from pipeline.recordbatch.snapshot import Snapshot
from tables import profiles
from tables.boards import BESTS, decode_expiry, decode_standing, split_board_key


class ProfileStates:
    """The tenant's profiles. What pending redemptions have reserved counts as held: the ledger has not moved it yet."""

    def __init__(self, tenant: str) -> None:
        """Know of none yet."""
        self.snapshot = Snapshot(actor_key(tenant, ""))
        self._seqs: dict[str, int] = {}
        self._held: dict[BalanceKey, int] = {}

    def refresh(self) -> None:
        """Take over what the snapshot has by now."""
        self._seqs.clear()
        self._held.clear()
        for (_, key), entry in self.snapshot.entries.items():
            if entry.payload is None:
                continue
            profile, actor = profiles.decode(entry.payload), split_actor_key(key)[1]
            held: dict[str, int] = defaultdict(int, profile.balances)
            for redemption in () if profile.game is None else profile.game.redemptions:
                if redemption.state == "pending":
                    for currency, amount in redemption.cost.items():
                        held[currency] += amount
            self._seqs[actor] = profile.seq
            self._held |= {BalanceKey(actor, currency): amount for currency, amount in held.items()}

    def __len__(self) -> int:
        return len(self._seqs)

    def balances(self) -> list[BalanceKey]:
        """Return every balance that a profile names."""
        return list(self._held)

    def stated(self, key: BalanceKey) -> Stated:
        """Return what the actor's profile says; an actor without one has nothing."""
        return Stated(self._seqs.get(key.actor, -1), self._held.get(key, 0))


class BoardStates:
    """The rows of the tenant's leaderboards."""

    def __init__(self, tenant: str) -> None:
        """Know of none yet."""
        self.snapshot = Snapshot(f"{tenant}\0".encode())
        self._rows: dict[RowKey, Stated] = {}
        self._expired: dict[tuple[int, str], str] = {}

    def refresh(self) -> None:
        """Take over what the snapshot has by now."""
        self._rows.clear()
        for (partition, raw), entry in self.snapshot.entries.items():
            if entry.payload is None:
                continue
            key = split_board_key(raw)
            if not key.window:
                self._expired[partition, key.board] = decode_expiry(entry.payload).through
            elif key.window != BESTS:
                standing = decode_standing(entry.payload)
                row = RowKey(key.board, key.window, key.split, key.actor)
                self._rows[row] = Stated(standing.seq, standing.score)

    def rows(self) -> list[RowKey]:
        """Return every row."""
        return list(self._rows)

    def stated(self, key: RowKey) -> Stated:
        """Return what a row says; one that is not there says nothing."""
        return self._rows.get(key, NOTHING)

    def expired(self, partition: int, key: RowKey) -> bool:
        """Return whether a row's window has expired in the shard of its actor."""
        return key.window <= self._expired.get((partition, key.board), "")
