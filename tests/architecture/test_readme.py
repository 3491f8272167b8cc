"""The README's commands: each is marked with the way in which a test runs it, and the quick ones are run here.

`run: quick` is run here; `run: up` and `run: stack` by tests/end_to_end/test_readme.py against a real stack;
`run: make` is how CI starts (`make test`, which holds `make check`) or what an end-to-end test starts (`make demo`,
which is `plaudit demo`). `checked: compose` needs containers: the compose file has tests of its own.
"""

import re
from pathlib import Path

from tests import readme
from tests.architecture.repository import ROOT, text

TIMEOUT_S = 60
WAYS = {("run", "quick"), ("run", "up"), ("run", "stack"), ("run", "make"), ("checked", "compose")}


def recipe(target: str) -> str:
    """Return the recipe of a make target, with its prerequisites."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", text("Makefile"), re.MULTILINE)
    assert found is not None, f"make {target} is not there"
    return found[0]


def test_every_command_says_how_it_is_tested() -> None:
    """No shell block without a mark, and no mark that no test knows."""
    ways = {(block.purpose, block.what) for block in readme.blocks() if block.language == "sh"}

    assert ways <= WAYS
    assert ways == WAYS


def test_the_quick_commands_work(tmp_path: Path) -> None:
    """They are pasted into a shell, in a folder with the files that the README shows."""
    readme.write_files(tmp_path)

    readme.run(readme.commands("quick"), tmp_path, readme.environment_with_plaudit(tmp_path), TIMEOUT_S)


def test_the_make_targets_are_those_that_ci_runs() -> None:
    """`make test` is CI's command and holds what `make check` runs; `make demo` is `plaudit demo` and nothing else."""
    named = re.findall(r"^make (\w+)", readme.commands("make"), re.MULTILINE)

    assert named == ["demo", "test", "check"]
    assert "make test" in text(".ci/run")
    assert "$(BIN)/plaudit demo\n" in recipe("demo")
    assert recipe("test").startswith("test: static ")
    assert recipe("check").startswith("check: static ")


def test_what_compose_needs_is_there() -> None:
    """The files that the compose commands name exist."""
    compose = "".join(block.content for block in readme.blocks() if block.what == "compose")

    assert "cp .env.example .env" in compose
    assert (ROOT / ".env.example").is_file()
    assert (ROOT / "docker-compose.yml").is_file()


def test_a_mistake_in_the_economy_would_be_noticed(tmp_path: Path) -> None:
    """The check of the README's economy is not one that accepts everything: a misspelt key is refused, with a hint."""
    readme.write_files(tmp_path)
    economy = tmp_path / "economy.yaml"
    economy.write_text(economy.read_text(encoding="utf-8").replace("cooldown:", "cooldwon:"), encoding="utf-8")

    script = "! plaudit economy validate economy.yaml"

    assert "cooldown" in readme.run(script, tmp_path, readme.environment_with_plaudit(tmp_path), TIMEOUT_S)
