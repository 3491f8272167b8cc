"""`plaudit leaderboard` and `plaudit profile`: reading what the workers keep, for people and scripts."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.errors import UserError
from pipeline.settings import load_settings
from pipeline.topology import LEADERBOARDS, MATCH
from pipeline.workers_client import WorkersClient
from rules.attributes import friends_in


class Format(StrEnum):
    """How a command writes its result."""

    TABLE = "table"
    JSON = "json"


_Tenant = Annotated[str, typer.Argument(help="The tenant.", show_default=False)]
_Format = Annotated[Format, typer.Option("--format", help="`table` for people, `json` for scripts.")]


def leaderboard(
    tenant: _Tenant,
    board: Annotated[str, typer.Argument(help="The leaderboard's id in the economy.", show_default=False)],
    window: Annotated[
        str, typer.Option(help="`current`, `previous`, a window's first day, or a season's id.")
    ] = "current",
    split: Annotated[str | None, typer.Option(help="Which of a split board's leaderboards.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Lines, at most.")] = 20,
    around: Annotated[str | None, typer.Option(help="An actor to show in the middle.")] = None,
    league: Annotated[str | None, typer.Option(help="Only what actors earned in this league.")] = None,
    friends_of: Annotated[str | None, typer.Option(help="An actor, shown among their friends.")] = None,
    output: _Format = Format.TABLE,
) -> None:
    """Show a leaderboard, exact at this moment.

    Example: `plaudit leaderboard acme weekly-xp --window previous --limit 10`
    """
    query = {"window": window, "limit": str(limit)}
    query |= {name: value for name, value in (("split", split), ("around", around)) if value is not None}
    query |= {"league": league} if league is not None else {}
    settings = load_settings()
    client = WorkersClient(LEADERBOARDS.name, settings.web_leaderboards)
    if friends_of is None:
        page = client.get(("tables", "boards", tenant, board), query)
    elif around is not None:
        raise UserError("--around and --friends-of can't be given together")
    else:
        circle = _circle(settings.web_match, tenant, friends_of)
        page = client.post(("tables", "boards", tenant, board, "among"), query, circle)
    if output is Format.JSON:
        _write_json(page["entries"])
        return
    title = f"{board}, {page['window']}" + (f", {page['split']}" if page["split"] is not None else "")
    table = Table("rank", "actor", "score", title=escape(title), caption=f"{page['size']} actors")
    for entry in page["entries"]:
        table.add_row(str(entry["rank"]), escape(entry["actor"]), str(entry["score"]))
    Console().print(table)


def profile(
    tenant: _Tenant,
    actor: Annotated[str, typer.Argument(help="The actor.", show_default=False)],
    output: _Format = Format.TABLE,
) -> None:
    """Show what Plaudit remembers of an actor.

    Example: `plaudit profile acme ada --format json`
    """
    client = WorkersClient(MATCH.name, load_settings().web_match)
    found = client.get(("tables", "profiles", tenant, actor), {})
    if output is Format.JSON:
        _write_json(found)
        return
    table = Table("", "", title=escape(actor), show_header=False)
    level = found["level"]
    if level is not None:
        following = "the highest" if level["next_at"] is None else f"the next at {level['next_at']}"
        table.add_row("level", f"{level['number']}, with {level['points']} points; {following}")
    for currency, balance in found["balances"].items():
        table.add_row(escape(currency), str(balance))
    for name, streak in found["streaks"].items():
        told = f"{streak['length']}, at most {streak['longest']} so far; health {streak['health']}"
        advice = f"; {streak['advice'].replace('_', ' ')}" if streak["advice"] else ""
        table.add_row(escape(f"streak {name}"), told + advice)
    for badge in found["badges"]:
        times = f", {badge['times']} times" if badge["times"] > 1 else ""
        table.add_row("badge", escape(badge["badge"] + (f" ({badge['tier']})" if badge["tier"] else "") + times))
    for name, quest in found["quests"].items():
        done = ", ".join(f"{task} {each['current']}/{each['target']}" for task, each in quest["tasks"].items())
        table.add_row(escape(f"quest {name}"), escape(f"{quest['status']}: {done}"))
    for redemption in found["rewards"]:
        table.add_row(escape(f"reward {redemption['reward']}"), redemption["status"])
    for name, value in found["attributes"].items():
        table.add_row(escape(name), escape(str(value)))
    Console().print(table)


def _circle(addresses: str, tenant: str, actor: str) -> list[str]:
    """Return an actor and those whom the attribute `friends` names."""
    profile = WorkersClient(MATCH.name, addresses).get(("tables", "profiles", tenant, actor), {})
    return [actor, *friends_in(profile["attributes"])]


def _write_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
