"""What sections and verdicts share: Markdown tables, and the cost of a piece of a run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cost(point: Mapping[str, Any]) -> float:
    """Return the CPU seconds per million events of all stages together."""
    return float(sum(point["cpu_per_million"].values()))
