"""The account that PostgreSQL runs as where this process is root: the server refuses to be root."""

import os
import pwd
from pathlib import Path

from pipeline.embedded.processes import Account
from pipeline.errors import UserError

# Accounts that exist on most systems and own nothing of worth to us, best first.
_CANDIDATES = ("postgres", "nobody")


def service_account() -> Account | None:
    """Return the account to become, or None where this process is not root and stays what it is.

    Raises:
        UserError: this process is root and no such account exists.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in _CANDIDATES:
        if name in known:
            return Account(name, known[name].pw_uid, known[name].pw_gid)
    raise UserError(f"PostgreSQL does not run as root, and none of the accounts {', '.join(_CANDIDATES)} exists")


def can_reach(account: Account, path: Path) -> bool:
    """Return whether the account can read `path` and pass every folder above it."""
    *folders, last = [*reversed(path.resolve().parents), path.resolve()]
    return all(_allows(account, folder, 1) for folder in folders) and _allows(account, last, 4 | 1)


def _allows(account: Account, path: Path, wanted: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == account.user else 3 if status.st_gid == account.group else 0
    return (status.st_mode >> shift) & wanted == wanted
