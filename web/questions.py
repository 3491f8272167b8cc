"""What one worker asks another about its shards of a leaderboard, and how a worker answers from memory.

Every question is about one window of one board over some of the answering worker's partitions, and takes O(log n) of
the members for each of them. Answers about disjoint partitions are merged by `web.ranking`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import merge
from itertools import islice
from typing import Annotated, assert_never

import msgspec

from pipeline.events import actor_key
from pipeline.recordbatch.model import TableView
from pipeline.topology import BOARDS
from tables.board_shards import BoardName, BoardShards
from tables.boards import board_key, decode_standing
from tables.order_index import OrderIndex, place_of
from web.runtime import Runtime

# Bounds of a question, so that no answer is large: a page of the API with as much before it, and some pivots.
PAGE_MAX = 1_000
PIVOTS_MAX = 64
# The attributes of an actor, who may name friends, have 4,096 bytes: a name takes two of them at least.
LOCATED_MAX = 2_048


class Page(msgspec.Struct, frozen=True, tag="page"):
    """Which places come first at or after `start`?"""

    start: bytes
    limit: Annotated[int, msgspec.Meta(ge=0, le=PAGE_MAX)]


class Before(msgspec.Struct, frozen=True, tag="before"):
    """Which places come last before `end`? In order, best first."""

    end: bytes
    limit: Annotated[int, msgspec.Meta(ge=0, le=PAGE_MAX)]


class Ahead(msgspec.Struct, frozen=True, tag="ahead"):
    """How many members stand before each of these places?"""

    places: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=PIVOTS_MAX)]


class Sample(msgspec.Struct, frozen=True, tag="sample"):
    """How many members stand strictly between two places, and which are some of them, evenly spread over each shard?"""

    after: bytes
    before: bytes
    count: Annotated[int, msgspec.Meta(ge=1, le=PIVOTS_MAX)]


class Locate(msgspec.Struct, frozen=True, tag="locate"):
    """At which place does this actor stand?"""

    actor: str


class LocateAll(msgspec.Struct, frozen=True, tag="locate_all"):
    """At which places do these actors stand? In order, best first; who is not on the board is left out."""

    actors: Annotated[tuple[str, ...], msgspec.Meta(max_length=LOCATED_MAX)]


class Splits(msgspec.Struct, frozen=True, tag="splits"):
    """Which splits of the window come first after this one, by name? In order; the window's own split does not matter.

    None before the first: a board without splits has one that is empty.
    """

    after: str | None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)]


class Windows(msgspec.Struct, frozen=True, tag="windows"):
    """At which place does this actor stand in each window that is kept? The question's own window does not matter.

    Each place comes with its window's name and a NUL before it.
    """

    actor: str


Question = Page | Before | Ahead | Sample | Locate | LocateAll | Splits | Windows


class BoardWindow(msgspec.Struct, frozen=True):
    """One window of one board; `split` is empty when the board has none."""

    tenant: str
    board: str
    window: str
    split: str


class ShardRequest(msgspec.Struct, frozen=True):
    """A question about some partitions."""

    of: BoardWindow
    partitions: tuple[int, ...]
    question: Question


class Answer(msgspec.Struct, frozen=True):
    """What the asked partitions hold: members in all, the last window that expired, and what the question asks for."""

    size: int
    expired_through: str
    numbers: tuple[int, ...] = ()
    places: tuple[bytes, ...] = ()


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(ShardRequest).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


def last(places: Iterable[bytes], limit: int) -> list[bytes]:
    """Return the last `limit` places."""
    return list(deque(places, maxlen=limit))


def answer(request: ShardRequest, shards: BoardShards, runtime: Runtime) -> Answer:
    """Answer from this worker's own shards, all at one instant.

    Raises:
        KeyError: a partition is not owned, or not recovered.
    """
    of, name = request.of, BoardName(request.of.tenant, request.of.board)
    held = [shards[partition] for partition in request.partitions]
    orders = [shard.order(name, of.window, of.split) for shard in held]
    numbers: Sequence[int]
    places: Sequence[bytes]
    if isinstance(request.question, Splits):
        numbers, places = (), _splits(request.question, (shard.splits(name, of.window) for shard in held))
    elif isinstance(request.question, Windows):
        home = runtime.partition_for(actor_key(of.tenant, request.question.actor))
        kept = shards[home].windows_of(name) if home in request.partitions else ()
        numbers, places = (), _windows(of, request.question.actor, kept, runtime) if kept else ()
    else:
        numbers, places = _asked(
            request, request.question, orders, lambda partition: runtime.view(BOARDS.name, partition),
            runtime.partition_for,
        )  # fmt: skip
    return Answer(
        size=sum(map(len, orders)),
        expired_through=max((shard.expired_through(name) for shard in held), default=""),
        numbers=tuple(numbers),
        places=tuple(places),
    )


def _splits(question: Splits, held: Iterable[Iterable[str]]) -> list[bytes]:
    names = sorted({name for names in held for name in names if question.after is None or name > question.after})
    return [name.encode() for name in names[: question.limit]]


def _windows(of: BoardWindow, actor: str, kept: Iterable[str], runtime: Runtime) -> list[bytes]:
    view = runtime.view(BOARDS.name, runtime.partition_for(actor_key(of.tenant, actor)))
    found = ((window, _located(msgspec.structs.replace(of, window=window), actor, view)) for window in kept)
    return [window.encode() + b"\0" + place for window, place in found if place is not None]


def _asked(
    request: ShardRequest,
    question: Page | Before | Ahead | Sample | Locate | LocateAll,
    orders: Sequence[OrderIndex],
    view: Callable[[int], TableView],
    partition_for: Callable[[bytes], int],
) -> tuple[Sequence[int], Sequence[bytes]]:
    match question:
        case Page(start, limit):
            return (), list(islice(merge(*(order.page(start, limit) for order in orders)), limit))
        case Before(end, limit):
            return (), last(merge(*(order.page_before(end, limit) for order in orders)), limit)
        case Ahead(places):
            return [sum(order.ahead(place) for order in orders) for place in places], ()
        case Sample(after, before, count):
            total = sum(order.between(after, before) for order in orders)
            return (total,), list(merge(*(order.sample(after, before, count) for order in orders)))
        case Locate(actor):
            partition = partition_for(actor_key(request.of.tenant, actor))
            place = _located(request.of, actor, view(partition)) if partition in request.partitions else None
            return (), () if place is None else (place,)
        case LocateAll(actors):
            homes = ((actor, partition_for(actor_key(request.of.tenant, actor))) for actor in actors)
            found = (_located(request.of, actor, view(home)) for actor, home in homes if home in request.partitions)
            return (), sorted(place for place in found if place is not None)
        case _:
            assert_never(question)


def _located(of: BoardWindow, actor: str, view: TableView) -> bytes | None:
    """Return an actor's place by its row. Rows and order change in the same step: no index by name is needed."""
    [payload] = view.get_many([board_key(of.tenant, of.board, of.window, of.split, actor)])
    if payload is None:
        return None
    standing = decode_standing(payload)
    return place_of(standing.score, standing.reached, actor.encode())
