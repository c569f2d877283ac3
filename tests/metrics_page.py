"""The tables of docs/metrics.md, made from realtime/metrics/definitions.py.

python -m tests.metrics_page    writes them into the page
"""

import re
from pathlib import Path

from realtime.metrics.definitions import REFUSALS, rows

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"


def tables() -> dict[str, str]:
    """The tables by the name of their marker."""
    metrics = ["| metric | type | label | what it is |", "|---|---|---|---|"]
    metrics += [
        f"| `{row.name}` | {row.kind} | {f'`{row.label}`' if row.label else ''} | {row.help} |" for row in rows()
    ]
    causes = ["| `cause` | on `/realtime/status` | what it is |", "|---|---|---|"]
    causes += [f"| `{each.cause}` | `{name}` | {each.help} |" for name, each in REFUSALS.items()]
    return {"metrics": "\n".join(metrics), "causes": "\n".join(causes)}


def with_tables(page: str) -> str:
    """The page with its tables made anew."""
    for name, table in tables().items():
        page, found = re.subn(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", rf"\g<1>{table}\g<2>", page, flags=re.DOTALL)
        assert found == 1, f"docs/metrics.md has {found} markers {name!r}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
