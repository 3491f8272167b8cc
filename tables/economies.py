"""The published economies of a tenant: what a record of the topic `economies` holds, and how records follow each other.

The topic keeps one record per tenant, so each carries all revisions, newest last. A revision never changes once it is
there: where two records disagree about a number, the first of them in the log is right. Nothing here reads a clock.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from pipeline.errors import PipelineError
from pipeline.events import EPOCH

# A record must pass the broker's usual limit of 1 MiB with its headers, key and the batch around it.
RECORD_BYTES_MAX = 900_000
# A revision is kept at least this long after another one took its place, for events that still wait to be judged by it.
SUPERSEDED_KEPT = timedelta(hours=1)
# The ledger has 32 bits for it.
REVISION_MAX = 2**31 - 1
# A day: events would wait half of it for the economies to be known.
MARGIN_MS_MAX = 86_400_000
_MILLISECOND = timedelta(milliseconds=1)

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class HistoryFull(PipelineError):
    """The revisions that must be kept and the new one don't fit into one record."""


class NotAHistory(PipelineError):
    """A record of `economies` that is no history of its tenant."""


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One published document: a number, counted from 1, two instants, and the validated document as JSON."""

    revision: Annotated[int, msgspec.Meta(ge=1, le=REVISION_MAX)]
    published_at: Instant
    effective_at: Instant
    sha256: str
    document: msgspec.Raw


class EconomyHistory(msgspec.Struct, frozen=True, kw_only=True):
    """All revisions of a tenant that are still kept, in the order of their numbers; never empty.

    `margin_ms` is the least time between the publication of the newest and its effect.
    """

    version: Literal[1] = 1
    tenant: str
    margin_ms: Annotated[int, msgspec.Meta(ge=0, le=MARGIN_MS_MAX)]
    revisions: tuple[Revision, ...]

    @property
    def newest(self) -> Revision:
        """The revision that this record was written to publish."""
        return self.revisions[-1]


encode_history = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(EconomyHistory).decode


def decode_history(key: bytes | None, value: bytes) -> EconomyHistory:
    """Return the history that a record carries.

    Raises:
        NotAHistory: the record is none, or not one of the tenant that its key names; the message says what is wrong.
    """
    try:
        history = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotAHistory(str(error)) from error
    numbers = [each.revision for each in history.revisions]
    if key != history.tenant.encode():
        raise NotAHistory("the key is not the tenant")
    if not numbers or any(b <= a for a, b in pairwise(numbers)):
        raise NotAHistory("there must be revisions, each number once, newest last")
    return history


def append_revision(
    history: EconomyHistory | None,
    tenant: str,
    document: bytes,
    published_at: datetime,
    effective_at: datetime | None,
    margin_ms: int,
) -> EconomyHistory:
    """Return the history with one more revision: the next number, in force at `effective_at`, by default the earliest.

    The earliest is `margin_ms` after the publication; an earlier wish is moved there. `document` is validated JSON.
    Revisions that were superseded long ago are dropped, oldest first, if the record would be too large.

    Raises:
        HistoryFull: it is too large even so.
    """
    published_at = _whole_millis(published_at)
    earliest = published_at + margin_ms * _MILLISECOND
    revision = Revision(
        revision=1 if history is None else history.newest.revision + 1,
        published_at=published_at,
        effective_at=earliest if effective_at is None else max(_whole_millis(effective_at), earliest),
        sha256=sha256(document).hexdigest(),
        document=msgspec.Raw(document),
    )
    kept = () if history is None else history.revisions
    return _fitted(EconomyHistory(tenant=tenant, margin_ms=margin_ms, revisions=(*kept, revision)), published_at)


def follow(known: EconomyHistory | None, record: EconomyHistory, appended_ms: int) -> EconomyHistory:
    """Return what is known after the next record of the same tenant in the log; `known` itself if it publishes nothing.

    A record publishes its newest revision and repeats the others. One whose newest number is taken already lost against
    another publisher and changes nothing. `appended_ms` is when the broker appended the record: a publication that
    arrived so late that events may have been judged without it has its instants counted from there. The result is the
    same for whoever reads the log, before or after compaction.
    """
    if known is not None and record.newest.revision <= known.newest.revision:
        return known
    mine = {} if known is None else {each.revision: each for each in known.revisions}
    repeated = tuple(mine.get(each.revision, each) for each in record.revisions[:-1])
    newest = _as_appended(record.newest, record.margin_ms, EPOCH + appended_ms * _MILLISECOND)
    return msgspec.structs.replace(record, revisions=(*(_detached(each) for each in repeated), _detached(newest)))


def in_force(history: EconomyHistory, instant: datetime) -> Revision | None:
    """Return the revision that judges events appended at `instant`: the one with the latest effect until then.

    Of several with the same effective instant it is the one with the highest number. None before the first one's.
    """
    effective = (each for each in history.revisions if each.effective_at <= instant)
    return max(effective, key=_rank, default=None)


def named(history: EconomyHistory, number: int) -> Revision | None:
    """Return the revision of that number, or None if it never was or is no longer kept."""
    return next((each for each in history.revisions if each.revision == number), None)


def superseded_at(history: EconomyHistory, revision: Revision) -> datetime | None:
    """Return the instant from which no event is judged by `revision` any more; None while none is known."""
    later = (each.effective_at for each in history.revisions if _rank(each) > _rank(revision))
    return min(later, default=None)


def _rank(revision: Revision) -> tuple[datetime, int]:
    return revision.effective_at, revision.revision


def _as_appended(revision: Revision, margin_ms: int, appended_at: datetime) -> Revision:
    # Followers are sure of the log up to half a margin before an event. A quarter is left for clocks that disagree.
    if revision.effective_at - appended_at >= margin_ms * _MILLISECOND * 3 / 4:
        return revision
    effective_at = appended_at + margin_ms * _MILLISECOND
    return msgspec.structs.replace(revision, published_at=appended_at, effective_at=effective_at)


def _fitted(history: EconomyHistory, now: datetime) -> EconomyHistory:
    while (size := len(encode_history(history))) > RECORD_BYTES_MAX:
        first = min(history.revisions, key=_rank)
        ended = superseded_at(history, first)
        if ended is None or ended > now - SUPERSEDED_KEPT:
            raise HistoryFull(f"{size} bytes are needed, {RECORD_BYTES_MAX} fit: shorten it or wait an hour")
        history = msgspec.structs.replace(history, revisions=tuple(each for each in history.revisions if each != first))
    return history


def _detached(revision: Revision) -> Revision:
    # A decoded document is a view that would keep the whole record in memory.
    return msgspec.structs.replace(revision, document=revision.document.copy())


def _whole_millis(instant: datetime) -> datetime:
    # The log counts in milliseconds; so does the comparison with it.
    return EPOCH + (instant - EPOCH) // _MILLISECOND * _MILLISECOND
