"""What the bench tells a peer, and what a peer leaves behind for the bench to check."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Config:
    """Where a peer finds its work. `boards` is the file that it writes its boards to when it stops."""

    broker: str
    topic: str
    group: str
    database: str
    state: str
    boards: str
    partitions: int
    economies: dict[str, Any]  # economy documents by tenant


def read_config(file: str) -> Config:
    """Read what the bench wrote."""
    return Config(**json.loads(Path(file).read_text(encoding="utf-8")))


def write_boards(file: str, scores: Iterable[tuple[str, str, str, str, int]]) -> None:
    """Write scores, one a line: tenant, board, window, actor, score."""
    with Path(file).open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(score) + "\n" for score in scores)
