"""A small shop: an economy of one point per euro, purchases, and what they must add up to."""

import json
from collections import Counter
from pathlib import Path

TENANT = "shop"
BOARD = "spenders"
ECONOMY = f"""
economy: {TENANT}
currencies:
  points: {{}}
rules:
  - id: purchase
    on: purchase.completed
    award: {{points: {{field: data.amount_cents, per: 100}}}}
leaderboards:
  - {{id: {BOARD}, currency: points, window: all}}
"""
_ACTORS = 97


class Purchases:
    """`count` purchases, numbered from `first`, as a file of CloudEvents; each tenth stands in it twice."""

    def __init__(self, folder: Path, count: int, first: int = 0) -> None:
        self._numbers = range(first, first + count)
        self.file = folder / f"purchases-{first}-{count}.jsonl"
        with self.file.open("w") as lines:
            for number in self._numbers:
                line = json.dumps(self._event(number)) + "\n"
                lines.write(line * 2 if number % 10 == 0 else line)

    def by_actor(self) -> dict[str, int]:
        """Return the points that each actor must have."""
        points: Counter[str] = Counter()
        for number in self._numbers:
            points[self._actor(number)] += self._cents(number) // 100
        return dict(points)

    @staticmethod
    def _actor(number: int) -> str:
        return f"customer-{number % _ACTORS}"

    @staticmethod
    def _cents(number: int) -> int:
        return 100 + number * 37 % 5_000

    def _event(self, number: int) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": f"purchase-{number}",
            "source": "till",
            "type": "purchase.completed",
            "subject": self._actor(number),
            "tenant": TENANT,
            "time": f"2026-03-{1 + number % 28:02}T12:00:00Z",
            "data": {"amount_cents": self._cents(number)},
        }
