"""The whole match core, on generated economies and histories, against a model that remembers everything."""

from collections import Counter, defaultdict
from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.events import Event
from rules.compiler import compile_economy
from rules.decision import Decision
from rules.document import EconomyDocument, validate
from rules.economy import Economy
from rules.evaluate import apply
from rules.multipliers import multiplied
from rules.profile import EMPTY, Profile
from tables import profiles
from tests import builders
from tests.properties.match_model import Model

CURRENCY = st.sampled_from(["xp", "coins"])
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
ZONE = st.sampled_from(ZONES)
FACTOR = st.sampled_from(["0.5", "1.1", "1.5", "2", "0.333", "1.000000001"])
TEAMS = ("red", "blue", "green")
TEAM = [{"field": "data.team", "op": "eq", "value": team} for team in TEAMS]
CONDITION = st.sampled_from(
    [
        *TEAM,  # often, so that rules are looked up by the team
        *TEAM,
        {"all": [TEAM[0], {"field": "data.n", "op": "lt", "value": 9}]},
        {"field": "actor.tier", "op": "eq", "value": "vip"},
        {"field": "data.n", "op": "gte", "value": 5},
        {"field": "profile.balance.xp", "op": "gte", "value": 40},
        {"field": "profile.balance.coins", "op": "lt", "value": 70},
        {"field": "profile.level", "op": "lte", "value": 2},
        {"not": {"any": [{"field": "data.n", "op": "exists", "value": False}, TEAM[1]]}},
    ]
)
AMOUNT = st.integers(1, 30) | st.fixed_dictionaries(
    {"field": st.just("data.n"), "per": st.integers(1, 4), "times": st.integers(1, 3)}
)
PER = st.sampled_from(["hour", "day", "week", "month", "ever"])


@st.composite
def rule(draw: st.DrawFn) -> dict[str, Any]:
    """Return a rule without an id."""
    award = draw(st.dictionaries(CURRENCY, AMOUNT, min_size=1))
    times = st.fixed_dictionaries({"times": st.integers(1, 3), "per": PER})
    amount = st.fixed_dictionaries({"amount": st.integers(1, 60), "of": st.sampled_from(sorted(award)), "per": PER})
    optional = {"when": CONDITION, "limit": times | amount, "cooldown": st.sampled_from(["30m", "60m", "300m"])}
    on = st.sampled_from(["a.x", "a.x", "a.y", "b", "a.*", "*", ["a.x", "b"], ["a.x", "a.*"]])
    required = {"on": on, "award": st.just(award), "multipliers": st.booleans()}
    return draw(st.fixed_dictionaries(required, optional=optional))


WINDOW = {"from": st.just("2026-10-25T00:00:00Z"), "until": st.just("2026-10-26T00:00:00Z")}
MULTIPLIER = st.fixed_dictionaries({"factor": FACTOR}, optional={"currency": CURRENCY, "when": CONDITION, **WINDOW})
LEVELS = st.fixed_dictionaries(
    {
        "currency": CURRENCY,
        "thresholds": st.lists(st.integers(1, 200), unique=True, max_size=6).map(lambda points: [0, *sorted(points)]),
        "award": st.dictionaries(CURRENCY, st.integers(1, 20)),
    }
)
BOARD = st.fixed_dictionaries(
    {"currency": CURRENCY, "window": st.sampled_from(["day", "week", "month", "all"])},
    optional={"split": st.just("data.team")},
)


def named(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries with ids."""
    return [{"id": f"id-{index}"} | entry for index, entry in enumerate(entries)]


DOCUMENTS = st.fixed_dictionaries(
    {
        "economy": st.just("acme"),
        "timezone": ZONE,
        "currencies": st.just({"xp": {}, "coins": {}}),
        "rules": st.lists(rule(), min_size=3, max_size=12).map(named),
        "multipliers": st.lists(MULTIPLIER, min_size=1, max_size=3).map(named),
        "stacking": st.sampled_from(["multiply", "highest", "add"]),
        "leaderboards": st.lists(BOARD, min_size=1, max_size=3).map(named),
    },
    optional={"levels": LEVELS},
)
# Around the end of summer time in Berlin, at full and half hours, out of order.
NUMBERS = (*range(-2, 40), 2.5, 7.999, True, "7", None)


def history(length: int, seed: int) -> list[Event]:
    """Return what an actor did. Made from a seed: lists of Hypothesis are too short to reach limits and levels."""
    random = Random(seed)
    return [one_event(random) for _ in range(length)]


def one_event(random: Random) -> Event:
    """Return an event, or now and then a command that changes the actor's attributes."""
    if random.random() < 0.1:
        changes = {"tier": "vip"} if random.random() < 0.5 else {"timezone": random.choice(ZONES)}
        return builders.event(type="plaudit.attributes.set", data=changes)
    data: dict[str, Any] = {"n": random.choice(NUMBERS), "team": random.choice(TEAMS)}
    minutes = 30 * random.randint(-30, 30) * random.choice([1, 1, 6])
    return builders.event(
        type=random.choice(["a.x", "a.x", "a.y", "b", "c"]),
        time=builders.INSTANT - timedelta(days=22) + timedelta(minutes=minutes),
        data={name: value for name, value in data.items() if random.random() < 0.8},
    )


HISTORIES = st.builds(history, st.sampled_from([1, 5, 20, 60, 60, 60]), st.integers(0, 2**32))


def compiled(raw: dict[str, Any]) -> Economy:
    """Return the economy of a document that must be valid."""
    document = validate(raw)
    assert isinstance(document, EconomyDocument), document
    return compile_economy(document, revision=1, effective_ms=0)


def play(economy: Economy, events: list[Event]) -> list[Decision]:
    """Apply events; every profile passes through its stored form."""
    decisions, profile = [], EMPTY
    for seq, event in enumerate(events):
        decision = apply(profile, event, economy, seq)
        profile = profiles.decode(profiles.encode(decision.profile))
        assert profile == decision.profile
        decisions.append(decision)
    return decisions


@settings(max_examples=300)
@given(raw=DOCUMENTS, events=HISTORIES)
def test_match_core_does_what_the_model_does(raw: dict[str, Any], events: list[Event]) -> None:
    """Postings, balances, levels and scores, after every event."""
    model = Model(raw)

    for event, decision in zip(events, play(compiled(raw), events), strict=True):
        posted = model.apply(event)

        assert [(each.currency, each.amount, each.cause) for each in decision.postings] == posted
        assert decision.profile.balances == {name: amount for name, amount in model.balances.items() if amount}
        assert decision.profile.level == model.level
        assert {each.board: (each.window, each.points, each.split) for each in decision.scores} == model.scores(
            event, posted
        )


@given(raw=DOCUMENTS, events=HISTORIES)
def test_postings_sum_to_zero_and_to_the_balances(raw: dict[str, Any], events: list[Event]) -> None:
    """What the actor has is what was issued, in every currency, and every posting is a fact."""
    accounts: Counter[tuple[str, str]] = Counter()
    last = EMPTY

    for decision in play(compiled(raw), events):
        for each in decision.postings:
            assert each.amount > 0
            accounts[each.debit_account, each.currency] -= each.amount
            accounts[each.credit_account, each.currency] += each.amount
        told = [fact.data["amount"] for fact in decision.facts if fact.type == "points.awarded"]
        assert told == [each.amount for each in decision.postings]
        last = decision.profile

    for currency in ("xp", "coins"):
        assert accounts["issued", currency] + accounts[f"actor:{builders.ACTOR}", currency] == 0
        assert accounts[f"actor:{builders.ACTOR}", currency] == last.balances.get(currency, 0)


@given(limit=st.integers(1, 5), days_max=st.integers(1, 80), seed=st.integers(0, 2**32), points=st.booleans())
def test_limit_is_never_exceeded_however_late_events_come(limit: int, days_max: int, seed: int, points: bool) -> None:
    """Over more periods than are remembered, in any order."""
    random = Random(seed)
    days = [random.randint(0, days_max) for _ in range(200)]
    measure: dict[str, Any] = {"amount": limit, "of": "xp"} if points else {"times": limit}
    economy = builders.economy({"award": {"xp": 2 if points else 1}, "limit": measure | {"per": "day"}})
    given_per_day: dict[int, int] = defaultdict(int)
    profile = EMPTY

    for seq, day in enumerate(days):
        decision = apply(profile, builders.event(time=builders.INSTANT + timedelta(days=day)), economy, seq)
        given_per_day[day] += sum(each.amount for each in decision.postings)
        profile = decision.profile

    assert all(amount <= limit for amount in given_per_day.values())


@given(amount=st.integers(0, 10**18), text=st.decimals(0, 1_000, places=9, allow_nan=False))
def test_product_is_exact_and_rounded_toward_zero(amount: int, text: Any) -> None:
    """The greatest whole number that is not beyond the product."""
    factor = Fraction(text)

    assert multiplied(amount, factor) <= amount * factor < multiplied(amount, factor) + 1


@given(raw=DOCUMENTS, events=HISTORIES)
def test_same_arguments_give_the_same_decision(raw: dict[str, Any], events: list[Event]) -> None:
    """A redelivered event is judged again exactly as before, by another worker's compilation too."""
    first, second = compiled(raw), compiled(raw)

    play(first, [*events, *events])

    assert play(first, events) == play(second, events)


@given(events=HISTORIES)
def test_event_that_changes_nothing_returns_the_profile_itself(events: list[Event]) -> None:
    """So that the shell need not compare."""
    economy = builders.economy({"on": "a.x", "limit": {"times": 1, "per": "day"}})
    profile: Profile = EMPTY

    for seq, event in enumerate(events):
        decision = apply(profile, event, economy, seq)
        assert (decision.profile is profile) == (not decision.postings and decision.outcome is None)
        profile = decision.profile
