"""The lines of the log. Texts of users reach it: names, paths, values in the messages of exceptions. No such text may
look like a line of the program, or change what a terminal shows.

A record begins at the start of a line. Its further lines, as those of a traceback, are indented. Other characters that
end a line, move the cursor or change the direction of the text are escaped.

Nor does a client fill the disk: a line has at most MAX_LINE characters, and what Django refuses for its security
(`django.security`: a foreign Host, too many fields) has one line, without the traceback to Django's own check.

The path of a shared page holds a credential, which is not written.
"""

import logging
from copy import copy
from typing import Final

from realtime.secret_paths import hide_secrets

MAX_LINE: Final = 2_000  # a path of a request may have 16 KB

_ESCAPED = {
    code: f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"
    for codes in (
        set(range(0x20)) - {ord("\t")},
        range(0x7F, 0xA0),
        (0x200E, 0x200F, 0x2028, 0x2029),
        range(0x202A, 0x202F),
        range(0x2066, 0x206A),
    )
    for code in codes
}


class SafeFormatter(logging.Formatter):
    """A formatter whose records cannot be forged by what they quote."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name.startswith("django.security"):
            record = copy(record)  # other handlers get it, too
            record.exc_info = record.exc_text = None
        return "\n    ".join(_safe(line) for line in hide_secrets(super().format(record)).split("\n"))


def _safe(line: str) -> str:
    hidden = len(line) - MAX_LINE
    return line[:MAX_LINE].translate(_ESCAPED) + (f"… and {hidden} more characters" if hidden > 0 else "")
