"""The whole game on generated histories: what must hold whatever happens, in whatever order."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import COMMAND_PREFIX, Event, Score
from rules.decision import Decision
from rules.document import parse_document
from rules.evaluate import apply
from rules.profile import EMPTY, Profile
from tests import builders
from tests.scenarios.runner import Play, compiled

STOCK = 3
FLOOD = 3
ECONOMY: dict[str, Any] = {
    "economy": builders.TENANT,
    "timezone": "Europe/Berlin",
    "currencies": {"xp": {}, "coins": {"spendable": True}},
    "rules": [
        {
            "id": "work",
            "on": "a.*",
            "award": {"xp": {"field": "data.n"}, "coins": 2},
            "limit": {"times": 4, "per": "day"},
        },
        {"id": "more", "on": "a.x", "award": {"xp": 7}, "limit": {"amount": 20, "of": "xp", "per": "week"}},
        {"id": "often", "on": ["b", "a.y"], "award": {"coins": 1}, "limit": {"times": 1, "per": "hour"}},
        {"id": "slow", "on": "c", "award": {"xp": 4, "coins": 1}, "cooldown": "5h", "multipliers": False},
        {
            "id": "known",
            "on": "*",
            "when": {
                "all": [
                    {"field": "actor.tier", "op": "eq", "value": "vip"},
                    {"field": "profile.level", "op": "gte", "value": 2},
                    {"not": {"field": "profile.badges", "op": "contains", "value": "some"}},
                ]
            },
            "award": {"xp": 1},
        },
    ],
    "multipliers": [
        {"id": "m", "currency": "xp", "streak": "daily", "steps": {"2": 1.5, "4": 2}},
        {"id": "vip", "factor": 1.25, "when": {"field": "actor.tier", "op": "eq", "value": "vip"}},
        {
            "id": "now",
            "currency": "coins",
            "factor": 3,
            "from": "2026-11-15T00:00:00Z",
            "until": "2026-11-17T00:00:00Z",
        },
    ],
    "stacking": "add",
    "levels": {"currency": "xp", "thresholds": [0, 20, 60, 150], "award": {"coins": 3}},
    "streaks": [
        {
            "id": "daily",
            "on": ["a.x", "b"],
            "every": "day",
            "grace": 1,
            "freezes": {"times": 2, "per": "month"},
            "milestones": {"2": {"coins": 1}, "3": {"xp": 5}, "5": {"xp": 9}},
        },
        {"id": "weekly", "on": "*", "every": "week", "milestones": {"2": {"coins": 6}}},
    ],
    "badges": [
        {"id": "count", "count": {"on": "a.*"}, "tiers": {"bronze": 2, "gold": 5}, "award": {"xp": 3}},
        {"id": "sum", "sum": {"on": "*", "field": "data.n"}, "at": 10, "repeatable": True, "award": {"coins": 1}},
        {"id": "both", "all": [{"level": 2}, {"streak": {"id": "daily", "length": 2}}], "award": {"coins": 4}},
        {"id": "some", "any": [{"level": 3}, {"count": {"on": "c"}, "at": 3}], "secret": True},
        {"id": "rich", "balance": {"coins": 20}, "category": "wealth", "award": {"xp": 2}},
    ],
    "quests": [
        {"id": "auto", "tasks": [{"id": "x", "on": "a.x", "times": 3}, {"id": "b", "on": "b"}], "award": {"xp": 30}},
        {
            "id": "asked",
            "start": "command",
            "tasks": [{"id": "y", "on": "a.y"}],
            "award": {"coins": 8, "badge": "both"},
        },
        {
            "id": "dated",
            "from": "2026-11-14T00:00:00Z",
            "until": "2026-11-18T00:00:00Z",
            "tasks": [{"id": "any", "on": "*", "times": 6}],
            "award": {"xp": 3},
        },
    ],
    "rewards": [
        {"id": "rare", "cost": {"coins": 5}, "stock": STOCK, "per_actor": 2, "expires_after": "3d"},
        {"id": "plain", "cost": {"coins": 4}, "per_actor": 3},
    ],
    "leaderboards": [
        {"id": "xp", "currency": "xp", "window": "all"},
        {"id": "b", "count": {"on": "b"}, "window": "all"},
        {"id": "season", "currency": "xp", "window": "season", "tie": "shared"},
        {"id": "split", "currency": "xp", "window": "all", "split": "data.n"},
    ],
    "seasons": [
        {"id": "one", "from": "2026-11-12T00:00:00Z", "until": "2026-11-16T00:00:00Z"},
        {"id": "two", "from": "2026-11-17T00:00:00Z", "until": "2026-11-20T00:00:00Z"},
    ],
    "abuse": [
        {"id": "flood", "on": "*", "times": FLOOD, "per": "hour", "action": "refuse"},
        {"id": "watched", "on": "c", "times": 2, "per": "day", "action": "flag"},
    ],
}
COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("spend", {"currency": "coins", "amount": 3}),
    ("adjust", {"currency": "coins", "amount": 5}),
    ("adjust", {"currency": "xp", "amount": -4}),
    ("badge.award", {"badge": "count"}),
    ("badge.award", {"badge": "sum"}),
    ("streak.freeze", {"streak": "daily"}),
    ("quest.start", {"quest": "asked"}),
    ("reward.redeem", {"reward": "rare"}),
    ("reward.redeem", {"reward": "rare"}),
    ("reward.redeem", {"reward": "plain"}),
    ("attributes.set", {"timezone": "Asia/Tokyo"}),
    ("attributes.set", {"timezone": "America/New_York"}),
    ("attributes.set", {"tier": "vip", "league": "gold"}),
    ("attributes.set", {"tier": "free", "league": "silver", "friends": ["ada", "bob"]}),
]
ACTORS = ("ada", "bob", "cleo")


def history(length: int, seed: int) -> list[Event]:
    """Return what some actors did and asked for. From a seed: lists of Hypothesis are too short to reach anything."""
    random = Random(seed)
    return [one_event(random, number) for number in range(length)]


def one_event(random: Random, number: int) -> Event:
    """Return an event, or a command; some name an earlier one."""
    kind = random.choice(["a.x", "a.x", "a.y", "b", "c"])
    data: dict[str, Any] = {"n": random.randrange(-1, 9)}
    if random.random() < 0.35:
        name, data = random.choice(COMMANDS)
        kind = f"plaudit.{name}"
    elif random.random() < 0.2:
        earlier = f"e-{random.randrange(number + 1)}"
        kind = random.choice(["plaudit.reverse", "plaudit.reward.cancel"])
        data = {"source": builders.SOURCE, "id": earlier, "redemption": earlier}
    return builders.event(
        id=f"e-{number}",
        type=kind,
        subject=random.choice(ACTORS),
        time=builders.INSTANT + timedelta(hours=random.choice([1, 6, 24]) * random.randrange(-6, 7)),
        data=data,
    )


HISTORIES = st.builds(history, st.sampled_from([5, 40, 120, 120]), st.integers(0, 2**32))


def played(events: Iterable[Event], economy: dict[str, Any] = ECONOMY) -> tuple[Play, list[Decision]]:
    """Play events in their order."""
    play = Play(compiled(economy))
    return play, [play.apply(event) for event in events]


def test_the_histories_reach_every_feature() -> None:
    """Properties of what never happens would be cheap."""
    causes, told, refused = Counter[str](), Counter[str](), Counter[str]()
    boards: set[tuple[str, bool]] = set()
    for seed in range(40):
        play, decisions = played(history(120, seed))
        causes.update(posting.cause for _, posting in play.ledger)
        told.update(
            str(fact.data.get(name))
            for each in decisions
            for fact in each.facts
            for name in ("badge", "quest", "abuse")
        )
        refused.update(each.outcome.reason or "applied" for each in decisions if each.outcome)
        refused.update(why for each in decisions for _, why in each.skipped)
        boards |= {(score.board, score.split is None) for each in decisions for score in each.scores}

    assert causes.keys() >= {rule["id"] for rule in ECONOMY["rules"]} | {"daily", "weekly", "level:2", "level:3"}
    assert told.keys() >= {each["id"] for part in ("badges", "quests", "abuse") for each in ECONOMY[part]}
    assert refused.keys() >= {"applied", "out_of_stock", "insufficient_balance", "limit", "cooldown"}
    assert boards == {(board, whole) for board in ("xp", "season", "b") for whole in (True, False)} | {("split", False)}


@given(events=HISTORIES)
def test_accounts_sum_to_zero_and_agree_with_the_profiles(events: list[Event]) -> None:
    """In every currency; no actor ever has less than nothing, and what is reserved is the only difference."""
    play, _ = played(events)

    accounts: Counter[tuple[str, str]] = Counter()
    for _, posting in play.ledger:
        assert posting.amount > 0
        accounts[posting.debit_account, posting.currency] -= posting.amount
        accounts[posting.credit_account, posting.currency] += posting.amount
        assert not posting.debit_account.startswith("actor:") or accounts[posting.debit_account, posting.currency] >= 0
    for currency in ("xp", "coins"):
        assert sum(amount for (_, of), amount in accounts.items() if of == currency) == 0
        for actor, profile in play.actors.items():
            assert profile.balances.get(currency, 0) == accounts[f"actor:{actor}", currency] >= 0


@given(events=HISTORIES)
def test_no_state_breaks_a_declared_limit(events: list[Event]) -> None:
    """Stock, number per actor, freezes, tiers, quests once."""
    play, decisions = played(events)

    assert 0 <= play.taken["rare"] <= STOCK
    completed = Counter[tuple[str, str]]()
    for event, decision in zip(events, decisions, strict=True):
        completed.update(
            (event.subject, fact.data["quest"]) for fact in decision.facts if fact.type == "quest.completed"
        )
    assert set(completed.values()) <= {1}
    for profile in play.actors.values():
        game = profile.game
        if game is None:
            continue
        assert game.redeemed.get("rare", 0) <= 2
        assert game.redeemed.get("plain", 0) <= 3
        assert game.badges["count"].steps <= 2 if "count" in game.badges else True
        assert all(each.state != "pending" for each in game.redemptions)
        for name, state in game.streaks.items():
            assert len(state.frozen) <= 2 * 2, name  # two months are touched at most
    standing = [
        sum(each.state == "active" for each in (p.game.redemptions if p.game else ()) if each.claim)
        for p in play.actors.values()
    ]
    assert sum(standing) == play.taken["rare"]


@given(events=HISTORIES)
def test_no_rule_gives_more_than_it_may(events: list[Event]) -> None:
    """In the day, week and hour of the event's time, in the zone that the actor was in when it was judged."""
    play = Play(compiled(ECONOMY))
    times, given_ = Counter[tuple[str, str, object]](), Counter[tuple[str, object]]()
    latest: dict[str, datetime] = {}
    for event in events:
        zone = zone_of(play, event.subject)
        decision = play.apply(event)
        local = event.time.astimezone(zone)
        awarded = {each.cause for each in decision.postings if each.kind == "award"}
        assert not (awarded and any(fact.data.get("refused") for fact in decision.facts))
        times.update((rule, event.subject, local.date()) for rule in awarded & {"work"})
        times.update((rule, event.subject, event.time) for rule in awarded & {"often"})
        for each in decision.postings:
            if each.cause == "more":
                given_[event.subject, local.isocalendar()[:2]] += each.amount
        if "slow" in awarded:
            before = latest.get(event.subject)
            assert before is None or abs(event.time - before) >= timedelta(hours=5)
            latest[event.subject] = max(event.time, before or event.time)

    assert all(count <= {"work": 4, "often": 1}[rule] for (rule, _, _), count in times.items())
    assert all(amount <= 20 for amount in given_.values())


@given(events=HISTORIES)
def test_no_more_events_count_in_an_hour_than_abuse_limits_let_through(events: list[Event]) -> None:
    """What is refused gives nothing and moves no streak, no badge and no quest."""
    play = Play(compiled(ECONOMY))
    passed: Counter[tuple[str, datetime]] = Counter()
    for event in events:
        if event.type.startswith(COMMAND_PREFIX):
            play.apply(event)
            continue
        before = play.actors.get(event.subject, EMPTY)
        decision = play.apply(event)
        if passed[event.subject, event.time] < FLOOD:
            passed[event.subject, event.time] += 1
            continue
        after = decision.profile
        assert (decision.postings, decision.scores, after.balances) == ((), (), before.balances)
        assert before.game is not None
        assert after.game is not None
        assert (after.game.streaks, after.game.badges) == (before.game.streaks, before.game.badges)


@given(events=HISTORIES, cut=st.integers(0, 120))
def test_any_prefix_replayed_twice_equals_once(events: list[Event], cut: int) -> None:
    """A profile passes over what lies at or below its sequence; what left no mark on it is judged as before."""
    play, _ = played(events)
    log = list(enumerate(play.log))
    profiles: dict[str, Profile] = {}
    posted: Counter[tuple[int, str, int]] = Counter()

    for seq, event in log[:cut] + log:
        before = profiles.get(event.subject, EMPTY)
        if seq > before.seq:
            decision = apply(before, event, play.economy, seq)
            profiles[event.subject] = decision.profile
            posted.update((seq, each.credit_account, each.amount) for each in decision.postings)

    assert profiles == play.actors
    assert posted.total() == len(play.ledger)


@given(events=HISTORIES, seed=st.integers(0, 2**32))
def test_the_order_of_different_actors_does_not_matter(events: list[Event], seed: int) -> None:
    """Each actor's events in their order, all interleaved otherwise; save for who gets the last piece of a stock."""
    plenty = ECONOMY | {"rewards": [reward | {"stock": 1_000} for reward in rewards()]}
    by_actor: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_actor[event.subject].append(event)
    random, shuffled = Random(seed), list[Event]()
    while by_actor:
        actor = random.choice(sorted(by_actor))
        shuffled.append(by_actor[actor].pop(0))
        if not by_actor[actor]:
            del by_actor[actor]

    one, other = played(events, plenty)[0], played(shuffled, plenty)[0]

    one.now = other.now
    assert {actor: one.shown(actor) for actor in ACTORS} == {actor: other.shown(actor) for actor in ACTORS}
    assert totals(one) == totals(other)


@given(events=HISTORIES)
def test_leaderboards_have_what_was_earned(events: list[Event]) -> None:
    """The score in xp is what was issued and adjusted, less what reversals took back."""
    play, decisions = played(events)
    scores: Counter[str] = Counter()
    for event, decision in zip(events, decisions, strict=True):
        scores.update({event.subject: sum(each.points for each in whole(decision, "xp"))})

    earned: Counter[str] = Counter()
    for event, posting in play.ledger:
        if posting.currency == "xp" and {posting.debit_account, posting.credit_account} & {"issued", "adjusted"}:
            sign = 1 if posting.debit_account in {"issued", "adjusted"} else -1
            earned.update({event.subject: sign * posting.amount})
    assert {actor: score for actor, score in scores.items() if score} == {a: e for a, e in earned.items() if e}


@given(events=HISTORIES)
def test_seasons_splits_and_leagues_are_parts_of_the_whole(events: list[Event]) -> None:
    """A season has what was earned by its events, less what was taken back of them; a league what its actors earned."""
    play = Play(compiled(ECONOMY))
    happened = {event.id: event.time for event in events}
    for event in events:
        league = play.actors.get(event.subject, EMPTY).attributes.get("league")
        decision = play.apply(event)
        at = happened[event.data["id"]] if event.type == "plaudit.reverse" else event.time
        points = sum(each.points for each in whole(decision, "xp"))
        in_season = [
            window
            for window, first, end in (("2026-11-12", 12, 16), ("2026-11-17", 17, 20))
            if datetime(2026, 11, first, tzinfo=UTC) <= at < datetime(2026, 11, end, tzinfo=UTC)
        ]
        assert [(each.window, each.points) for each in whole(decision, "season")] == [
            (window, points) for window in in_season if points
        ]
        if not event.type.startswith(COMMAND_PREFIX):
            leagues = [(each.split, each.points) for each in decision.scores if each.board == "xp" and each.split]
            assert leagues == ([(f"league={league}", points)] if league and points else [])


def test_the_reference_economy_plays_any_history() -> None:
    """On events such as the demo's, far from its dates."""
    text = Path(__file__).parents[2].joinpath("pipeline", "demo", "economy.yaml").read_text(encoding="utf-8")
    document: Any = parse_document(text)
    random = Random(7)
    kinds = ["commit.authored", "commit.authored", "pr.merged", "review.submitted", "plaudit.reward.redeem"]
    events = [
        builders.event(
            id=f"e-{number}",
            tenant="demo",
            type=random.choice(kinds),
            time=builders.INSTANT + timedelta(hours=5 * number),
            data={"insertions": random.randrange(300), "deletions": random.randrange(60), "files": 3, "reward": "mug"},
        )
        for number in range(600)
    ]

    play, decisions = played(events, document)

    told = {fact.type for decision in decisions for fact in decision.facts}
    assert told >= {"points.awarded", "level.reached", "streak.updated", "badge.awarded", "quest.completed"}
    assert "reward.redeemed" in told
    assert play.taken["mug"] == 1


def zone_of(play: Play, actor: str) -> ZoneInfo:
    """Return the zone that an actor is in by now."""
    return ZoneInfo(str(play.actors.get(actor, EMPTY).attributes.get("timezone", ECONOMY["timezone"])))


def whole(decision: Decision, board: str) -> list[Score]:
    """Return what a leaderboard gets, its leagues left out."""
    return [each for each in decision.scores if each.board == board and each.split is None]


def rewards() -> Sequence[dict[str, Any]]:
    """Return the rewards of the economy."""
    found: Any = ECONOMY["rewards"]
    return list(found)


def totals(play: Play) -> Counter[tuple[str, str, str]]:
    """Return what was moved between each two accounts."""
    moved: Counter[tuple[str, str, str]] = Counter()
    for _, each in play.ledger:
        moved[each.debit_account, each.credit_account, each.currency] += each.amount
    return moved
