"""Draws a program's output as a terminal window: terminal.py COMMAND <OUTPUT >PICTURE.svg

The text stays text. Each line has its length set, so columns stay in line whatever monospaced font the viewer has.
"""

import html
import re
import sys

WIDTH, HEIGHT, MARGIN, BAR = 7.8, 18, 16, 34
BACKGROUND, FRAME, TEXT, DIM = "#161b22", "#30363d", "#e6edf3", "#8b949e"
# The first match on a line colours what it matched.
COLOURS = [
    (re.compile(r"✓|open for .*? ms|opens"), "#7ee787"),
    (re.compile(r"^(\$|(models|enrolled|camera)\b)"), "#79c0ff"),
    (re.compile(r"✗"), "#ff7b72"),
    (re.compile(r"shut: \w+|stays shut(: \w+)?"), "#ffa657"),
    (re.compile(r"[─═]+|distance .*verdict"), DIM),
]


def main() -> None:
    command = sys.argv[1]
    lines = [f"$ {command}", ""] + sys.stdin.read().rstrip().split("\n")
    columns = max(map(len, lines))
    width, height = columns * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + BAR + MARGIN
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" role="img">\n'
        f"<title>The output of {html.escape(command)}</title>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}" stroke="{FRAME}"/>'
    )
    for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        print(f'<circle cx="{MARGIN + 6 + 20 * number}" cy="17" r="6" fill="{colour}"/>')
    print(
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="13" fill="{TEXT}">'
    )
    for number, line in enumerate(lines):
        # Spaces at the ends would be lost: the text begins at its first visible column.
        text = line.strip()
        if not text:
            continue
        x = MARGIN + (len(line) - len(line.lstrip())) * WIDTH
        y = BAR + (number + 0.75) * HEIGHT
        print(
            f'<text x="{x:.1f}" y="{y:.1f}" textLength="{len(text) * WIDTH:.1f}" xml:space="preserve">{coloured(text)}</text>'
        )
    print("</g>\n</svg>")


def coloured(text: str) -> str:
    spans = sorted(
        (match.start(), match.end(), colour) for pattern, colour in COLOURS for match in pattern.finditer(text)
    )
    parts, at = [], 0
    for start, end, colour in spans:
        if start < at or start == end:
            continue
        parts += [html.escape(text[at:start]), f'<tspan fill="{colour}">{html.escape(text[start:end])}</tspan>']
        at = end
    return "".join(parts) + html.escape(text[at:])


main()
