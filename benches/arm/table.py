#!/usr/bin/env python3
"""Puts together what benches/arm/count counted.

table.py MODELS FOLDER PROCESSOR...     prints the tables
table.py --networks MODELS CALLS        prints the networks in a list of calls, as bare.c takes them
"""

import pathlib
import sys
from collections import Counter

PLACES = ("program", "litert", "system")
KINDS = ("all", "dot", "widening", "float")
EMBEDDERS = {"sface": "SFace", "mobilefacenet": "MobileFaceNet", "dlib": "dlib"}
# The loop at the beginning of bare.c, and the most that its marks may add.
LOOP, LOOP_PRODUCTS, MARKS = 3_000_000, 1_000_000, 100


def read_calls(models, path):
    """The calls in each region that record.c wrote down: {region: Counter(network)}."""
    files = {file.stat().st_size: file.name for file in models.glob("*.tflite")}
    if len(files) != len(list(models.glob("*.tflite"))):
        sys.exit("usher: two models have files of the same size; record.c tells them apart by it")
    regions, current = {}, None
    for line in path.read_text().splitlines():
        word, *rest = line.split()
        if word == "region":
            current = regions.setdefault(rest[0], Counter())
        elif word == "faces":
            current = None
        elif word == "run" and current is not None:
            size, *sides = rest
            current[f"{files[int(size)]}:{'x'.join(sides)}"] += 1
    return regions


def read_counts(folder, stem):
    """What was counted in each region, divided by how often it does the same: {region: {place: {kind: number}}}."""
    regions = [line.split()[1:] for line in (folder / f"{stem}.regions").read_text().splitlines() if line.startswith("region")]
    lines = (folder / f"{stem}.counts").read_text().splitlines()
    if len(regions) != len(lines):
        sys.exit(f"usher: {stem}: {len(regions)} regions, {len(lines)} counts")
    counts = {}
    for (name, times), line in zip(regions, lines):
        threads, *numbers = map(int, line.split())
        if threads != 1:
            sys.exit(f"usher: {stem}: {threads} threads; the counts hold for one")
        numbers = iter(numbers)
        counts[name] = {place: {kind: next(numbers) / int(times) for kind in KINDS} for place in PLACES}
        counts[name]["times"] = int(times)
    return counts


def total(count, kind="all"):
    return sum(count[place][kind] for place in PLACES)


def check(processor, usher, bare, regions):
    """Stops where the counting, or what was counted, cannot be right."""
    loop = bare["known-loop"]
    if not (LOOP <= total(loop) <= LOOP + MARKS and total(loop, "widening") == LOOP_PRODUCTS):
        sys.exit(f"usher: {processor}: a loop of {LOOP} instructions was counted as {total(loop):.0f}")
    if list(usher) != list(regions):
        sys.exit(f"usher: {processor}: the recorded regions are not the counted ones")
    for line in regions:
        if not line.startswith("judge") and not regions[line]:
            sys.exit(f"usher: {processor}: {line} called no network")


def millions(number):
    return f"{number / 1e6:.2f}" if number < 1e8 else f"{number / 1e6:.1f}"


def row(cells):
    print("| " + " | ".join(cells) + " |")


def needed(bare, count, made):
    """The instructions of the bare calls that one round of a region makes."""
    return sum(times * total(bare[network]) for network, times in made.items()) / count["times"]


def print_regions(processors, usher, bare, calls):
    print("Millions of instructions: usher / the bare calls = ratio\n")
    row(["", "outside LiteRT", *processors])
    print("|---" * (2 + len(processors)) + "|")
    inside = []
    for region, first in usher[processors[0]].items():
        what, _, which = region.partition("-")
        cells = [
            {
                "detect": f"detect, 640x480, faces from {which} pixels",
                "judge": f"align and judge a face for {EMBEDDERS.get(which)}",
                "embed": f"embed, {EMBEDDERS.get(which)}",
            }[what],
            millions(total(first) - first["litert"]["all"]),
        ]
        for p in processors:
            count = usher[p][region]
            all_here, calls_alone = total(count), needed(bare[p], count, calls[p][region])
            if calls_alone:
                cells.append(f"{millions(all_here)} / {millions(calls_alone)} = {all_here / calls_alone:.3f}")
                inside.append(count["litert"]["all"] / calls_alone)
            else:
                cells.append(millions(all_here))
        row(cells)
    print(f"\nLiteRT's part in usher is {min(inside):.3f} to {max(inside):.3f} of the bare calls.")


def print_networks(processors, bare):
    networks = sorted(set().union(*(bare[p] for p in processors)) - {"known-loop"})
    print("Millions of instructions of one bare call (share of products of four pairs / of widening products / of float multiply-adds)\n")
    row(["network", "input", *processors])
    print("|---" * (2 + len(processors)) + "|")
    for network in networks:
        cells = network.split(":")
        for p in processors:
            count = bare[p].get(network)
            if count is None:
                cells.append("")
                continue
            shares = " / ".join(f"{100 * total(count, kind) / total(count):.0f}" for kind in KINDS[1:])
            cells.append(f"{millions(total(count))} ({shares} %)")
        row(cells)


def print_calls(processor, usher, calls):
    print(f"Calls of LiteRT, as a {processor}:\n")
    for region, made in calls[processor].items():
        times = usher[processor][region]["times"]
        by_file = Counter()
        for network, number in made.items():
            by_file[network.split(":")[0]] += number
        if by_file:
            print(f"- {region}, one of {times}: " + ", ".join(f"{number / times:g} of {file}" for file, number in by_file.items()))


def main():
    if sys.argv[1] == "--networks":
        models, path = map(pathlib.Path, sys.argv[2:])
        found = set().union(*read_calls(models, path).values())
        for network in sorted(found):
            print(models / network)
        return
    models, folder, *processors = sys.argv[1:]
    models, folder = pathlib.Path(models), pathlib.Path(folder)
    usher = {p: read_counts(folder, f"{p}.usher") for p in processors}
    bare = {p: read_counts(folder, f"{p}.bare") for p in processors}
    calls = {p: read_calls(models, folder / f"{p}.calls") for p in processors}
    for p in processors:
        check(p, usher[p], bare[p], calls[p])
    print_regions(processors, usher, bare, calls)
    print()
    print_networks(processors, bare)
    print()
    print_calls(processors[0], usher, calls)


main()
