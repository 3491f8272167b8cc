"""Draws what the bench has measured: throughput, latency percentiles, growth curves."""

from pathlib import Path
from statistics import median
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Data = dict[str, Any]
_P4_MS = 150


def draw(name: str, found: Data, folder: Path) -> list[str]:
    """Draw the pictures of one figure into a folder; return their file names, none for a figure without pictures."""
    return [_saved(drawing, folder / f"{stem}.svg") for stem, drawing in _drawings(name, found).items()]


def _drawings(name: str, found: Data) -> dict[str, Figure]:
    match name:
        case "contest":
            drawings = {"throughput": _throughput(found), "latency": _latency(found)}
        case "streams":
            drawings = {"throughput-longer": _throughput(found)}
        case "chain":
            drawings = {"latency-chain": _latency(found)}
        case "boards":
            drawings = {"boards": _boards(found)}
        case "events" | "actors" | "rules":
            drawings = {f"growth-{name}": _growth(name, found)}
        case "workers":
            drawings = {"growth-workers": _workers(found)}
        case _:
            drawings = {}
    return drawings


def _throughput(found: Data) -> Figure:
    figure, axes = _figure("CPU seconds per million events (log scale)", "")
    names = [each["name"] for each in found["contenders"]][::-1]
    costs = [each["cpu_per_million"] for each in found["contenders"]][::-1]
    bars = axes.barh(names, costs, color="#4269d0")
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.set_xscale("log")
    axes.set_xlim(1, 2 * max(costs))
    return figure


def _latency(found: Data) -> Figure:
    figure, axes = _figure("share of the events, %", f"ms at {found['plan']['per_second']:,} arrivals a second")
    for each in found["contenders"]:
        axes.plot([step / 2 for step in range(len(each["latencies"]))], each["latencies"], label=each["name"])
    axes.axhline(_P4_MS, color="black", linestyle=":", label=f"p99 may be {_P4_MS} ms")
    axes.set_yscale("log")
    _legend(axes)
    return figure


def _boards(found: Data) -> Figure:
    figure, axes = _figure("members", "ms (p99) and µs")
    members = [each["members"] for each in found["sizes"]]
    for name in found["sizes"][0]["questions"]:
        axes.plot(members, [each["questions"][name]["p99"] for each in found["sizes"]], "o-", label=f"{name}, ms")
    axes.plot(members, [median(each["moves_us"]) for each in found["sizes"]], "s--", label="a move, µs")
    axes.plot(members, [median(each["searches_us"]) for each in found["sizes"]], "x:", label="a bare search, µs")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    _legend(axes)
    return figure


def _growth(name: str, found: Data) -> Figure:
    figure, axes = _figure(name, "CPU seconds per million events")
    runs = found.get("runs")
    points = [run["points"][-1] for run in runs] if runs else found["points"]
    along = [run[name] for run in runs] if runs else [point["events"] for point in points]
    for stage in points[0]["cpu_per_million"]:
        axes.plot(along, [point["cpu_per_million"][stage] for point in points], "o-", label=stage)
    axes.plot(along, [sum(point["cpu_per_million"].values()) for point in points], "k-", label="all")
    axes.plot(along, [point["yardstick_loop"] for point in points], "k:", label="1,000 loop turns, µs")
    if runs:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(bottom=0)
    _legend(axes)
    return figure


def _workers(found: Data) -> Figure:
    figure, axes = _figure("workers of match", "records/s")
    workers = [each["workers"] for each in found["runs"]]
    axes.plot(workers, [each["rate"] for each in found["runs"]], "o-")
    axes.set_xticks(workers)
    axes.set_ylim(bottom=0)
    return figure


def _figure(along: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(along)
    axes.set_ylabel(up)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _saved(figure: Figure, file: Path) -> str:
    # Without date and random ids: the same data is the same file.
    with rc_context({"svg.hashsalt": file.stem}):
        figure.savefig(file, metadata={"Date": None})
    return file.name
