"""Becomes another program that ends when its parent does; a script by itself, so that starting it costs milliseconds.

Arguments: the signal to get when the parent dies (0: none), the parent's process id, the user and group id to become
(-1: stay), then the program and its arguments. It imports the standard library only and nothing of this package.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Change the user, ask to die with the parent, become the program."""
    death_signal, parent, user, group = map(int, sys.argv[1:5])
    os.umask(0o077)
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    # After the change of user: the kernel forgets the wish at a change of credentials.
    if death_signal and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it died before the wish was known
            sys.exit(1)
    os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
