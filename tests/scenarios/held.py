"""Compares what came of a scenario with what its table says."""

from typing import Any


def held(actual: Any, expected: Any, where: str) -> None:
    """Hold a value against what is expected of it: of mappings the keys that are named, of lists everything."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), f"{where}: {actual!r} is no mapping"
        for key, value in expected.items():
            assert key in actual, f"{where}: no {key} in {actual}"
            held(actual[key], value, f"{where}, {key}")
    elif isinstance(expected, list):
        assert isinstance(actual, list | tuple), f"{where}: {actual!r} is no list"
        assert len(actual) == len(expected), f"{where}: {actual!r}, expected {expected!r}"
        for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
            held(one, other, f"{where} [{index}]")
    else:
        assert actual == expected, f"{where}: {actual!r}, expected {expected!r}"
