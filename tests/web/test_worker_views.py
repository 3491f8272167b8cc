"""What a worker says about itself."""

import pytest

from tests.web.workers import Status, serving


@pytest.mark.parametrize("stage", ["normalize", "dedupe", "match", "ledger", "leaderboards"])
async def test_every_stage_is_alive_and_measured(stage: str) -> None:
    """Liveness asks nothing of broker, database or tables."""
    async with serving(stage, 0) as worker:
        worker.runtime.reasons = ["no broker"]
        health = await worker.get("/health")
        status, _, headers = await worker.get("/metrics")

    assert health[:2] == (200, {"status": "alive"})
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


async def test_worker_is_ready_without_reasons_not_to_be() -> None:
    """Ready means: everything assigned is recovered and everything needed answers."""
    async with serving("ledger", 0) as worker:
        ready = await worker.get("/ready")
        worker.runtime.reasons = ["waiting for the sink: it is away"]
        status, body, headers = await worker.get("/ready")

    assert ready[:2] == (200, {"status": "ready"})
    assert (status, body["reasons"], headers["Retry-After"]) == (503, ["waiting for the sink: it is away"], "1")


async def test_tables_show_what_is_owned() -> None:
    """Partition by partition: recovered or not, and how far behind."""
    async with serving("dedupe", 0, 2) as worker:
        worker.runtime.owned[2] = Status(2, "recovering", 1, 5, 7)
        status, body, _ = await worker.get("/tables")

    assert status == 200
    assert body == {
        "stage": "dedupe",
        "partitions": 4,
        "owned": [
            {"partition": 0, "state": "ready", "recovered": 10, "target": 10, "lag": 0},
            {"partition": 2, "state": "recovering", "recovered": 1, "target": 5, "lag": 7},
        ],
    }


@pytest.mark.parametrize(
    ("stage", "path"), [("ledger", "/tables/profiles/acme/ada"), ("match", "/tables/boards/acme/weekly")]
)
async def test_stage_serves_only_what_it_keeps(stage: str, path: str) -> None:
    """A stage without the table has no such route."""
    async with serving(stage, 0) as worker:
        status, body, _ = await worker.get(path)

    assert (status, body["type"]) == (404, "urn:plaudit:problem:no-such-route")
