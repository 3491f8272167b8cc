"""The peers' own environments: made once per requirements file and Python, in the user's cache."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
_INSTALL_S = 600


def cache() -> Path:
    """Return the folder that outlives a bench."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plaudit"


def python_of(peer: str) -> Path:
    """Return the Python that has exactly what a peer requires; installs it first if need be."""
    requirements = PEERS / peer / "requirements.txt"
    version = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = cache() / "peers" / f"{peer}-{version}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(place))
        arguments = ("--quiet", "--require-hashes", "-r", str(requirements))
        uv = Path(sys.executable).parent / "uv"
        # uv is faster; where only pip knows the way to a registry, pip does it.
        if not (
            uv.exists() and _try(str(uv), "pip", "install", "--compile-bytecode", "--python", str(python), *arguments)
        ):
            _run(str(python), "-m", "pip", "install", "--disable-pip-version-check", *arguments)
        (place / "complete").touch()
    return python


def jars_of(peer: str) -> Path:
    """Return the folder with a peer's compiled classes and all jars that it needs; builds it first if need be."""
    source = PEERS / peer
    files = sorted(each for each in source.rglob("*") if each.suffix in {".java", ".xml"})
    version = hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:12]
    place = cache() / "peers" / f"{peer}-{version}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        # Into a folder of its own, then renamed: a build that was broken off leaves nothing behind.
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            copy = shutil.copytree(source, Path(folder) / "source")
            goals = ("package", "dependency:copy-dependencies", "-DincludeScope=runtime")
            _run("mvn", "-q", "-B", "-f", str(copy / "pom.xml"), *goals, f"-DoutputDirectory={folder}/jars")
            for jar in (copy / "target").glob("*.jar"):
                jar.rename(Path(folder) / "jars" / jar.name)
            (Path(folder) / "jars").rename(place)
    return place


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=_INSTALL_S)


def _try(*command: str) -> bool:
    return subprocess.run(command, check=False, timeout=_INSTALL_S, capture_output=True).returncode == 0
