"""Makes glibc give memory back to the system. Elsewhere it does nothing.

glibc takes blocks above a threshold from the system one by one, and gives each back at once. But each such block that
is freed raises the threshold, up to 32 MB. After that, the bodies of requests come from the heap, in an arena for each
thread, and a small object above a hole keeps the hole: after 200 forms of 300 KB the process was 250 MB larger for
good, with nothing in them. A threshold that is set stays.
"""

import ctypes
from typing import Final

# From malloc.h
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

BLOCK_BYTES: Final = 128 * 1024  # glibc's own threshold at the start
ARENAS: Final = 2  # threads of Python take turns anyway


def give_memory_back() -> bool:
    """Returns whether the allocator has taken the settings. Call it before threads start."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library; Windows
        return False
    settings = {_M_MMAP_THRESHOLD: BLOCK_BYTES, _M_TRIM_THRESHOLD: BLOCK_BYTES, _M_ARENA_MAX: ARENAS}
    taken = [mallopt(name, value) for name, value in settings.items()]
    return all(taken)
