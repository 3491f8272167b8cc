"""What the demo prints at the end."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.demo.run import Imported
from pipeline.settings import Settings
from pipeline.topology import LEADERBOARDS, MATCH
from pipeline.workers_client import WorkersClient
from sinks.ledger.verify import Verification

_LINES = 10
_PROFILES = 3


def show_results(console: Console, settings: Settings, tenant: str) -> None:
    """Print the all-time leaderboard and the profiles of its first actors, as the workers' web views have them."""
    boards = WorkersClient(LEADERBOARDS.name, settings.web_leaderboards)
    profiles = WorkersClient(MATCH.name, settings.web_match)
    page = boards.get(("tables", "boards", tenant, "all-time"), {"window": "current", "limit": str(_LINES)})
    table = Table("rank", "actor", "xp", title="Leaderboard, all time", caption=f"{page['size']:,} in all")
    for entry in page["entries"]:
        table.add_row(str(entry["rank"]), escape(entry["actor"]), f"{entry['score']:,}")
    console.print(table)
    for entry in page["entries"][:_PROFILES]:
        console.print(_profile(profiles.get(("tables", "profiles", tenant, entry["actor"]), {})))


def _profile(found: Any) -> str:
    balances = ", ".join(f"{amount:,} {currency}" for currency, amount in found["balances"].items())
    level = found["level"]
    following = "" if level is None or level["next_at"] is None else f", the next at {level['next_at']:,} xp"
    number = "" if level is None else f"level {level['number']}{following}; "
    badges = ", ".join(each["badge"] + (f" ({each['tier']})" if each["tier"] else "") for each in found["badges"])
    earned = f"; {escape(badges)}" if badges else ""
    return f"[bold]{escape(found['actor'])}[/bold]: {number}{escape(balances)}{earned}"


def show_verdict(console: Console, imported: Imported, ledger: Verification) -> None:
    """Print the throughput and whether the ledger holds."""
    refused = f" ({imported.refused:,} commits are no events)" if imported.refused else ""
    rate = imported.events / imported.seconds
    console.print(
        f"\n{imported.events:,} events{refused} became {ledger.transfers:,} ledger transfers "
        f"in {imported.seconds:.1f} s: {rate:,.0f} events/s from the log to the ledger and the leaderboards."
    )
    if ledger.holds:
        console.print(
            f"[green]Ledger verified:[/green] the hash chain ({ledger.links:,} links), all balances and zero sums hold."
        )
    else:
        console.print("[red]The ledger does not hold:[/red]")
        for finding in ledger.findings:
            console.print(f"  {escape(str(finding))}")
