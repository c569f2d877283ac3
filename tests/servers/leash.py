"""Runs a program that dies with the process that started it, whatever ends that one: Ctrl-C, an error, `kill -9`.

    python leash.py PARENT SIGNAL USER PROGRAM [ARGUMENT ...]

PARENT is the starter's process id, SIGNAL what the kernel sends when it dies, USER whom to become first ("" for nobody
else). A program in between, and not a `preexec_fn`, which is unsafe beside threads.
Only Linux has it; elsewhere the fixtures' own clean-up must do.
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
        sys.exit("The process that wanted this one is already gone.")
    os.execvp(command[0], command)


main()
