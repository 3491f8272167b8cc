"""The sections of docs/performance.md: a table and what to know about it, for each figure's data."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.race import WARM_UP_TURNS
from bench.tables import cost, table

Data = dict[str, Any]

_POINTS_SHOWN = 20

_OPEN_LOOP = (
    "Latency: open loop, {:,} arrivals a second for {} s a turn, {} turns to warm up, from when an event was due until "
    "its row and balance are committed.\n"
)


def _contest(found: Data) -> str:
    plan, work = found["plan"], found["workload"]
    rows = []
    for each in found["contenders"]:
        latency = each["latency_ms"]
        rows.append(
            [
                each["name"],
                f"{each['rate']:,.0f}",
                f"{each['cpu_per_million']:,.1f}",
                *(f"{latency[name]:,.0f}" if latency else "" for name in ("p50", "p99", "p99.9")),
                f"{sum(each['peak_mib'].values()):,.0f}",
                f"{each['ratio']:.2f}",
                "**wrong**" if each["wrong"] else "right",
            ]
        )
        if len(each["cpu_by_process"]) > 1:
            rows += [
                [f"… {name}", "", f"{cpu:,.1f}", "", "", "", f"{each['peak_mib'][name]:,.0f}", "", ""]
                for name, cpu in each["cpu_by_process"].items()
            ]
        rows.append(["(servers)", "", f"({sum(each['cpu_of_servers'].values()):,.1f})", "", "", "", "", "", ""])
    head = ["", "events/s", "CPU s per million", "p50 ms", "p99 ms", "p99.9 ms", "peak MiB", "ratio", "result"]
    small = [f"{each['name']} {each['share']:.0%}" for each in found["contenders"] if each["share"] < 1]
    return (
        f"{table(head, rows)}\n"
        f"{plan['rounds']} rounds of {plan['records']:,} events in turns after {plan['warm_up']:,} to warm up"
        f"{', of each piece ' + ', '.join(small) if small else ''}; "
        f"{work['actors']:,} actors, {work['rules']} rules, seed {work['seed']}.\n"
        "Medians of the rounds; one process per stage, the peers are one process each.\n"
        "**Ratio**: how many times as many events a CPU second of our processes takes as one of theirs, median of the "
        "ratios within a round.\n"
        f"{_OPEN_LOOP.format(plan['per_second'], found['open_loop_s'], WARM_UP_TURNS) if found['open_loop_s'] else ''}"
        f"Yardstick during the rounds: {found['yardstick']}.\n"
        f"{_turns(found) if found['open_loop_s'] else ''}"
    )


def _turns(found: Data) -> str:
    """Return what each turn of the open loop was, and what the host was worth meanwhile."""
    contenders = found["contenders"]
    if "turns" not in contenders[0]:  # data from before they were kept
        return ""
    head = ["p99 of each turn, ms", *(str(number) for number in range(1, len(contenders[0]["turns"]) + 1))]
    rows = [
        [
            each["name"],
            *(f"{turn['p99']:,.0f} ({turn['stolen']:.0%}, {turn['decode']:.1f} µs)" for turn in each["turns"]),
        ]
        for each in contenders
    ]
    return (
        f"\n{table(head, rows)}\n"
        "In brackets: the share of the machine's CPU time that its host gave to others during the turn, and the "
        "yardstick's decode just before it.\n"
    )


def _chain(found: Data) -> str:
    return (
        f"{_contest(found)}"
        "The **bare chain** is the plain loop behind three relays, each a process that reads a topic, appends what it "
        "read to the next topic and then to a changelog, and waits for both to be acknowledged, in plain aiokafka: the "
        "round trips of normalize, dedupe and match without anything that they do.\n"
    )


def _sink(found: Data) -> str:
    rows = [
        [str(number), f"{each['sink']:,.0f}", f"{each['bare']:,.0f}", f"{each['sink'] / each['bare']:.2f}"]
        for number, each in enumerate(found["rounds"], start=1)
    ]
    return (
        f"{table(['round', 'sink, rows/s', 'bare COPY, rows/s', 'ratio'], rows)}\n"
        f"{found['rows']:,} rows in batches of {found['batch']:,} transactions, in turns batch by batch, "
        "one connection each; the median of the ratios counts.\n"
    )


def _boards(found: Data) -> str:
    names = list(found["sizes"][0]["questions"])
    head = ["members", *(f"{name}, p50 / p99 ms" for name in names), "a move, µs", "a bare search, µs"]
    rows = [
        [
            f"{each['members']:,}",
            *(f"{each['questions'][name]['p50']:.2f} / {each['questions'][name]['p99']:.2f}" for name in names),
            _median_of(each["moves_us"]),
            _median_of(each["searches_us"]),
        ]
        for each in found["sizes"]
    ]
    return (
        f"{table(head, rows)}\n"
        f"A worker that owns all partitions, asked {found['asked']:,} times over loopback by one client, HTTP and JSON "
        "included; a move is one member's new place in the order. Moves and searches are timed in "
        f"{len(found['sizes'][0]['moves_us'])} rounds, sizes in turns: median (least to most). "
        "A bare search is one `bisect` in a list of the same places: it makes log n comparisons, and grows faster than "
        "that because what it compares is no longer in the processor's caches.\n"
    )


def _median_of(rounds: list[float]) -> str:
    return f"{median(rounds):.1f} ({min(rounds):.1f} to {max(rounds):.1f})"


def _recovery(found: Data) -> str:
    rows = [
        [str(number), *(f"{each[name]:.1f}" for name in ("plaudit", "Kafka Streams")), _share(each)]
        for number, each in enumerate(found["rounds"], start=1)
    ]
    return (
        f"{table(['round', 'plaudit, s', 'Kafka Streams, s', 'ratio'], rows)}\n"
        f"{found['profiles']:,} profiles of {found['bytes']:.0f} bytes, from the start of the process on an empty disk "
        "until it is ready; the same keys and values for both.\n"
    )


def _share(each: Data) -> str:
    return f"{each['plaudit'] / each['Kafka Streams']:.2f}"


def _growth(found: Data) -> str:
    runs = found.get("runs") or [found]
    head = ["actors", "rules", "events", "profiles", "events/s", "CPU s per million", "match", "memory of match, MiB"]
    head.append("1,000 loop turns, µs")
    rows = [
        [
            f"{run.get('actors', found.get('actors')):,}",
            f"{run.get('rules', found.get('rules')):,}",
            f"{point['events']:,}",
            f"{point['profiles']:,}",
            f"{point['rate']:,.0f}",
            f"{cost(point):,.1f}",
            f"{point['cpu_per_million']['match']:,.1f}",
            f"{point['memory']['match'] / 2**20:,.0f}",
            f"{point['yardstick_loop']:,.0f}",
        ]
        for run in runs
        for point in _thinned(run["points"])
    ]
    return (
        f"{table(head, rows)}\nOne worker of each stage; each line is one piece of the run, "
        f"of long runs some of them (the picture has all). Seed {found['seed']}.\n"
        "Pieces differ by up to a factor of two, since the machine changes its pace. Of one long run the verdict holds "
        "each piece against the bare loop that was timed just before it, and compares medians over a tenth of the run, "
        "at its beginning, from a million events on, and at its end. Several runs take their pieces in turns, and are "
        "compared within each round.\n"
        "Memory of match includes what fills with the first millions: RocksDB's cache of 64 MiB, and its write "
        "buffers, up to 24 MiB for each of the partitions.\n"
    )


def _thinned(points: Sequence[Data]) -> Sequence[Data]:
    """Return some points, the last of all among them."""
    step = -(-len(points) // _POINTS_SHOWN)
    return points[(len(points) - 1) % step :: step]


def _workers(found: Data) -> str:
    rows = [[str(each["workers"]), f"{each['rate']:,.0f}", f"{each['cpu_per_million']:,.1f}"] for each in found["runs"]]
    return (
        f"{table(['workers of match', 'records/s', 'CPU s per million'], rows)}\n"
        f"{found['events']:,} events that wait for match; its workers share the machine with broker and database.\n"
    )


def _anatomy(found: Data) -> str:
    cores = [each["cores"] for each in found["rounds"]]
    stages, names = list(cores[0]), list(next(iter(cores[0].values())))
    rows = [
        [stage, *_medians([[*each[stage].values(), sum(each[stage].values())] for each in cores])] for stage in stages
    ]
    totals = [[sum(each[stage][name] for stage in stages) for name in names] for each in cores]
    rows.append(["**all**", *(f"**{value}**" for value in _medians([[*each, sum(each)] for each in totals]))])
    product = [each["product"] for each in found["rounds"]]
    return (
        f"{table(['stage', *names, 'CPU µs an event'], rows)}\n"
        "The stages' own cores, in one process, without broker, sockets and event loop, in turns with the product, "
        f"which took {_median_of(product)} with all of them; {len(cores)} rounds of {found['events']:,} events after "
        "one to warm up. Medians of the rounds, so they need not add up.\n"
        "*Batches in* parses what was fetched; *codecs* is the core's JSON and MessagePack, done once more by itself; "
        "*lookups* are the reads of its table; *own Python* is the rest of the core; *rows* are the ledger's, as COPY "
        "takes them; *batches out* builds those of outputs and changelog; *disk* is RocksDB's writing.\n"
        "The sum is a floor: what an event costs before anybody talks to a broker or a database.\n"
    )


def _medians(rounds: list[list[float]]) -> list[str]:
    return [f"{median(values):.1f}" for values in zip(*rounds, strict=True)]


def _flames(found: Data) -> str:
    rows = [
        [
            f"[{each['stage']}](performance/{each['stage']}.svg)",
            f"{each['rate']:,.0f}",
            f"{each['cpu_per_million']:,.1f}",
        ]
        for each in found["stages"]
    ]
    return (
        f"{table(['stage', 'records/s', 'CPU s per million'], rows)}\n"
        f"Flame graphs of each worker, alone over {found['events']:,} events, slowed down by being sampled.\n"
        "They show who holds the interpreter; RocksDB, sockets and COPY work without it, and are not in them.\n"
    )


SECTIONS = (
    ("contest", "End to end, beside the peers (P1, P4)", _contest),
    ("streams", "Beside Kafka Streams, for longer (P1)", _contest),
    ("chain", "Latency beside a chain with nothing in it (P4)", _chain),
    ("sink", "The ledger sink (P2)", _sink),
    ("boards", "Leaderboards (P5)", _boards),
    ("recovery", "Recovery (P6)", _recovery),
    ("events", "Growth with the events (P7, P8)", _growth),
    ("actors", "Growth with the actors (P7, P8)", _growth),
    ("rules", "Growth with the rules", _growth),
    ("workers", "Growth with the workers", _workers),
    ("anatomy", "Where the time goes, without the broker", _anatomy),
    ("flames", "Where the time goes, with it", _flames),
)
