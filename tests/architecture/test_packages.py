"""Our import packages: who may import whom, what they are called, what they look like."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
import warnings
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.architecture.repository import PACKAGES, ROOT, module_name, modules, text

LINES_MAX = 300
CORE = ("pipeline.errors", "pipeline.events", "pipeline.topology")
NOT_IN_CORE = {
    "aiohttp",
    "aiokafka",
    "alembic",
    "faust",
    "mode",
    "prometheus_client",
    "psycopg",
    "rocksdict",
    "sqlalchemy",
}


def test_imports_keep_to_their_order() -> None:
    """The contracts in pyproject.toml hold: what is above may import what is below, never the reverse."""
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_logo=True) == 0


def test_every_module_has_its_place_in_that_order() -> None:
    """A new module of `pipeline` is put into a layer; outside all layers it could import anything."""
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = " ".join(next(each for each in contracts if each["type"] == "layers")["layers"])
    placed = set(re.findall(r"[a-z_.]+", layers))
    existing = {".".join(module_name(file).split(".")[:2]) for file in modules()}

    assert {name for name in existing if name.startswith("pipeline.") and name not in placed} == set()


def test_the_core_loads_no_engine_database_or_web_library() -> None:
    """Rules, events, topology and errors can be imported without any of the heavy libraries, however indirectly."""
    core = [*CORE, *(module_name(file) for file in modules() if file.is_relative_to(ROOT / "rules"))]
    program = f"import importlib, sys\nfor name in {core!r}: importlib.import_module(name)\nprint(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    ).stdout.split()

    assert not NOT_IN_CORE & set(loaded)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_ours_alone(package: str) -> None:
    """Our generic names resolve inside the repository, and no installed distribution provides the same name."""
    spec = importlib.util.find_spec(package)

    providers = {name.lower() for name in packages_distributions().get(package, ())}

    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)
    assert providers <= {"plaudit"}


@pytest.mark.parametrize("file", [file for file in modules() if file.name == "__init__.py"], ids=module_name)
def test_an_init_file_holds_a_docstring_only(file: Path) -> None:
    """Importing a package runs nothing and re-exports nothing."""
    body = ast.parse(file.read_text(encoding="utf-8")).body

    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)
    assert isinstance(body[0].value.value, str)


def test_modules_stay_readable() -> None:
    """A module longer than 300 lines is reported: it usually has two meanings. A warning on screen, not a failure."""
    long = {module_name(file): len(file.read_text(encoding="utf-8").splitlines()) for file in modules()}
    long = {name: lines for name, lines in long.items() if lines > LINES_MAX}

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for name, lines in long.items():
            warnings.warn(f"{name} has {lines} lines, aim for 60 to 200", stacklevel=1)
