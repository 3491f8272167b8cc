"""The README as a program: the files it shows and the commands it tells, so that tests can run them."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(
    r"(?:^<!-- (?P<purpose>run|file|checked): (?P<what>[\w.-]+) -->\n)?^```(?P<language>\w*)\n(?P<content>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block: `purpose` and `what` come from the comment above it (`run: quick`, `file: economy.yaml`)."""

    purpose: str
    what: str
    language: str
    content: str


def blocks() -> list[Block]:
    """Return the README's fenced blocks, in their order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [Block(*(found[name] or "" for name in Block._fields)) for found in _BLOCK.finditer(text)]


def commands(what: str) -> str:
    """Return the shell commands of all blocks marked `run: <what>`, in their order."""
    return "".join(block.content for block in blocks() if block.purpose == "run" and block.what == what)


def write_files(folder: Path) -> None:
    """Save the files that the README shows, under the names it gives them."""
    for block in blocks():
        if block.purpose == "file":
            (folder / block.what).write_text(block.content, encoding="utf-8")


def environment_with_plaudit(folder: Path) -> dict[str, str]:
    """Return an environment in which `plaudit` is this source, run by this Python, with its default settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLAUDIT_")}
    program = folder / "bin" / "plaudit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return {**environment, "PATH": f"{program.parent}:{environment['PATH']}", "PYTHONPATH": str(ROOT)}


def run(script: str, folder: Path, environment: Mapping[str, str], timeout_s: float) -> str:
    """Run shell commands as a reader would paste them, stopping at the first that fails; return what they print."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=dict(environment),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"exit code {done.returncode} of\n{script}\n{done.stdout}"
    return done.stdout
