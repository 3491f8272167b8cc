"""What one event earns: awards, limits, cooldowns, multipliers, levels, scores, and what can't be judged."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import InvariantBroken, PoisonEvent, Reason
from pipeline.events import Event, Score
from rules.decision import Decision
from rules.economy import Economy
from rules.evaluate import apply
from rules.profile import EMPTY, Profile
from tests import builders

VIP = {"id": "vip", "factor": 1.5, "when": {"field": "actor.tier", "op": "eq", "value": "vip"}}


def play(economy: Economy, *events: Event, profile: Profile = EMPTY) -> list[Decision]:
    """Apply events one after the other; return the decisions."""
    decisions = []
    for event in events:
        decision = apply(profile, event, economy, profile.seq + 1)
        decisions.append(decision)
        profile = decision.profile
    return decisions


def earned(decision: Decision) -> list[tuple[str, int, str, str]]:
    """Return currency, amount, kind and cause of each posting."""
    return [(each.currency, each.amount, each.kind, each.cause) for each in decision.postings]


def merged(time: datetime = builders.INSTANT, **data: Any) -> Event:
    """Return a merge."""
    return builders.event(time=time, data=data)


def after(**delta: float) -> datetime:
    """Return an instant so long after the builders' one."""
    return builders.INSTANT + timedelta(**delta)


def totals(decisions: list[Decision], currency: str = "xp") -> list[int]:
    """Return what each event earned."""
    return [sum(each.amount for each in decision.postings if each.currency == currency) for decision in decisions]


def test_event_without_a_rule_changes_nothing() -> None:
    """The very profile comes back, so that nothing is stored."""
    [decision] = play(builders.economy({"on": "push"}), merged())

    assert decision == Decision(EMPTY)
    assert decision.profile is EMPTY


def test_award_moves_points_from_issued_to_the_actor() -> None:
    """Every posting debits one account and credits another."""
    [decision] = play(builders.economy({"award": {"xp": 50, "coins": 15}}), merged())

    assert [(each.debit_account, each.credit_account) for each in decision.postings] == [("issued", "actor:ada")] * 2
    assert earned(decision) == [("xp", 50, "award", "rule-0"), ("coins", 15, "award", "rule-0")]
    assert decision.profile.balances == {"xp": 50, "coins": 15}
    assert [(fact.type, fact.data["amount"], fact.data["balance"]) for fact in decision.facts] == [
        ("points.awarded", 50, 50),
        ("points.awarded", 15, 15),
    ]


def test_rules_match_by_type_prefix_and_list_in_document_order() -> None:
    """A rule fires once per event, however many of its patterns match."""
    economy = builders.economy(
        {"on": "*"},
        {"on": ["pr.merged", "pr.*"]},
        {"on": "pr.*"},
        {"on": "pr.merged.*"},
        {"on": "pr"},
        {"on": ["push", "pr.merged"]},
    )

    [decision] = play(economy, merged())

    assert [each.cause for each in decision.postings] == ["rule-0", "rule-1", "rule-2", "rule-5"]


def test_rules_told_apart_by_a_text_keep_their_order() -> None:
    """Looking rules up by a field's text changes neither which fire nor their order."""
    needs = [{"field": "data.repo", "op": "eq", "value": name} for name in ("core", "web", "core", "docs")]
    whens = [needs[0], None, needs[1], {"all": [needs[2], {"field": "data.n", "op": "gt", "value": 1}]}, needs[3], None]
    economy = builders.economy(*({"when": when} if when else {} for when in whens))

    decisions = play(economy, merged(repo="core", n=2), merged(repo="other"), merged(), merged(repo=["core"]))

    causes = [[each.cause[-1] for each in decision.postings] for decision in decisions]
    assert causes == [["0", "1", "3", "5"], ["1", "5"], ["1", "5"], ["1", "5"]]


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (250, 6),
        (99, 0),
        (0, 0),
        (-500, 0),
        (399.99, 9),
        (True, 0),
        ("250", 0),
        (None, 0),
        ([250], 0),
        (10**16, 3 * 10**14),
    ],
)
def test_amount_from_a_field(value: object, amount: int) -> None:
    """floor(value / per) times `times`; what is no amount earns nothing and uses nothing up."""
    economy = builders.economy(
        {
            "award": {"xp": {"field": "data.cents", "per": 100, "times": 3}},
            "limit": {"times": 1, "per": "ever"},
            "cooldown": "1h",
        }
    )

    [decision] = play(economy, merged(cents=value))

    assert totals([decision]) == [amount]
    if not amount:
        assert decision.profile is EMPTY
        assert decision.skipped == (("rule-0", "zero"),)


def test_limit_of_times_counts_in_the_day_of_the_event() -> None:
    """A late event counts in its own day, and days do not disturb each other."""
    economy = builders.economy({"limit": {"times": 2, "per": "day"}})

    decisions = play(
        economy,
        merged(),
        merged(),
        merged(),
        merged(after(days=1)),
        merged(after(days=-1)),
        merged(after(hours=1)),
        merged(after(days=1)),
    )

    assert totals(decisions) == [10, 10, 0, 10, 10, 0, 10]
    assert decisions[2].skipped == (("rule-0", "limit"),)


def test_limit_of_an_amount_gives_what_is_left() -> None:
    """The limited currency is cut, the others are not."""
    economy = builders.economy(
        {"award": {"xp": 40, "coins": 1}, "limit": {"amount": 100, "of": "xp", "per": "week"}, "multipliers": True},
        multipliers=[{"id": "m", "factor": 1.5, "currency": "xp"}],
    )

    decisions = play(economy, merged(), merged(), merged(), merged(after(days=7)))

    assert totals(decisions) == [60, 40, 0, 60]
    assert totals(decisions, "coins") == [1, 1, 1, 1]


def test_day_of_a_limit_is_the_actors() -> None:
    """The attribute `timezone` decides, the tenant's zone where it names none."""
    economy = builders.economy({"limit": {"times": 1, "per": "day"}}, timezone="Europe/Berlin")
    noon, evening = merged(), merged(after(hours=11, minutes=30))  # 00:30 of the next day in Berlin

    for zone, expected in (("America/New_York", [10, 0]), ("Mars/Phobos", [10, 10]), (7, [10, 10])):
        profile = Profile(attributes={"timezone": zone})
        assert totals(play(economy, noon, evening, profile=profile)) == expected
    assert totals(play(economy, noon, evening)) == [10, 10]


def test_event_older_than_all_remembered_periods_is_never_paid_twice() -> None:
    """Of each limit 32 periods are remembered; what is older is refused with a reason rather than paid again."""
    economy = builders.economy({"limit": {"times": 1, "per": "day"}})
    history = [merged(after(days=day)) for day in range(33)]

    decisions = play(
        economy, *history, merged(after(days=0)), merged(after(days=-5)), merged(after(days=1)), merged(after(days=40))
    )

    assert totals(decisions) == [10] * 33 + [0, 0, 0, 10]
    assert [each.skipped for each in decisions[33:36]] == [
        (("rule-0", "too_old"),),
        (("rule-0", "too_old"),),
        (("rule-0", "limit"),),
    ]


def test_changed_limit_does_not_read_the_old_count() -> None:
    """A count of days means nothing to a limit per hour, nor one of times to one of points."""
    profile = play(builders.economy({"limit": {"times": 1, "per": "day"}}), merged())[-1].profile

    for limit in ({"times": 1, "per": "hour"}, {"amount": 10, "of": "xp", "per": "day"}):
        assert totals(play(builders.economy({"limit": limit}), merged(), profile=profile)) == [10]


def test_cooldown_compares_event_times_in_either_direction() -> None:
    """What counts is the latest awarded event, not the order of arrival."""
    economy = builders.economy({"cooldown": "10m"})

    decisions = play(
        economy,
        merged(),
        merged(after(minutes=9, seconds=59)),
        merged(after(minutes=10)),
        merged(after(minutes=5)),  # less than ten minutes before the latest
        merged(after(minutes=-1)),
        merged(after(minutes=19)),
        merged(after(minutes=20)),
    )

    assert totals(decisions) == [10, 0, 10, 0, 10, 0, 10]
    assert decisions[1].skipped == (("rule-0", "cooldown"),)


@pytest.mark.parametrize(("stacking", "expected"), [("multiply", 15), ("highest", 10), ("add", 13)])
def test_factors_stack_as_the_economy_says(stacking: str, expected: int) -> None:
    """7 times 2.145, times 1.5, times 1.9: exact, and rounded once, toward zero."""
    factors = [{"id": f"m{index}", "factor": factor} for index, factor in enumerate((1.1, 1.5, 1.3))]
    economy = builders.economy(
        {"award": {"xp": 7}}, {"award": {"xp": 7}, "multipliers": False}, multipliers=factors, stacking=stacking
    )

    [decision] = play(economy, merged())

    assert [each.amount for each in decision.postings] == [expected, 7]


def test_decimal_factor_is_not_a_binary_one() -> None:
    """1.1 times 10 is 11, and 0.29 times 100 is 29, as people multiply."""
    for factor, amount, product in ((1.1, 10, 11), (0.29, 100, 29), (1.15, 100, 115), ("0.000000001", 10**9, 1)):
        economy = builders.economy({"award": {"xp": amount}}, multipliers=[{"id": "m", "factor": factor}])
        assert totals(play(economy, merged())) == [product]


def test_multiplier_holds_in_its_window_for_its_currency() -> None:
    """From the first instant to before the last, by the event's own time."""
    window = {"from": "2026-11-16T12:00:00Z", "until": "2026-11-16T13:00:00Z"}
    economy = builders.economy(
        {"award": {"xp": 10, "coins": 10}}, multipliers=[{"id": "m", "currency": "xp", "factor": 2} | window]
    )

    decisions = play(economy, merged(after(seconds=-1)), merged(), merged(after(minutes=59)), merged(after(hours=1)))

    assert totals(decisions) == [10, 20, 20, 10]
    assert totals(decisions, "coins") == [10] * 4


def test_rules_see_what_earlier_rules_gave_but_multipliers_do_not() -> None:
    """Rules come in document order; factors are those of the profile before the event."""
    rich = {"field": "profile.balance.xp", "op": "gte", "value": 50}
    economy = builders.economy(
        {"award": {"xp": 50}, "multipliers": False},
        {"award": {"coins": 10}, "when": rich},
        multipliers=[{"id": "m", "factor": 2, "when": rich}],
    )

    decisions = play(economy, merged(), merged())

    assert totals(decisions, "coins") == [10, 20]


def test_award_multiplied_to_nothing_uses_nothing_up() -> None:
    """An award of 0 posts nothing, and neither limit nor cooldown notices."""
    economy = builders.economy(
        {"award": {"xp": 1}, "limit": {"times": 1, "per": "ever"}, "cooldown": "1d"},
        multipliers=[{"id": "m", "factor": 0.5, "until": "2026-11-16T12:00:01Z"}],
    )

    decisions = play(economy, merged(), merged(after(seconds=1)))

    assert totals(decisions) == [0, 1]
    assert decisions[0].profile is EMPTY


def test_each_level_crossed_gives_its_award_once() -> None:
    """An award in the level currency may lift the actor further; it is not multiplied."""
    levels = {"currency": "xp", "thresholds": [0, 50, 55, 60, 500], "award": {"xp": 4, "coins": 1}}
    economy = builders.economy({"award": {"xp": 50}}, levels=levels, multipliers=[VIP])

    first, second = play(economy, merged(), merged(), profile=Profile(attributes={"tier": "vip"}))

    assert earned(first)[:1] == [("xp", 75, "award", "rule-0")]
    assert earned(first)[1:] == [
        (currency, amount, "bonus", f"level:{level}")
        for level in (2, 3, 4)
        for currency, amount in (("xp", 4), ("coins", 1))
    ]
    assert [fact.data["level"] for fact in first.facts if fact.type == "level.reached"] == [2, 3, 4]
    assert first.profile.level == 4
    assert earned(second) == [("xp", 75, "award", "rule-0")]


def test_level_is_never_taken_away() -> None:
    """Neither by a lower balance nor by higher thresholds."""
    economy = builders.economy({"award": {"xp": 1}}, levels={"currency": "xp", "thresholds": [0, 10]})

    [decision] = play(economy, merged(), profile=Profile(level=7, balances={"xp": 3}))

    assert decision.profile.level == 7


def test_scores_are_summed_per_board_in_the_tenants_zone() -> None:
    """Every posting to the actor counts, in the window of the event's own time."""
    economy = builders.economy(
        {"award": {"xp": 50}},
        {"award": {"xp": 5, "coins": 1}},
        levels={"currency": "xp", "thresholds": [0, 50], "award": {"xp": 100}},
        leaderboards=[
            {"id": "daily", "currency": "xp", "window": "day"},
            {"id": "points", "currency": "points", "window": "day"},
            {"id": "split", "currency": "coins", "window": "week", "split": "data.journey"},
            {"id": "ever", "currency": "xp", "window": "all"},
        ],
        timezone="Europe/Berlin",
    )

    [decision] = play(
        economy,
        merged(after(hours=11, minutes=30), journey="onboarding"),
        profile=Profile(attributes={"timezone": "UTC"}),
    )

    assert decision.scores == (
        Score(board="daily", window="2026-11-17", points=155),
        Score(board="split", window="2026-11-16", points=1, split="onboarding"),
        Score(board="ever", window="all", points=155),
    )


@pytest.mark.parametrize(
    ("value", "split"),
    [("a", "a"), ("", ""), (7, "7"), (-1, "-1"), (True, "true"), (False, "false"), (2**64, str(2**64))]
    + [(value, None) for value in (None, 1.5, [], {}, "x" * 257, 10**1_000)],
)
def test_split_of_a_board(value: object, split: str | None) -> None:
    """Texts, whole numbers and booleans name a board; anything else counts for none."""
    economy = builders.economy({}, leaderboards=[{"id": "b", "currency": "xp", "window": "all", "split": "data.x"}])

    [decision] = play(economy, merged(x=value))

    assert [score.split for score in decision.scores] == ([] if split is None else [split])


@pytest.mark.parametrize(
    ("rules", "profile"),
    [
        ([{"award": {"coins": 1}}, {"award": {"xp": {"field": "data.x"}}}], EMPTY),
        ([{"award": {"xp": 10**15}}], Profile(balances={"xp": 2**53 - 10**15})),
    ],
)
def test_amount_out_of_range_refuses_the_whole_event(rules: list[dict[str, Any]], profile: Profile) -> None:
    """Nothing of it is applied, not even what was in range."""
    with pytest.raises(PoisonEvent) as refusal:
        play(builders.economy(*rules), merged(x=10**15 + 1), profile=profile)

    assert refusal.value.reason is Reason.AMOUNT_OUT_OF_RANGE


def test_amounts_at_the_bounds_are_held() -> None:
    """The greatest posting, the greatest balance, and a limit that cuts a boundless amount."""
    limit = {"amount": 10**15, "of": "xp", "per": "ever"}
    economy = builders.economy(
        {"award": {"xp": {"field": "data.x"}}, "limit": limit}, multipliers=[{"id": "m", "factor": 1_000_000}]
    )

    [decision] = play(economy, merged(x=10**300), profile=Profile(balances={"xp": 2**53 - 1 - 10**15}))

    assert decision.profile.balances == {"xp": 2**53 - 1}


@pytest.mark.parametrize(
    ("event_type", "version", "accepted"),
    [
        ("pr.merged", "1.4.0", True),
        ("pr.merged", "2", True),
        ("pr.merged", "3.0.0", False),
        ("pr.merged", None, True),
        ("pr.closed", "1.0.0", False),
        ("pr.closed", "5.0.0", True),
        ("push", "9.0.0", True),
        ("pr.merged", "one", False),
        ("pr.merged", "²", False),
    ],
)
def test_unnamed_major_version_is_refused(event_type: str, version: str | None, accepted: bool) -> None:
    """The closest name decides; a type that is not named takes any version."""
    economy = builders.economy({"on": "*"}, dataversions={"pr.merged": [1, 2], "pr.*": [5]})
    event = builders.event(type=event_type, dataversion=version)

    if accepted:
        assert play(economy, event)[0].postings
    else:
        with pytest.raises(PoisonEvent) as refusal:
            play(economy, event)
        assert refusal.value.reason is Reason.UNSUPPORTED_VERSION


@pytest.mark.parametrize(
    ("event_type", "version", "accepted"),
    [
        ("health.sleep.recorded", "3.0.0", True),
        ("health.sleep.recorded", "2.0.0", False),
        ("health.steps", "2.0.0", True),
        ("health", "1.0.0", True),
        ("health", "2.0.0", False),
        ("push", "1.9.9-rc.1", True),
        ("push", "2.0.0", False),
        ("push", None, True),
        ("plaudit.attributes.set", "9.0.0", True),
    ],
)
def test_longest_prefix_names_the_versions_of_every_event_but_commands(
    event_type: str, version: str | None, accepted: bool
) -> None:
    """`*` stands for all that nothing else names, for types without a rule too; a prefix is not its own first word."""
    named = {"*": [1], "health.*": [2], "health.sleep.*": [3]}
    economy = builders.economy({"on": "pr.merged"}, dataversions=named)
    event = builders.event(type=event_type, dataversion=version)

    if accepted:
        play(economy, event)
    else:
        with pytest.raises(PoisonEvent) as refusal:
            play(economy, event)
        assert refusal.value.reason is Reason.UNSUPPORTED_VERSION


def test_sequence_is_applied_once() -> None:
    """The shell skips redeliveries; if it did not, the worker would stop rather than pay twice."""
    decision = apply(EMPTY, merged(), builders.economy({}), 7)

    assert decision.profile.seq == 7
    with pytest.raises(InvariantBroken):
        apply(decision.profile, merged(), builders.economy({}), 7)


def test_profile_passed_in_is_never_changed() -> None:
    """A decision that is thrown away leaves no trace."""
    economy = builders.economy({"limit": {"times": 5, "per": "day"}, "cooldown": "1s"})
    profile = play(economy, merged())[-1].profile
    copy = repr(profile)

    play(economy, merged(after(hours=1)), profile=profile)

    assert repr(profile) == copy
    assert repr(EMPTY) == repr(Profile())
