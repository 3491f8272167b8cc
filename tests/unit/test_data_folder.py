"""The folder of a stack that is kept."""

import os
from pathlib import Path

import pytest

from pipeline.embedded.data_folder import keep_data_of, lock_folder
from pipeline.errors import UserError


def test_a_folder_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    """Two stacks on one database and one set of tables would destroy both."""
    lock = lock_folder(tmp_path / "data")

    with pytest.raises(UserError, match="another stack uses"):
        lock_folder(tmp_path / "data")

    os.close(lock)
    os.close(lock_folder(tmp_path / "data"))


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    """The message says what is in the way."""
    (tmp_path / "data").write_text("")

    with pytest.raises(UserError, match="can't be used"):
        lock_folder(tmp_path / "data")


def test_data_of_another_log_is_put_aside_not_deleted(tmp_path: Path) -> None:
    """Offsets of a new log begin anew: a ledger that remembers the old ones would skip its events."""
    keep_data_of("first", tmp_path)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "ledger").write_text("of the first log")
    (tmp_path / "tables").mkdir()

    aside = keep_data_of("second", tmp_path)

    assert aside is not None
    assert (aside / "postgres" / "ledger").read_text() == "of the first log"
    assert (aside / "tables").is_dir()
    assert not (tmp_path / "postgres").exists()


def test_each_former_log_keeps_a_place_of_its_own(tmp_path: Path) -> None:
    """Putting aside twice overwrites nothing."""
    places = []
    for log in ("first", "second", "third"):
        places.append(keep_data_of(log, tmp_path))
        (tmp_path / "tables").mkdir()

    assert places[0] is None
    assert len({*places}) == 3


def test_data_of_the_same_log_stays(tmp_path: Path) -> None:
    """A restart beside a durable broker goes on where it was."""
    keep_data_of("first", tmp_path)
    (tmp_path / "tables").mkdir()

    assert keep_data_of("first", tmp_path) is None
    assert (tmp_path / "tables").is_dir()
