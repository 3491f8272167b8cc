"""Profiles over HTTP."""

from urllib.parse import quote

import pytest
from aiohttp import web

from pipeline.events import actor_key
from rules.profile import Profile
from tests.builders import TENANT
from tests.web.workers import PARTITIONS, MemoryEconomies, Status, economy, partition_for, serving, with_profiles

ADA = Profile(seq=41, level=2, balances={"xp": 120, "coins": 5}, attributes={"tier": "gold"})
ODD_NAMES = [
    "a/b",
    "50%",
    "50%25",
    "a%2Fb",
    "..",
    ".",
    "a..b/../c",
    "ü 🦊",
    "a+b",
    "?x=1#y",
    "a|b",
    " ",
    "{x}",
    "x" * 256,
    "🦊" * 256,
]


async def test_unknown_actor_is_not_found() -> None:
    """Nobody is shown who never did anything."""
    async with serving("match", *range(PARTITIONS)) as worker:
        status, body, headers = await worker.get("/tables/profiles/acme/nobody")

    assert (status, body["type"], body["actor"]) == (404, "urn:plaudit:problem:unknown-actor", "nobody")
    assert headers["Content-Type"].startswith("application/problem+json")


async def test_profile_shows_balances_level_and_attributes() -> None:
    """What is remembered of an actor, and up to which event."""
    async with serving("match", *range(PARTITIONS)) as worker:
        with_profiles([worker], {"ada": ADA})
        status, body, _ = await worker.get("/tables/profiles/acme/ada")

    assert status == 200
    assert body == {
        "actor": "ada",
        "balances": {"coins": 5, "xp": 120},
        "level": {"number": 2, "points": 120, "next_at": 250},
        "streaks": {},
        "badges": [],
        "progress": {},
        "recommended": [],
        "quests": {},
        "flags": [],
        "rewards": [],
        "attributes": {"tier": "gold"},
        "as_of": {"partition": partition_for(actor_key(TENANT, "ada")), "seq": 41},
    }


async def test_highest_level_has_no_next() -> None:
    """There is nothing to reach after the last threshold."""
    async with serving("match", *range(PARTITIONS)) as worker:
        with_profiles([worker], {"ada": Profile(level=3, balances={"xp": 300})})
        _, body, _ = await worker.get("/tables/profiles/acme/ada")

    assert body["level"] == {"number": 3, "points": 300, "next_at": None}


async def test_economy_without_levels_shows_none() -> None:
    """A tenant need not have levels."""
    async with serving(
        "match", *range(PARTITIONS), economies=MemoryEconomies({TENANT: economy(levels=None)})
    ) as worker:
        with_profiles([worker], {"ada": ADA})
        _, body, _ = await worker.get("/tables/profiles/acme/ada")

    assert body["level"] is None


@pytest.mark.parametrize("actor", ODD_NAMES)
async def test_any_name_is_found_on_either_worker(actor: str) -> None:
    """Names may hold whatever Unicode has; the worker that does not own the actor asks the one that does."""
    async with serving("match", 0, 1) as one, serving("match", 2, 3) as other:
        with_profiles([one, other], {actor: ADA})
        path = "/tables/profiles/acme/" + quote(actor, safe="").replace(".", "%2E")
        answers = [await worker.get(path) for worker in (one, other)]

    assert [status for status, _, _ in answers] == [200, 200]
    assert [body["actor"] for _, body, _ in answers] == [actor, actor]


async def test_unknown_actor_is_not_found_by_way_of_another_worker() -> None:
    """The owner's refusal is passed on as it is."""
    async with serving("match", 0, 1) as one, serving("match", 2, 3) as other:
        with_profiles([one, other], {})
        answers = [await worker.get("/tables/profiles/acme/nobody") for worker in (one, other)]

    assert [(status, body["type"]) for status, body, _ in answers] == [(404, "urn:plaudit:problem:unknown-actor")] * 2
    assert all(headers["Content-Type"].startswith("application/problem+json") for _, _, headers in answers)


async def test_recovering_partition_is_not_read() -> None:
    """A read during recovery says how far it is, never a wrong number."""
    async with serving("match", *range(PARTITIONS)) as worker:
        with_profiles([worker], {"ada": ADA})
        partition = partition_for(actor_key(TENANT, "ada"))
        worker.runtime.owned[partition] = Status(partition, "recovering", 7, 20, 3)
        status, body, headers = await worker.get("/tables/profiles/acme/ada")

    assert (status, body["type"], headers["Retry-After"]) == (503, "urn:plaudit:problem:recovering", "1")
    assert body["partitions"] == [
        {"partition": partition, "state": "recovering", "recovered": 7, "target": 20, "lag": 3}
    ]


async def test_owners_recovery_is_passed_on() -> None:
    """Who asks the wrong worker learns of the owner's recovery just the same."""
    async with serving("match", 0, 1) as one, serving("match", 2, 3) as other:
        with_profiles([one, other], {"ada": ADA})
        for worker in (one, other):
            worker.runtime.owned = {number: Status(number, "recovering", 1, 2) for number in worker.runtime.owned}
        answers = [await worker.get("/tables/profiles/acme/ada") for worker in (one, other)]

    assert [(status, body["detail"], headers["Retry-After"]) for status, body, headers in answers] == [
        (503, "1 partitions are recovering: 1 of 2 records are read", "1")
    ] * 2


async def test_workers_that_believe_in_each_other_ask_once() -> None:
    """Two workers that each take the other for the owner do not ask each other in circles."""
    async with serving("match") as one, serving("match") as other:
        one.runtime.owners = dict.fromkeys(range(PARTITIONS), other.url)
        other.runtime.owners = dict.fromkeys(range(PARTITIONS), one.url)
        status, body, headers = await one.get("/tables/profiles/acme/ada")

    assert (status, body["type"], headers["Retry-After"]) == (503, "urn:plaudit:problem:not-the-owner", "1")


async def test_partition_without_an_owner_is_unavailable() -> None:
    """In a rebalance nobody may own a partition for a while."""
    async with serving("match") as worker:
        status, body, _ = await worker.get("/tables/profiles/acme/ada")

    assert (status, body["type"]) == (503, "urn:plaudit:problem:owner-unknown")


async def test_owner_that_is_gone_is_unavailable() -> None:
    """A worker that has just died still stands in the others' lists."""
    async with serving("match") as gone:
        url = gone.url
    async with serving("match") as worker:
        worker.runtime.owners = dict.fromkeys(range(PARTITIONS), url)
        status, body, _ = await worker.get("/tables/profiles/acme/ada")

    assert (status, body["type"]) == (503, "urn:plaudit:problem:owner-unavailable")


async def test_client_headers_are_not_passed_on() -> None:
    """Credentials of a client are for the worker that it asked; the mark alone goes on."""
    seen: list[dict[str, str]] = []
    async with serving("match") as worker:

        async def record(request: web.Request) -> web.Response:
            seen.append(dict(request.headers))
            return web.json_response({})

        application = web.Application()
        application.router.add_get("/{path:.*}", record)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        worker.runtime.owners = dict.fromkeys(range(PARTITIONS), f"http://127.0.0.1:{runner.addresses[0][1]}")
        await worker.get("/tables/profiles/acme/ada", headers={"Authorization": "Bearer x", "Cookie": "a=b"})
        await runner.cleanup()

    [headers] = seen
    assert headers["X-Plaudit-Forwarded"] == "1"
    assert not {"Authorization", "Cookie"} & set(headers)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/tables/profiles/ACME/ada", 400, "invalid-parameter"),
        ("/tables/profiles/acme/" + "x" * 257, 400, "invalid-parameter"),
        ("/tables/profiles/acme/a%00b", 400, "invalid-parameter"),
        ("/tables/profiles/acme/ada?window=current", 400, "invalid-parameter"),
        ("/tables/profiles/other/ada", 404, "unknown-tenant"),
        ("/tables/profiles/acme/", 404, "no-such-route"),
        ("/tables/profiles/acme", 404, "no-such-route"),
        ("/tables/nothing", 404, "no-such-route"),
    ],
)
async def test_bad_input_is_refused(path: str, status: int, code: str) -> None:
    """Each mistake has its own stable type, and none is a failure of the worker."""
    async with serving("match", *range(PARTITIONS)) as worker:
        with_profiles([worker], {"ada": ADA})
        answered, body, headers = await worker.get(path)

    assert (answered, body["type"]) == (status, f"urn:plaudit:problem:{code}")
    assert headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "path", ["/tables/profiles/acme/%FF%FE", "/tables/profiles/acme/%ED%A0%80", "/tables/profiles/acme/%"]
)
async def test_bytes_that_are_no_text_name_nobody(path: str) -> None:
    """A path that is not UTF-8 is refused or names an actor that does not exist."""
    async with serving("match", *range(PARTITIONS)) as worker:
        status, body, _ = await worker.get(path)

    assert status in {400, 404}
    assert body["type"].startswith("urn:plaudit:problem:")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    """Views only read."""
    async with serving("match", *range(PARTITIONS)) as worker:
        status, body, headers = await worker.get("/tables/profiles/acme/ada", method)

    assert (status, body["type"]) == (405, "urn:plaudit:problem:method-not-allowed")
    assert "GET" in headers["Allow"]


async def test_worker_that_does_not_know_the_economies_yet_says_so() -> None:
    """A level read by an economy that may be out of date would be a wrong number."""
    economies = MemoryEconomies({}, known=False)
    async with serving("match", *range(PARTITIONS), economies=economies) as worker:
        with_profiles([worker], {"ada": ADA})
        status, body, _ = await worker.get("/tables/profiles/acme/ada")

    assert (status, body["type"]) == (503, "urn:plaudit:problem:economies-unknown")


async def test_defect_is_a_problem_without_insides(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a defect causes is logged here and tells nobody out there how we are built."""
    async with serving("match", *range(PARTITIONS)) as worker:
        monkeypatch.setattr(worker.runtime, "partition_for", None)
        status, body, _ = await worker.get("/tables/profiles/acme/ada")

    assert (status, body["type"]) == (500, "urn:plaudit:problem:defect")
    assert "None" not in str(body)
