"""Contenders measured in turns: each does a piece of the workload alone, round after round, on one stand.

All of them run all the time, so that none is measured while it starts and the host's moods hit all alike; what those
that wait for their turn use meanwhile is measured too. The first piece warms up and is not counted. A contender whose
`share` is below 1 gets that share of each piece, from the same workload: it would take minutes for what others do in
seconds.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench import yardstick
from bench.contender import Contender, Rows, wait_until_done
from bench.feed import Feed, Piece, burst, paced
from bench.processes import PeakMemory, StolenTime, cpu_seconds
from bench.stand import Stand
from bench.workload import Workload
from bench.yardstick import Yardstick
from tests.end_to_end.deployment import PARTITIONS

_PIECE_S = 900.0

Report = Callable[[str], None]


@dataclass(frozen=True)
class Round:
    """One contender's turn at one piece: wall and CPU seconds, `idle_cpu` of all that waited meanwhile."""

    records: int
    seconds: float
    cpu: Mapping[str, float]  # by process
    servers_cpu: Mapping[str, float]
    idle_cpu: float
    yardstick: Yardstick

    @property
    def own_cpu(self) -> float:
        """CPU seconds of the contender's processes."""
        return sum(self.cpu.values())


@dataclass(frozen=True)
class OpenLoop:
    """One contender's turn at arrivals on a schedule: how long each event took, in seconds and sorted.

    `stolen` is the share of the machine's CPU time that its host gave to others meanwhile; the yardstick was measured
    just before.
    """

    latencies: Sequence[float]
    stolen: float
    yardstick: Yardstick

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


@dataclass
class Result:
    """What a contender did."""

    name: str
    rounds: list[Round] = field(default_factory=list)
    open_loops: list[OpenLoop] = field(default_factory=list)
    peak_bytes: dict[str, int] = field(default_factory=dict)  # by process
    wrong: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Events per second of the wall clock; median of the rounds."""
        return median(each.records / each.seconds for each in self.rounds)

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds of its processes per million events; median of the rounds."""
        return median(each.own_cpu / each.records for each in self.rounds) * 1e6

    def cpu_by_process(self) -> dict[str, float]:
        """Return the CPU seconds per million events of each process; medians of the rounds."""
        return self._medians([each.cpu for each in self.rounds])

    def cpu_of_servers(self) -> dict[str, float]:
        """Return the CPU seconds per million events of broker and database; medians of the rounds."""
        return self._medians([each.servers_cpu for each in self.rounds])

    def latency(self, share: float) -> float:
        """Return a percentile of the latencies in seconds, median of the turns; nan without any."""
        if not self.open_loops:
            return float("nan")
        return median(each.percentile(share) for each in self.open_loops)

    def _medians(self, each_cpu: Sequence[Mapping[str, float]]) -> dict[str, float]:
        records = [each.records for each in self.rounds]
        return {
            name: median(cpu[name] / count for cpu, count in zip(each_cpu, records, strict=True)) * 1e6
            for name in each_cpu[0]
        }


def ratio(one: Result, other: Result) -> float:
    """Return how many times as many events per CPU second `one` does: the median of the ratios of single rounds.

    Both sides of a ratio were measured within seconds of each other.
    """
    pairs = zip(one.rounds, other.rounds, strict=True)
    return median((b.own_cpu / b.records) / (a.own_cpu / a.records) for a, b in pairs)


# The broker runs other code for handfuls of records than for bursts, and compiles it first: in one run of 50 s at
# 1,000 events/s it took about 0.7 of a core for 38 s and 0.35 in the last 12, in which our slowest event of each second
# was at 119 to 203 ms, where it had been at 168 to 743 ms.
WARM_UP_TURNS = 3


@dataclass(frozen=True)
class Plan:
    """How much is measured: records of the warm-up and of each round, rounds, seconds and rate of the open loop.

    The open loop has as many turns as there are rounds, after some to warm up.
    """

    warm_up: int
    records: int
    rounds: int
    open_loop_s: int
    per_second: int

    @property
    def events(self) -> int:
        """Distinct events that are enough for all of it."""
        turns = WARM_UP_TURNS + self.rounds
        return self.warm_up + self.records * self.rounds + turns * self.open_loop_s * self.per_second


class _Lane:
    """A contender with its own way through the workload, its rows and its result."""

    def __init__(self, contender: Contender, work: Workload) -> None:
        self.contender = contender
        self.feed = Feed(work, PARTITIONS)
        self.result = Result(contender.name)
        self.posting = 0
        self.rows: Rows | None = None

    def take(self, records: int) -> Piece:
        """Take the contender's share of a piece."""
        piece = self.feed.take(int(records * self.contender.share))
        self.posting += piece.posting
        return piece

    def wait(self, piece: Piece) -> float:
        """Wait until the piece is done; return when."""
        assert self.rows is not None
        return wait_until_done(self.contender, self.rows, piece, self.posting, _PIECE_S)


class Race:
    """Some contenders on one stand; `run` measures them all."""

    def __init__(self, stand: Stand, work: Workload, contenders: Sequence[Contender], report: Report) -> None:
        """Prepare a race; `report` gets a line for each step."""
        self._stand = stand
        self._report = report
        self._lanes = [_Lane(contender, work) for contender in contenders]

    def run(self, plan: Plan) -> list[Result]:
        """Measure throughput round by round, then latency, then hold every contender against the model.

        Raises:
            ContenderFailed: one died, or is far too slow.
        """
        for lane in self._lanes:
            self._report(f"{lane.contender.name}: starts")
            lane.contender.start()
            lane.rows = Rows(lane.contender)
        for lane in self._lanes:
            self._turn(lane, lane.take(plan.warm_up))
        for _ in range(plan.rounds):
            for lane in self._lanes:
                lane.result.rounds.append(self._turn(lane, lane.take(plan.records)))
        if plan.open_loop_s:
            for turn in range(WARM_UP_TURNS + plan.rounds):
                for lane in self._lanes:
                    measured = self._open_loop(lane, lane.take(plan.open_loop_s * plan.per_second), plan.per_second)
                    if turn >= WARM_UP_TURNS:
                        lane.result.open_loops.append(measured)
        for lane in self._lanes:
            self._compare(lane)
        return [lane.result for lane in self._lanes]

    def _turn(self, lane: _Lane, piece: Piece) -> Round:
        contender, measured = lane.contender, yardstick.measure()
        own, servers = contender.processes(), self._stand.servers()
        waiting = [pid for each in self._lanes if each is not lane for pid in each.contender.processes().values()]
        with PeakMemory(own) as memory:
            before = {pid: cpu_seconds(pid) for pid in (*own.values(), *servers.values(), *waiting)}
            begun = asyncio.run(burst(self._stand.broker, contender.topic, piece))
            ended = lane.wait(piece)
            used = {pid: cpu_seconds(pid) - seconds for pid, seconds in before.items()}
        _keep_peaks(lane.result, memory.peaks)
        turn = Round(
            records=len(piece.records),
            seconds=ended - begun,
            cpu={name: used[pid] for name, pid in own.items()},
            servers_cpu={name: used[pid] for name, pid in servers.items()},
            idle_cpu=sum(used[pid] for pid in waiting),
            yardstick=measured,
        )
        cost = turn.own_cpu / turn.records * 1e6
        self._report(f"{contender.name}: {turn.records / turn.seconds:,.0f} events/s, {cost:,.1f} CPU µs each")
        return turn

    def _open_loop(self, lane: _Lane, piece: Piece, per_second: int) -> OpenLoop:
        """Send a piece on schedule, and see how long each event takes."""
        assert lane.rows is not None
        since, measured = lane.rows.last_commit(), yardstick.measure()
        with PeakMemory(lane.contender.processes()) as memory, StolenTime() as stolen:
            due = asyncio.run(paced(self._stand.broker, lane.contender.topic, piece, per_second))
            lane.wait(piece)
        _keep_peaks(lane.result, memory.peaks)
        commits = lane.rows.commits(since)
        took = sorted(commits[name] - due[position] for name, position in piece.positions.items() if name in commits)
        turn = OpenLoop(took, stolen.share, measured)
        self._report(
            f"{lane.contender.name}: p99 {turn.percentile(0.99) * 1000:,.0f} ms at {per_second:,} arrivals a second"
        )
        return turn

    def _compare(self, lane: _Lane) -> None:
        if lane.rows is not None:
            lane.rows.close()
        lane.result.wrong = lane.contender.stop_and_compare(lane.feed.expected)
        self._report(f"{lane.contender.name}: {'differs from' if lane.result.wrong else 'equals'} the model")


def _keep_peaks(result: Result, peaks: Mapping[str, int]) -> None:
    for name, peak in peaks.items():
        result.peak_bytes[name] = max(result.peak_bytes.get(name, 0), peak)
