"""`build sface-table`: measures once, on photographs, what the build of SFace replays: `sface.json`.

Owns the order of measuring: ranges of the float net, then the mean embedding that the int8 net gives, then the ranges again.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from alignment import Alignment
from calibrate import embed, measure
from faces import MOST_FACES, FacesError, cut_out, program
from fetch import FetchError, Packages
from recipe import SFACE_TABLE, sface_file, sface_float, sface_int8
from sface import DIMENSION, IMAGE_SIZE

_DIGITS = 5  # of the mean, whose values are near 0.3: a hundredth of what int8 leaves uncertain


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="models/build/build sface-table",
        description="Measure SFace's mean embedding and the ranges of its activations on photographs of LFW, and write models/build/sface.json. "
        "It takes minutes, and its result depends on the processor in the last digits; a build replays the file that is there.",
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="LFW's photographs, NAME/NAME_0001.jpg")
    parser.add_argument("--pairs", type=Path, required=True, metavar="FILE", help="the list whose photographs count: View 1's pairsDevTrain.txt")
    parser.add_argument("--usher", metavar="PROGRAM", help="the usher that cuts out the faces (default: from the checkout, else from PATH)")
    options = parser.parse_args(arguments)
    try:
        faces = _faces(options.images, listed(options.pairs.read_text()), program(options.usher))
        table = measured(sface_file(Packages()), faces)
    except (FacesError, FetchError, OSError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    SFACE_TABLE.write_text(written(table))
    return 0


def listed(text):
    """The photographs in a list of pairs, (person, number), in order: `NAME 1 2` is of one person, `NAME 1 OTHER 2` of two."""
    found = set()
    for words in map(str.split, text.splitlines()):
        if len(words) == 3:
            found |= {(words[0], int(words[1])), (words[0], int(words[2]))}
        elif len(words) == 4:
            found |= {(words[0], int(words[1])), (words[2], int(words[3]))}
    return sorted(found)


def _faces(images, photographs, usher):
    with tempfile.TemporaryDirectory() as folder:
        for person, number in photographs:
            name = f"{person}_{number:04}.jpg"
            Path(folder, person).mkdir(exist_ok=True)
            Path(folder, person, name).symlink_to((images / person / name).resolve(strict=True))
        return cut_out(Path(folder), Alignment("five-point", IMAGE_SIZE, 0), usher, several=False)


def measured(file, faces):
    """The table, from the ONNX file and n x 112 x 112 x 3 bytes of faces: ranges on some of them, the mean on all."""
    some = faces[np.arange(MOST_FACES) * len(faces) // MOST_FACES] if len(faces) > MOST_FACES else faces
    print(f"{len(faces)} faces, ranges on {len(some)} of them", flush=True)
    ranges = lambda mean: {"mean": mean, **measure(lambda: sface_float(file, mean), some)}
    raw = embed(sface_int8(file, ranges([0.0] * DIMENSION)), faces)
    mean = [round(float(value), _DIGITS) for value in raw.mean(axis=0)]
    table = ranges(mean)
    centred = embed(sface_int8(file, table), faces)
    length = lambda rows: np.linalg.norm(rows, axis=-1)
    print(f"length of an embedding {length(raw).mean():.2f}, of the mean {length(raw.mean(axis=0)):.2f}, of what is left of it {length(centred.mean(axis=0)):.3f}")
    return table


def written(table):
    """The table as JSON, a line a tensor."""
    line = lambda value: json.dumps(value, separators=(",", ":"))
    lines = lambda values, indent: ",\n".join(f"{indent}{json.dumps(name)}: {line(value)}" for name, value in values.items())
    rounds = ",\n".join("  {\n" + lines(quarters, "   ") + "\n  }" for quarters in table["equalise"])
    ranges = lines(table["ranges"], "  ")
    return f'{{\n "mean": {line(table["mean"])},\n "equalise": [\n{rounds}\n ],\n "ranges": {{\n{ranges}\n }}\n}}\n'
