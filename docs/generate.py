"""Writes the generated parts of the documentation: the diagram from the topology, the table from the settings.

`make docs` runs it; an architecture test fails while a file is out of date. A part stands between two comments:
`<!-- generated: NAME -->` and `<!-- /generated -->`.
"""

import re
from collections.abc import Callable
from pathlib import Path

from pipeline.commands.settings import markdown, rows
from pipeline.settings import Settings
from pipeline.topology import STAGES, TOPICS, Topic

ROOT = Path(__file__).parent.parent
FILES = (ROOT / "README.md", ROOT / "docs" / "architecture.md", ROOT / "docs" / "reference-economy.md")
_PART = re.compile(r"(?P<head><!-- generated: (?P<name>[a-z]+) -->\n).*?(?=<!-- /generated -->)", re.DOTALL)


def diagram() -> str:
    """Return the data flow as a Mermaid flowchart: topics rounded, stages square, tables and databases as drums."""
    lines = ["```mermaid", "flowchart LR", f"  producers([producers]) --> {_id(STAGES[0].reads)}"]
    lines += [f'  {_id(topic)}("{topic.name}")' for topic in TOPICS if _is_drawn(topic)]
    for stage in STAGES:
        lines.append(f"  {_id(stage.reads)} --> {stage.name}[{stage.name}]")
        lines += [f"  {_id(topic)} -.-> {stage.name}" for topic in stage.follows]
        lines += [f"  {stage.name} --> {_id(topic)}" for topic in stage.writes if _is_drawn(topic)]
        lines += [f"  {stage.name} <--> {table.name}[({table.name})]" for table in stage.tables]
        if stage.sink:
            lines.append(f"  {stage.name} --> {stage.sink}[({stage.sink})]")
    return "\n".join([*lines, "```", "", "What any stage refuses goes to `dead-letters`, unchanged."])


def topics() -> str:
    """Return the topics as a table."""
    lines = ["| topic | key | cleanup | kept | written by | read by |", "|---|---|---|---|---|---|"]
    for topic in TOPICS:
        kept = "for ever" if topic.retention_days is None else f"{topic.retention_days} d"
        writers = [stage.name for stage in STAGES if topic in stage.writes]
        readers = [stage.name for stage in STAGES if topic in (stage.reads, *stage.follows)]
        columns = (
            f"`{topic.name}`",
            topic.keyed_by.replace("|", "\\|"),
            topic.cleanup,
            kept,
            _words(writers),
            _words(readers),
        )
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines)


def tables() -> str:
    """Return the tables as a table."""
    lines = ["| table | key | kept by |", "|---|---|---|"]
    lines += [f"| `{table.name}` | {table.keyed_by} | {stage.name} |" for stage in STAGES for table in stage.tables]
    return "\n".join(lines)


def settings() -> str:
    """Return the settings and their defaults as a table; the environment plays no part."""
    return markdown(rows(Settings.model_construct()))


def economy() -> str:
    """Return the economy that the demo publishes."""
    text = (ROOT / "pipeline" / "demo" / "economy.yaml").read_text(encoding="utf-8")
    return f"```yaml\n{text}```"


PARTS: dict[str, Callable[[], str]] = {
    "diagram": diagram,
    "topics": topics,
    "tables": tables,
    "settings": settings,
    "economy": economy,
}


def renewed(text: str) -> str:
    """Return a document with its generated parts as they should be."""
    return _PART.sub(lambda part: part["head"] + PARTS[part["name"]]() + "\n", text)


def main() -> None:
    """Bring every document up to date."""
    for file in FILES:
        file.write_text(renewed(file.read_text(encoding="utf-8")), encoding="utf-8")


def _id(topic: Topic) -> str:
    return "t_" + topic.name.replace(".", "_").replace("-", "_")


def _is_drawn(topic: Topic) -> bool:
    """Every stage writes dead letters: arrows for them would hide the flow."""
    return not all(topic in stage.writes for stage in STAGES)


def _words(names: list[str]) -> str:
    return ", ".join(names) or "none"


if __name__ == "__main__":
    main()
