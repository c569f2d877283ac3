"""The lines of the log. Texts of users reach it: names, paths, values in the messages of exceptions. No such text may
look like a line of the program, or change what a terminal shows.

A record begins at the start of a line. Its further lines, as those of a traceback, are indented. Other characters that
end a line, move the cursor or change the direction of the text are escaped.
"""

import logging

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
        return "\n    ".join(line.translate(_ESCAPED) for line in super().format(record).split("\n"))
