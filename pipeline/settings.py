"""Settings: read once from the environment (`PLAUDIT_…`), validated, then passed down as values."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import UserError


class Settings(BaseSettings):
    """How this process runs. Each field is an environment variable with the prefix `PLAUDIT_`."""

    model_config = SettingsConfigDict(env_prefix="PLAUDIT_", frozen=True, extra="ignore")

    broker: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, `host:port`, separated by commas.")
    database: SecretStr = Field(
        SecretStr("postgresql://plaudit@127.0.0.1:5432/plaudit"),
        description="PostgreSQL of the ledger, as a URL. A password in it is never shown.",
    )
    topic_prefix: str = Field("plaudit.", description="Put before the name of every topic and consumer group.")
    partitions: int = Field(
        8, ge=1, le=4096, description="Partitions of every topic save `economies`; fixed once created."
    )
    replication: int = Field(1, ge=1, le=7, description="Copies of every partition. 3 in production.")
    data: Path = Field(Path(".plaudit"), description="Folder of the workers' RocksDB tables.")
    worker: str = Field(
        "",
        description="Name of this worker's table folder, unique in its stage and the same after a restart. "
        "Empty: the first folder that no running worker uses.",
    )
    source_format: Literal["cloudevents", "envelope", "journey", "app"] = Field(
        "cloudevents", description="Format of records on `events.raw` that name none in their header."
    )
    source_tenant: str = Field("", description="Tenant of records whose format has no place for one.")
    web_host: str = Field("127.0.0.1", description="Address that a worker's web views listen on.")
    web_port: int = Field(0, ge=0, le=65535, description="Port of a worker's web views; 0: any free one.")
    web_advertise: str = Field("", description="Host name that other workers reach this one by. Empty: `web_host`.")
    web_match: str = Field(
        "http://127.0.0.1:6063",
        description="Base URLs of match workers' web views, separated by commas. Any of them answers for all.",
    )
    web_leaderboards: str = Field(
        "http://127.0.0.1:6065", description="Base URLs of leaderboards workers' web views, likewise."
    )
    batch_records_max: int = Field(2_000, ge=1, le=100_000, description="Records in one batch, at most.")
    batch_bytes_max: int = Field(
        1_048_576, ge=1_024, description="Bytes in one batch, at most (one record always fits)."
    )
    session_timeout_s: float = Field(10.0, ge=1, description="Seconds after which a silent worker's partitions move.")
    commit_interval_s: float = Field(1.0, gt=0, description="Seconds between commits of offsets.")
    dedupe_retention_days: int = Field(
        30, ge=1, description="Days of ingestion for which a repeated event is recognised."
    )
    economy_margin_s: float = Field(
        5.0, ge=0.5, description="Seconds between the publication of a revision and its effect, at least."
    )
    windows_kept: int = Field(8, ge=1, description="Closed windows kept of each leaderboard.")
    season_grace_s: float = Field(
        86_400.0, ge=0, description="Seconds after a season's end until its standing is frozen: for late events."
    )
    table_cache_mb: int = Field(64, ge=8, description="RocksDB block cache of a worker, in MiB.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )
    log_format: Literal["json", "console"] = Field("json", description="`json` for machines, `console` for people.")

    def shown(self) -> dict[str, str]:
        """Return each setting's environment variable and value, secrets hidden."""
        values = {f"PLAUDIT_{name.upper()}": str(getattr(self, name)) for name in type(self).model_fields}
        values["PLAUDIT_DATABASE"] = without_password(self.database.get_secret_value())
        return values


def child_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with `changes`, for a process that it starts."""
    return {**os.environ, **changes}


def without_password(url: str) -> str:
    """Return a URL with its password replaced."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))


def load_settings(**overrides: object) -> Settings:
    """Read the environment; `overrides` win over it.

    Raises:
        UserError: a variable has a value that can't be used; the message names each.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates them
    except ValidationError as error:
        lines = [
            f"PLAUDIT_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors(include_input=False)
        ]
        raise UserError("settings: " + "; ".join(lines)) from None
