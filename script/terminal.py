"""Draws a program's output as a terminal window in which the lines appear when they came: PROGRAM | terminal.py COMMAND >PICTURE.svg

The text stays text. Each line has its length set, so columns stay in line whatever monospaced font the viewer has. Longer pauses than
LONGEST are shortened; lines that came at once appear one after the other, SHORTEST apart. A viewer that shows no animations, or whose user
wants none, shows all lines.
"""

import html
import re
import sys
import time

WIDTH, HEIGHT, MARGIN, BAR = 7.8, 18, 16, 34
# In seconds: the pauses between two lines, and how long the last line is shown before everything begins again.
SHORTEST, LONGEST, END = 0.15, 2.0, 12.0
BACKGROUND, FRAME, TEXT, DIM = "#161b22", "#30363d", "#e6edf3", "#8b949e"
# The first match on a line colours what it matched.
COLOURS = [
    (re.compile(r"✓|open for .+?(?=  )|opens"), "#7ee787"),
    (re.compile(r"^(\$|(demo|models|enrolled|camera)\b)"), "#79c0ff"),
    (re.compile(r"✗"), "#ff7b72"),
    (re.compile(r"shut: \w+|stays shut(: \w+)?"), "#ffa657"),
    (re.compile(r"[─═]+|distance .*verdict"), DIM),
]


def main() -> None:
    command = sys.argv[1]
    lines, moments = watch(["$ " + command, ""])
    length = moments[-1] + END
    columns = max(map(len, lines))
    width, height = columns * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + BAR + MARGIN
    steps = sorted({moment for line, moment in zip(lines, moments) if line and moment})
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" role="img">\n'
        f"<title>The output of {html.escape(command)}</title>\n"
        "<style>@media (prefers-reduced-motion: no-preference) {"
    )
    for number, moment in enumerate(steps):
        shown = 100 * moment / length
        print(
            f"@keyframes k{number} {{ 0% {{ visibility: hidden }} {shown:.2f}% {{ visibility: visible }} }} "
            f".s{number} {{ animation: k{number} {length:.1f}s step-end infinite }}"
        )
    print(f'}}</style>\n<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}" stroke="{FRAME}"/>')
    for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        print(f'<circle cx="{MARGIN + 6 + 20 * number}" cy="17" r="6" fill="{colour}"/>')
    print(
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="13" fill="{TEXT}">'
    )
    for number, (line, moment) in enumerate(zip(lines, moments)):
        # Spaces at the ends would be lost: the text begins at its first visible column.
        text = line.strip()
        if not text:
            continue
        x = MARGIN + (len(line) - len(line.lstrip())) * WIDTH
        y = BAR + (number + 0.75) * HEIGHT
        step = f' class="s{steps.index(moment)}"' if moment else ""
        print(
            f'<text{step} x="{x:.1f}" y="{y:.1f}" textLength="{len(text) * WIDTH:.1f}" xml:space="preserve">{coloured(line)}</text>'
        )
    print("</g>\n</svg>")


def watch(first: list[str]) -> tuple[list[str], list[float]]:
    """The lines of the standard input behind the first ones, and when each appears, in seconds."""
    lines, moments = first, [0.0] * len(first)
    last = time.monotonic()
    for line in sys.stdin:
        pause = time.monotonic() - last
        last += pause
        lines.append(line.rstrip())
        # An empty line shows nothing that could be waited for.
        pause = min(max(pause, SHORTEST if line.strip() else 0), LONGEST)
        moments.append(moments[-1] + pause)
    while not lines[-1]:
        lines.pop()
        moments.pop()
    return lines, moments


def coloured(line: str) -> str:
    text, indent = line.strip(), len(line) - len(line.lstrip())
    spans = sorted(
        (match.start() - indent, match.end() - indent, colour) for pattern, colour in COLOURS for match in pattern.finditer(line)
    )
    parts, at = [], 0
    for start, end, colour in spans:
        if start < at or start == end:
            continue
        parts += [html.escape(text[at:start]), f'<tspan fill="{colour}">{html.escape(text[start:end])}</tspan>']
        at = end
    return "".join(parts) + html.escape(text[at:])


main()
