"""One event in the making: its actor as it changes, what it moves, tells and asks."""

from datetime import datetime
from typing import Any

from tests.simulation.oracle.periods import period
from tests.simulation.oracle.state import Actor, Moved, micros

Document = dict[str, Any]


class Turn:
    """What an event does to an actor under a revision of the economy. `outcome` is of the command with the id `id`."""

    def __init__(self, actor: Actor, event: dict[str, Any], document: Document) -> None:
        self.actor = actor
        self.event = event
        self.document = document
        self.id = event["id"]
        self.source = event["source"]
        self.type = event["type"]
        self.data: dict[str, Any] = event["data"]
        self.happened = datetime.fromisoformat(event["time"])
        # Of the event that counts for boards: of a reversal it is what was reversed.
        self.time = self.happened
        self.account = f"actor:{event['subject']}"
        self.zone: str = actor.attributes.get("timezone") or document["timezone"]
        self.moved: list[Moved] = []
        self.facts: list[str] = []
        self.changed = False
        self.judged = False  # it is an event that no abuse limit refused
        self.outcome: tuple[str, str | None] | None = None
        self.ask: dict[str, Any] | None = None

    @property
    def at(self) -> int:
        """When the event happened, in microseconds."""
        return micros(self.time)

    def part(self, section: str) -> list[dict[str, Any]]:
        """Return the entries of a section of the document."""
        return list(self.document.get(section, []))

    def entry(self, section: str, name: object) -> dict[str, Any] | None:
        """Return the entry of a section with that id."""
        return next((each for each in self.part(section) if each["id"] == name), None)

    def named(self, origin: dict[str, str]) -> None:
        """Go on in the name of a command."""
        self.id, self.source, self.type = origin["id"], origin["source"], origin["type"]
        self.happened = self.time = datetime.fromisoformat(origin["time"])
        self.data = {}

    def counts_for(self, time: str) -> None:
        """Let boards count what is moved at the time of another event."""
        self.time = datetime.fromisoformat(time)

    def give(self, currency: str, amount: int, kind: str, cause: str, account: str = "issued") -> None:
        """Move points to the actor."""
        self.actor.balances[currency] += amount
        self.moved.append(Moved(account, self.account, currency, amount, kind, cause))
        self.facts.append("points.awarded")
        self.changed = True

    def take(self, currency: str, amount: int, kind: str, cause: str, account: str) -> None:
        """Move points away from the actor."""
        self.actor.balances[currency] -= amount
        self.moved.append(Moved(self.account, account, currency, amount, kind, cause))
        self.facts.append("points.deducted")
        self.changed = True

    def used(self, name: str, per: str, of: str = "times") -> int:
        """Return how much of a limit the actor has used up in the period of the event."""
        mine = (name, f"{per}:{of}", period(per, self.time, self.zone))
        return sum(amount for *what, amount in self.actor.used if tuple(what) == mine)

    def use(self, name: str, per: str, amount: int, of: str = "times") -> None:
        """Use up a part of a limit."""
        self.actor.used.append((name, f"{per}:{of}", period(per, self.time, self.zone), amount))
        self.changed = True
