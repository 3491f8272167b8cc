"""Window arithmetic at any instant, in zones whose clocks do odd things."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from rules.periods import (
    PERIOD_LABELS,
    Period,
    Window,
    next_window,
    previous_window,
    seconds_of,
    window_bounds,
    window_of_date,
    window_start,
)
from rules.zones import Zone, zone_named

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Asia/Kolkata",
        "America/Sao_Paulo",
    ]
)
# Around the days on which these zones changed their clocks, and anywhere else.
CHANGES = st.sampled_from(
    [
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 3, 8, 7, tzinfo=UTC),
        datetime(2026, 11, 1, 6, tzinfo=UTC),
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
        datetime(2011, 12, 30, 10, tzinfo=UTC),
        datetime(2018, 11, 4, 3, tzinfo=UTC),
    ]
)
INSTANTS = st.one_of(
    st.builds(lambda at, seconds: at + timedelta(seconds=seconds), CHANGES, st.integers(-200_000, 200_000)),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # it wants them naive
)
KINDS: st.SearchStrategy[Window] = st.sampled_from(["day", "week", "month"])
LABELLED: st.SearchStrategy[Period] = st.sampled_from(["hour", "day", "week", "month", "ever"])


def first_date(kind: str, local: date) -> date:
    """Return the first date of the window that holds a local date, by counting back."""
    while (kind == "week" and local.isoweekday() != 1) or (kind == "month" and local.day != 1):
        local -= timedelta(days=1)
    return local


@given(kind=KINDS, name=ZONES, instant=INSTANTS)
def test_window_is_that_of_the_local_date(kind: Window, name: str, instant: datetime) -> None:
    """The cached offsets say what a conversion says."""
    local = instant.astimezone(ZoneInfo(name)).date()

    assert window_start(kind, instant, zone_named(name)) == first_date(kind, local).isoformat()


@given(kind=KINDS, name=ZONES, instant=INSTANTS)
def test_window_holds_its_instant_and_no_other_does(kind: Window, name: str, instant: datetime) -> None:
    """Bounds are half open, and the windows beside it begin and end where it does."""
    zone = zone_named(name)
    window = window_start(kind, instant, zone)

    first, after = window_bounds(kind, window, zone)

    assert first <= instant < after
    assert window_start(kind, first, zone) == window
    assert window_start(kind, after - timedelta(microseconds=1), zone) == window
    assert window_start(kind, after, zone) != window
    assert window_bounds(kind, previous_window(kind, window), zone)[1] == first
    assert window_bounds(kind, next_window(kind, window), zone)[0] == after


@given(kind=KINDS, day=st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_neighbours_are_each_others_neighbours(kind: Window, day: date) -> None:
    """No window lies between two neighbours."""
    window = window_of_date(kind, day.isoformat())

    assert previous_window(kind, next_window(kind, window)) == window
    assert next_window(kind, previous_window(kind, window)) == window
    assert window_of_date(kind, window) == window


@given(period=LABELLED, name=ZONES, one=INSTANTS, other=INSTANTS)
def test_later_periods_have_greater_labels(period: Period, name: str, one: datetime, other: datetime) -> None:
    """So that the oldest remembered period is the one with the least label."""
    zone, label = zone_named(name), PERIOD_LABELS[period]
    early, late = sorted((one, other))

    assert label(seconds_of(early), zone) <= label(seconds_of(late), zone)


@given(name=ZONES, instants=st.lists(INSTANTS, max_size=5))
def test_cache_of_offsets_never_changes_an_answer(name: str, instants: list[datetime]) -> None:
    """A zone that has seen other days answers like a new one."""
    shared = zone_named(name)

    for instant in instants:
        fresh = Zone(name, shared.info)
        assert shared.offset(seconds_of(instant)) == fresh.offset(seconds_of(instant))
        assert shared.offset(seconds_of(instant)) == fresh._exact(seconds_of(instant))
