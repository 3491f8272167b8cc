"""What the architecture tests look at: the repository's tracked files and its modules."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "agents", "tables", "sinks", "rules", "web")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return the files of the repository: tracked ones, and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    files = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(sorted(file for file in files if file.is_file()))


def modules() -> tuple[Path, ...]:
    """Return the Python files of our import packages."""
    return tuple(
        file for file in tracked_files() if file.suffix == ".py" and file.relative_to(ROOT).parts[0] in PACKAGES
    )


def module_name(file: Path) -> str:
    """Return the dotted name under which a module is imported."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def text(name: str) -> str:
    """Return a file's text; its name is relative to the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def documents() -> tuple[Path, ...]:
    """Return the Markdown files."""
    return tuple(file for file in tracked_files() if file.suffix == ".md")
