"""A bar chart as SVG."""

from collections.abc import Mapping
from html import escape

WIDTH, LEFT, BAR, GAP, HEAD = 720, 190, 18, 6, 40
OURS, THEIRS = "#2563eb", "#94a3b8"


def bars(groups: Mapping[str, Mapping[str, float]]) -> str:
    """Draws one block of horizontal bars for each group, shortest first. Runwire's bars are blue."""
    parts, top = [], 10
    for title, values in groups.items():
        parts.append(f'<text x="10" y="{top + 20}" font-weight="bold">{escape(title)}</text>')
        top += HEAD
        longest = max(values.values(), default=1)
        for name, value in sorted(values.items(), key=lambda item: item[1]):
            width = max((WIDTH - LEFT - 70) * value / longest, 1)
            color = OURS if name.startswith("runwire") else THEIRS
            middle = top + BAR - 5
            parts.append(f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{color}"/>')
            parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{middle}">{value:.0f}</text>')
            top += BAR + GAP
        top += 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" '
        'font-family="sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
