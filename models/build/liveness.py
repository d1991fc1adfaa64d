"""`build liveness FILE.pth FILE.pth --out DIR`: the published MiniFASNet pair becomes a folder of int8 networks with a manifest of its own.

Owns arguments, the order of the steps, what is reported, and the manifest's entries.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np

import entry
import minifasnet
import surround
import torch_state
from calibrate import embed, measure
from equalise import equalise
from faces import FacesError, program, room, varied
from graph import write
from net import Misfit
from quantise import Dead, quantise
from rewrite import widen_prelu

KNOWN = Path(__file__).with_name("liveness.json")
"""What was measured once about the published files, by the digest of their weights."""
LICENCE = "Apache-2.0; training data not documented"
PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

_BATCH = 0
_DIGITS = 3  # of the check's scores, which the daemon compares far more coarsely
_REAL = 1  # of the three classes


class LivenessError(Exception):
    """The conversion is impossible as asked. The message says what to do."""


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="models/build/build liveness",
        description="Convert the networks of Minivision's Silent-Face-Anti-Spoofing, which tell a face from a print or a screen, for "
        "`[liveness] passive`. usher ships none: on what pictures these were trained is not documented. Fetch 2.7_80x80_MiniFASNetV2.pth and "
        "4_0_0_80x80_MiniFASNetV1SE.pth from the project's resources/anti_spoof_models and judge for yourself.",
        epilog="Nothing in the files is run. The published weights make the same bytes on any machine, by a table that was measured once; for other "
        "weights of the same form, give --photos. The number before the first _ of a file's name is the crop, in sizes of the face's box.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="state dicts (.pth), best both of the pair")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write: networks and MANIFEST.toml")
    parser.add_argument(
        "--photos",
        type=Path,
        metavar="DIR",
        help="photographs with faces: int8 is compared with float on them, and for weights that are not known, ranges are measured on them",
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="measure again, known or not, and write the table of the ranges here")
    parser.add_argument("--float", action="store_true", help="keep 32-bit weights: three times the size, and slower")
    parser.add_argument("--usher", metavar="PROGRAM", help="the usher that finds the faces (default: from the checkout, else from PATH)")
    options = parser.parse_args(arguments)
    try:
        return _convert(options)
    except (Dead, FacesError, LivenessError, Misfit, torch_state.NotAState) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2


def crop_scale(name):
    """The crop in a file's name, in sizes of the face's box: the publisher's own way of saying it."""
    number = re.match(r"(\d+(?:\.\d+)?)_", name)
    if number is None or not 1 <= float(number[1]) <= 8:
        raise LivenessError(f"{name} does not say its crop: name it as published, with the crop before the first _, as in 2.7_80x80_MiniFASNetV2.pth")
    return float(number[1])


def float_graph(arrays):
    """The net as the daemon feeds it."""
    return minifasnet.build(arrays)


def int8(kind, arrays, table):
    """The bytes of the int8 file, by a table of ranges, exponents and what the scores are shifted by."""
    graph = float_graph(arrays)
    for quarters in table["equalise"]:
        equalise(graph, quarters)
    ranges = dict(table["ranges"])
    widen_prelu(graph, ranges)
    bias = graph.producer(graph.outputs[0]).inputs[2]
    bias.data = (bias.data + np.array(table["shift"])).astype(np.float32)
    made = quantise(graph, ranges, float_layers=(minifasnet.SCORES,))
    return write(made, f"usher {kind.name} int8", ["image"], [minifasnet.SCORES], (_BATCH,))


def plain(arrays):
    """The bytes of the float file."""
    return write(float_graph(arrays), "usher liveness float", ["image"], [minifasnet.SCORES], (_BATCH,))


def check_picture(side):
    """The picture of the daemon's check (`src/vision/passive.rs`): ramps and a pattern."""
    y, x, channel = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    return ((3 * x + 2 * y + 37 * channel + x * y % 23 * 5) % 256).astype(np.uint8)


def check_scores(blob, side):
    """What a file makes of the picture of the check."""
    (scores,) = embed(blob, [check_picture(side)])
    return [round(float(score), _DIGITS) for score in scores]


def probability(scores):
    """How real each row of scores says that a face is, 0 to 1."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True))[:, _REAL]


def text(name, title, side, numbers, crop, sha256, check, source):
    """A network's part of the manifest; `numbers` is its input's type, `source` (package, version, file, licence)."""
    package, version, file, licence = map(json.dumps, source)
    return f"""[model.{name}]
role = "liveness"
file = "{name}.tflite"
sha256 = "{sha256}"
title = "{title}"
optional = true
[model.{name}.input]
width = {side}
height = {side}
layout = "NHWC"
type = "{numbers}"
mean = 128.0
std = 128.0
[model.{name}.output]
names = ["{minifasnet.SCORES}"]
[model.{name}.liveness]
crop = {crop}
classes = {minifasnet.CLASSES}
real = {_REAL}
check = {check}
[model.{name}.source]
package = {package}
version = {version}
file = {file}
licence = {licence}
"""


def _convert(options):
    """Converts the files, writes the folder, gives the exit code."""
    known = json.loads(KNOWN.read_text()) if KNOWN.is_file() else {}
    faces = surround.found(_photographs(options.photos), program(options.usher)) if options.photos else []
    parts, tables, odd, made = "format = 1\n", {}, 0, {}
    for path in options.files:
        kind, arrays, fingerprint = _read(path)
        if kind.name in made:
            raise LivenessError(f"{path} is a second {kind.title}; give one of each kind")
        scale = crop_scale(path.name)
        pictures = [surround.cut(picture, box, scale, minifasnet.SIDE) for picture, box in faces]
        table = None if options.save else known.get(fingerprint)
        measured = table is None and not options.float
        if measured:
            table = _measured(path, kind, arrays, pictures)
        blob = plain(arrays) if options.float else int8(kind, arrays, table)
        sha256 = hashlib.sha256(blob).hexdigest()
        made[kind.name] = blob
        check = table["check"] if not (measured or options.float) else check_scores(blob, minifasnet.SIDE)
        if not options.float:
            tables[fingerprint] = {**table, "file": path.name, "sha256": sha256, "check": check}
        title = f"{kind.title}, {'float' if options.float else 'int8'}, which tells faces from prints and screens"
        source = ("checkpoint:Silent-Face-Anti-Spoofing", f"weights {fingerprint}", path.name, LICENCE)
        parts += "\n" + text(kind.name, title, minifasnet.SIDE, "float32" if options.float else "int8", scale, sha256, check, source)
        print(f"{kind.name}: {len(blob)} bytes, {sha256}, weights {fingerprint[:12]}{', newly measured' if measured else ''}", flush=True)
        _compare(arrays, blob, pictures)
        odd += not (measured or options.float) and sha256 != table["sha256"]
    options.out.mkdir(parents=True, exist_ok=True)
    for name, blob in made.items():
        entry.write(options.out / f"{name}.tflite", blob)
    entry.write(options.out / "MANIFEST.toml", parts.encode())
    if options.save and tables:
        entry.write(options.save, written(tables).encode())
    print(f'In the configuration: [liveness] passive = "log" and passive_models = "{options.out}"')
    if odd:
        print(f"build: {odd} of the files are not those that these weights are known to make", file=sys.stderr)
    return 1 if odd else 0


def _read(path):
    """(kind, arrays, digest of the weights) of a state dict."""
    try:
        arrays = torch_state.tensors(path.read_bytes())
    except OSError as error:
        raise LivenessError(f"{path} cannot be read: {error.strerror or error}") from None
    except torch_state.NotAState as error:
        raise LivenessError(f"{path}: {error}") from None
    try:
        kind, arrays = minifasnet.identify(arrays)
    except Misfit as error:
        raise LivenessError(f"{path}: {error}") from None
    return kind, arrays, minifasnet.digest(arrays)


def _photographs(folder):
    """All photographs in a folder and in the folders in it."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTOGRAPHS) if folder.is_dir() else []
    if not paths:
        raise LivenessError(f"there are no photographs in {folder}; name a folder with JPEG, PNG, BMP or WebP files")
    return paths


def _measured(path, kind, arrays, pictures):
    """The table that int8 needs. Rounding moves the scores to one side, on average; the shift moves them back."""
    if not pictures:
        raise LivenessError(f"the weights of {path} are not known, and ranges are needed for int8: give --photos DIR with a few dozen faces")
    table = measure(lambda: float_graph(arrays), varied(np.stack(pictures)), room(len(pictures)))
    blob = int8(kind, arrays, {**table, "shift": [0.0] * minifasnet.CLASSES})
    apart = (embed(plain(arrays), pictures) - embed(blob, pictures)).mean(axis=0)
    # A softmax does not see what is added to all.
    return {**table, "shift": [round(float(value), _DIGITS) for value in apart - apart.mean()]}


def _compare(arrays, blob, pictures):
    """Reports how far int8 is from float."""
    if not pictures:
        return
    before, after = (probability(embed(file, pictures)) for file in (plain(arrays), blob))
    apart = np.abs(before - after)
    flips = int(((before > 0.5) != (after > 0.5)).sum())
    print(
        f"  on {len(pictures)} faces: real in float {int((before > 0.5).sum())}, in int8 {int((after > 0.5).sum())}, {flips} judged otherwise; "
        f"probabilities apart by {apart.mean():.4f} on average, at most {apart.max():.4f}"
    )


def written(tables):
    """The tables as JSON, a line a tensor."""
    line = lambda value: json.dumps(value, separators=(",", ":"))
    nets = []
    for fingerprint, table in tables.items():
        rounds = [",\n".join(f"   {json.dumps(name)}: {line(value)}" for name, value in each.items()) for each in table["equalise"]]
        ranges = ",\n".join(f"   {json.dumps(name)}: {line(value)}" for name, value in table["ranges"].items())
        head = f'  "file": {json.dumps(table["file"])},\n  "sha256": "{table["sha256"]}",\n  "check": {line(table["check"])},\n  "shift": {line(table["shift"])},\n'
        equal = ",\n".join("  {\n" + each + "\n  }" for each in rounds)
        nets.append(f' "{fingerprint}": {{\n{head}  "equalise": [\n{equal}\n  ],\n  "ranges": {{\n{ranges}\n  }}\n }}')
    return "{\n" + ",\n".join(nets) + "\n}\n"
