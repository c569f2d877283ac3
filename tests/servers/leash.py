"""Runs a program that dies with the process that started it, even if that one ends by Ctrl-C or `kill -9`.

    python leash.py PARENT SIGNAL USER PROGRAM [ARGUMENT ...]

PARENT is the process id of the starter. SIGNAL is sent by the kernel when the starter dies. USER is the account to run
as, or "" for no change. This is a program, since a `preexec_fn` is unsafe beside threads.
Only Linux supports it. On other systems only the clean-up of the fixtures ends the servers.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, signal, user, *command = sys.argv[1:]
    if user:
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal))
    if os.getppid() != int(parent):
        sys.exit("The process that started this one has already ended.")
    os.execvp(command[0], command)


main()
