"""The workload, its model, and the pieces that it comes in."""

from collections import Counter

import pytest

from bench.feed import Feed
from bench.peers.economy import awards, compiled, week_of
from bench.workload import Expected, Workload
from pipeline.events import decode_event
from tests.scenarios.runner import Play
from tests.scenarios.runner import compiled as compiled_economy

WORK = Workload(events=3_000, actors=50, days=10)


@pytest.mark.parametrize("rules", [10, 30, 100])
def test_the_peers_rules_and_the_model_agree(rules: int) -> None:
    """The model is written by hand, the peers read the economy document: both count the same, limits included."""
    work = Workload(events=3_000, actors=20, days=3, rules=rules)
    economies = {tenant: compiled(work.economy(tenant)) for tenant in work.tenant_names()}
    used: Counter[tuple[object, ...]] = Counter()
    balances: Counter[tuple[str, str, str]] = Counter()
    boards: Counter[tuple[str, str, str, str]] = Counter()

    for action in work.actions():
        tenant, actor, day = action.tenant, action.actor, str(action.time.date())
        found = awards(
            economies[tenant].get(f"action.t{action.type:02}", []),
            action.amount,
            lambda rule, key=(tenant, actor, day): used[(*key, rule)],  # type: ignore[misc]
            lambda rule, value, key=(tenant, actor, day): used.update({(*key, rule): value - used[(*key, rule)]}),  # type: ignore[misc]
        )
        for _, currency, amount in found:
            balances[(tenant, actor, currency)] += amount
            if currency == "xp":
                boards[(tenant, "daily", day, actor)] += amount
                boards[(tenant, "weekly", week_of(day), actor)] += amount

    expected = work.expected()
    assert balances == expected.balances
    assert boards == expected.boards


def test_the_rules_and_the_model_of_the_game_agree() -> None:
    """The product's own decisions about the same events; every part of the game has something to say."""
    work = Workload(events=6_000, actors=40, tenants=1, days=10, game=True)
    plays = {tenant: Play(compiled_economy(work.economy(tenant))) for tenant in work.tenant_names()}
    told: Counter[str] = Counter()

    for action in work.actions():
        _, value = action.record()
        decision = plays[action.tenant].apply(decode_event(value))
        told.update(fact.type for fact in decision.facts)

    expected = work.expected()
    balances: Counter[tuple[str, str, str]] = Counter()
    for tenant, play in plays.items():
        for actor, profile in play.actors.items():
            balances.update({(tenant, actor, currency): has for currency, has in profile.balances.items()})
    assert balances == expected.balances
    assert sum(len(play.ledger) for play in plays.values()) == expected.transfers
    assert told.keys() > {"streak.updated", "badge.awarded", "quest.completed", "level.reached", "abuse.flagged"}


def test_the_game_changes_no_event() -> None:
    """So that what it costs can be told from what events cost."""
    with_game = Workload(events=300, game=True)

    assert list(with_game.sent()) == list(Workload(events=300).sent())
    assert with_game.economy("tenant-0")["rules"] == Workload().economy("tenant-0")["rules"]
    assert with_game.expected().balances != Workload(events=300).expected().balances


@pytest.mark.parametrize("rules", [10, 30, 1_000])
def test_an_event_meets_about_as_many_rules_whatever_their_number(rules: int) -> None:
    """1.2 on average, so that more rules cost what rules cost, not what awards cost."""
    work = Workload(events=5_000, actors=5_000, rules=rules)
    met = sum(1 + (action.type < work.bonuses and action.amount >= 60) for action in work.actions())

    assert len(work.economy("tenant-0")["rules"]) == rules
    assert 1.1 < met / work.events < 1.3


def test_pieces_are_the_whole_workload_in_its_order() -> None:
    """Taken in pieces or at once, the records are the same, and so is what the model expects of them."""
    feed, whole = Feed(WORK, 4), Feed(WORK, 4).take(10_000)

    pieces = [feed.take(700) for _ in range(6)]

    assert [record for piece in pieces for record in piece.records] == whole.records
    assert len(whole.records) > WORK.events
    assert (feed.expected.balances, feed.expected.boards) == (WORK.expected().balances, WORK.expected().boards)
    assert sum(piece.transfers for piece in pieces) == feed.expected.transfers


def test_a_piece_knows_the_last_event_of_each_partition_that_pays() -> None:
    """When their rows are there, those of the whole piece are."""
    feed, model = Feed(WORK, 4), Expected()
    piece = feed.take(1_000)
    paying: dict[int, str] = {}
    numbers = {f"e{action.number}": action for action in WORK.actions()}

    for name, position in piece.positions.items():
        if model.add(numbers[name]):
            paying[piece.records[position][0]] = name

    assert {partition: name for partition, (_, name) in piece.last.items()} == paying
    assert set(paying) == {0, 1, 2, 3}


def test_a_record_sent_again_is_not_counted_again() -> None:
    """Its latency is that of its first sending, and the model takes it once."""
    feed = Feed(WORK, 4)
    first, second = feed.take(2_000), feed.take(2_000)

    assert not first.positions.keys() & second.positions.keys()
    assert len(first.positions) + len(second.positions) == WORK.events
    assert len(second.positions) < len(second.records)
