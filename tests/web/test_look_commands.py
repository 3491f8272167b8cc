"""`plaudit leaderboard` and `plaudit profile` against workers' web views."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from rules.attributes import set_attributes
from rules.decision import Outcome
from rules.profile import EMPTY, Profile
from tests.builders import ACTOR, TENANT, event
from tests.scenarios.runner import Play, compiled
from tests.web.test_board_views import ALL_FIRST, rows
from tests.web.workers import PARTITIONS, MemoryEconomies, Status, serving, with_profiles, with_scores

ROOT = Path(__file__).parents[2]


async def plaudit(*arguments: str, **addresses: str) -> tuple[int, str, str]:
    """Run a command in a process of its own; return exit code, output and messages."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pipeline",
        *arguments,
        cwd=ROOT,
        env={f"PLAUDIT_WEB_{stage.upper()}": url for stage, url in addresses.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, messages = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode(), messages.decode()


async def test_leaderboard_as_json_is_a_list_of_entries() -> None:
    """What a script reads: rank, actor, score."""
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows())
        code, output, messages = await plaudit(
            "leaderboard", "acme", "weekly", "--limit", "2", "--format", "json", leaderboards=one.url
        )

    assert (code, messages) == (0, "")
    assert json.loads(output) == [
        {"rank": rank, "actor": actor, "score": score} for rank, actor, score in ALL_FIRST[:2]
    ]


async def test_leaderboard_as_a_table_shows_every_line() -> None:
    """What a person reads, with the options passed on."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], rows("split", "2026-11-15", "north"))
        code, output, _ = await plaudit(
            "leaderboard", "acme", "split", "--window", "previous", "--split", "north", "--around", "a/b %2F",
            leaderboards=worker.url,
        )  # fmt: skip

    assert code == 0
    assert all(str(value) in output for line in ALL_FIRST for value in line)
    assert "6 actors" in output


async def test_profile_is_shown_in_both_forms() -> None:
    """The same profile, for people and for scripts."""
    async with serving("match", *range(PARTITIONS)) as worker:
        with_profiles([worker], {"..": Profile(level=2, balances={"xp": 120}, attributes={"tier": "gold"})})
        _, output, _ = await plaudit("profile", "acme", "..", "--format", "json", match=worker.url)
        code, table, _ = await plaudit("profile", "acme", "..", match=worker.url)

    assert json.loads(output)["level"] == {"number": 2, "points": 120, "next_at": 250}
    assert code == 0
    assert all(text in table for text in ("120", "gold", "the next at 250"))


GAME = {
    "streaks": [{"id": "daily", "on": "a", "every": "day"}],
    "badges": [{"id": "merger", "count": {"on": "a"}, "tiers": {"bronze": 1}}],
    "quests": [{"id": "first", "tasks": [{"id": "b", "on": "a", "times": 3}]}],
    "rewards": [{"id": "mug", "cost": {"coins": 5}}],
}


async def test_profile_shows_the_whole_game() -> None:
    """Streaks, badges, quests and rewards, as they stand now."""
    played = Play(compiled(GAME))
    played.apply(event(type="plaudit.adjust", data={"currency": "coins", "amount": 5}))
    played.apply(event(type="a"))
    played.apply(event(type="plaudit.reward.redeem", data={"reward": "mug"}))
    async with serving("match", *range(PARTITIONS), economies=MemoryEconomies({TENANT: played.economy})) as worker:
        with_profiles([worker], played.actors)
        code, table, _ = await plaudit("profile", "acme", ACTOR, match=worker.url)

    assert code == 0
    for text in ("streak daily", "merger (bronze)", "quest first", "b 1/3", "reward mug", "active"):
        assert text in table, table


async def test_friends_are_ranked_among_themselves() -> None:
    """An actor with those whom the attribute names, out of the profile."""
    friends = Profile(attributes={"friends": ["cid", "nobody"]})
    async with serving("match", *range(PARTITIONS)) as match, serving("leaderboards", *range(PARTITIONS)) as boards:
        with_profiles([match], {"eve": friends})
        with_scores([boards], rows())
        code, output, _ = await plaudit(
            "leaderboard", "acme", "weekly", "--friends-of", "eve", "--format", "json",
            match=match.url, leaderboards=boards.url,
        )  # fmt: skip

    assert code == 0
    assert [(entry["rank"], entry["actor"]) for entry in json.loads(output)] == [(1, "cid"), (2, "eve")]


@pytest.mark.parametrize(
    "friends",
    [
        ["cid", "", "x" * 257, "nul\0", 5, None, "eve", "cid"],
        ["cid", *(f"朋友{number:03}号" for number in range(190))],
        ["cid", *(f"f{number:03}" for number in range(750))],
    ],
    ids=["names that no actor has", "long names", "many"],
)
async def test_every_list_of_friends_that_an_attribute_holds_is_shown(friends: list[object]) -> None:
    """Attributes are anybody's words of up to 4,096 bytes: who can't be an actor has no score."""
    assert set_attributes(EMPTY, {"friends": friends}, 0).outcome == Outcome("applied")
    async with serving("match", *range(PARTITIONS)) as match, serving("leaderboards", *range(PARTITIONS)) as boards:
        with_profiles([match], {"eve": Profile(attributes={"friends": friends})})
        with_scores([boards], rows())
        code, output, messages = await plaudit(
            "leaderboard", "acme", "weekly", "--friends-of", "eve", "--format", "json",
            match=match.url, leaderboards=boards.url,
        )  # fmt: skip

    assert (code, messages) == (0, "")
    assert [(entry["rank"], entry["actor"]) for entry in json.loads(output)] == [(1, "cid"), (2, "eve")]


async def test_worker_that_is_away_does_not_matter_beside_one_that_answers() -> None:
    """Any worker of the stage will do."""
    async with serving("leaderboards") as gone:
        away = gone.url
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], rows())
        code, output, _ = await plaudit(
            "leaderboard", "acme", "weekly", "--format", "json", leaderboards=f"{away}, {worker.url}/"
        )

    assert code == 0
    assert len(json.loads(output)) == len(ALL_FIRST)


async def test_mistakes_end_in_one_line_and_no_traceback() -> None:
    """What the views refuse, and who can't be reached, is said with the exit code 1."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], rows())
        refused = await plaudit("leaderboard", "acme", "nothing", leaderboards=worker.url)
        worker.runtime.owned[0] = Status(0, "recovering", 1, 2)
        recovering = await plaudit("leaderboard", "acme", "weekly", leaderboards=worker.url)
    away = await plaudit("leaderboard", "acme", "weekly", leaderboards=worker.url)
    no_url = await plaudit("leaderboard", "acme", "weekly", leaderboards="localhost")

    for (code, output, messages), said in [
        (refused, "has no leaderboard 'nothing'"),
        (recovering, "1 of 2 records"),
        (away, "PLAUDIT_WEB_LEADERBOARDS"),
        (no_url, "is no URL"),
    ]:
        assert (code, output) == (1, "")
        assert said in messages
        assert "Traceback" not in messages
        assert len(messages.splitlines()) == 1


@pytest.mark.parametrize("command", ["leaderboard", "profile"])
async def test_help_has_an_example(command: str) -> None:
    """Nobody has to guess how it is called."""
    code, output, _ = await plaudit(command, "--help")

    assert code == 0
    assert f"plaudit {command} acme" in " ".join(output.split())
