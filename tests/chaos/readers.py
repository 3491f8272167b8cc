"""Asks for profiles all the time, as users would, and keeps every answer: each is held against the model afterwards."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from http.client import HTTPException
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.chaos.background import Background
from tests.chaos.workload import ACTORS, TENANTS

_PAUSE_S = 0.1
_ANSWER_S = 2.0


class Answer(NamedTuple):
    """What was said of an actor, and as of which event."""

    tenant: str
    actor: str
    balances: dict[str, int]
    partition: int
    seq: int


class Readers(Background):
    """Asks the match workers in turn. `answers` were given; `refused` counts why others were not, by status."""

    def __init__(self, urls: Sequence[str], seed: int) -> None:
        super().__init__("readers", self._read)
        self.answers: list[Answer] = []
        self.refused: Counter[str] = Counter()
        self._urls = urls
        self._chance = random.Random(seed)

    def _read(self) -> None:
        while not self.over.wait(_PAUSE_S):
            tenant = self._chance.choice(TENANTS)
            actor = f"actor-{self._chance.randrange(ACTORS)}"
            url = f"{self._chance.choice(self._urls)}/tables/profiles/{tenant}/{actor}"
            try:
                with urlopen(url, timeout=_ANSWER_S) as response:
                    said = json.load(response)
            except HTTPError as error:
                self.refused[str(error.code)] += 1
            except (OSError, HTTPException, ValueError):
                self.refused["nobody"] += 1
            else:
                at = said["as_of"]
                self.answers.append(Answer(tenant, actor, said["balances"], at["partition"], at["seq"]))
