"""`build facenet CHECKPOINT`: a FaceNet that the user brings becomes a model that usher can run, with its entry in the manifest.

Owns arguments, the choice of photographs, and the files that are written.
Knows nothing of checkpoints' forms and of the net's structure.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import facenet
from calibrate import embed, measure
from checkpoint import CheckpointError, digest, read
from equalise import equalise
from fetch import cache_dir
from graph import write
from quantise import quantise
from rewrite import shift_input

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
FILE = "facenet.tflite"
MARGIN = 32  # pixels of the input, both sides together
MOST_FACES = 64  # more do not make the ranges better (models/README.md)
PHOTOS = "face_recognition-1.3.0/tests/test_images"  # what script/setup fetches

_WIDEST_ROOM = 0.6

# The nets are fed (pixel - 128) / 128 and were trained on (pixel - 127.5) / 128.
_HALF_LEVEL = 0.5 / 128
_BATCH = 0


class ConvertError(Exception):
    """What keeps the conversion from being done; says what to do."""


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="models/build/build facenet",
        description="Convert a FaceNet (Inception-ResNet-v1, any size of embedding) that you bring. Afterwards "
        '`[models] embedder = "facenet"` in the configuration is all that is left to do.',
        epilog="A checkpoint is the FaceNet project's frozen graph (.pb), facenet-pytorch's state dict (.pt, .pth), an .npz, or a "
        "folder with one .npy file a variable. Nothing in it is run. The net must want (pixel - 127.5) / 128, as those of 2018 do.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="the weights: .pb, .pt, .pth, .npz or a folder")
    parser.add_argument(
        "--out",
        type=Path,
        default=MODELS,
        metavar="DIR",
        help="the folder of models to add it to; an empty one gets usher's own models, too (default: models/ of the checkout)",
    )
    parser.add_argument("--float", action="store_true", help="keep 32-bit weights: four times the size and the time")
    parser.add_argument(
        "--photos",
        type=Path,
        metavar="DIR",
        help="photographs with faces to take the ranges from; best those of your own camera (default: what script/setup fetched)",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="a calibration table of an earlier run, in place of photographs")
    parser.add_argument("--usher", metavar="PROGRAM", help="the usher that finds the faces (default: from the checkout, else from PATH)")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (CheckpointError, ConvertError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2


def _run(options):
    weights = read(options.checkpoint)
    fingerprint = digest(weights)
    dimension = weights["Bottleneck"].kernel.shape[-1]
    known = _known().get(fingerprint)
    called = known["version"] if known else options.checkpoint.name
    print(f"{called}: Inception-ResNet-v1, {dimension}-D, weights {fingerprint[:12]}", flush=True)
    make = lambda: _float_graph(weights)
    plain = convert(make(), None)
    table, faces = (None, []) if options.float else _table(options, known, make)
    blob = plain if table is None else convert(make(), table)
    if len(faces):
        print(f"cosine to the float net on these faces: {_cosine(plain, blob, faces):.4f} (below .99, give more --photos)")
    manifest = options.out / "MANIFEST.toml"
    options.out.mkdir(parents=True, exist_ok=True)
    if not manifest.is_file():
        _copy_shipped(options.out)
    _write(options.out / FILE, blob)
    if len(faces):
        _write(options.out / "facenet.calibration.json", (json.dumps({"weights": fingerprint, **table}) + "\n").encode())
    sha256 = hashlib.sha256(blob).hexdigest()
    entry = _entry(sha256, dimension, fingerprint, called, known, options.float)
    _write(manifest, with_entry(manifest.read_text(), entry).encode())
    print(f"{options.out / FILE}: {len(blob)} bytes, {sha256}")
    print('In the configuration: [models] embedder = "facenet". Whoever is enrolled must be enrolled again.')
    if not known:
        print("Its distances are not measured: set [access] distance (1.0 is a cautious start) until you have measured them.")
    return 0


def convert(graph, table):
    """The float graph as the bytes of a TFLite file: int8 by the calibration `table`, float without one."""
    if table is not None:
        for quarters in table["equalise"]:
            equalise(graph, quarters)
        graph = quantise(graph, table["ranges"])
    return write(graph, "usher facenet " + ("float" if table is None else "int8"), ["image"], ["embedding"], (_BATCH,))


def _float_graph(weights):
    graph = facenet.build(weights)
    shift_input(graph, _HALF_LEVEL)
    return graph


def _known():
    """What was measured once about a published checkpoint, by the fingerprint of its weights."""
    tables = [json.loads(path.read_text()) for path in sorted(Path(__file__).parent.glob("facenet-*.json"))]
    return {known["weights"]: known for known in tables}


def _table(options, known, make):
    """(calibration table, the faces it was measured on): the one that was given, the known one, or measured now."""
    if options.table:
        try:
            saved = json.loads(options.table.read_text())
            return {"equalise": saved["equalise"], "ranges": saved["ranges"]}, []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConvertError(f"{options.table} is no calibration table ({error})") from None
    if known and not options.photos:
        return {"equalise": known["equalise"], "ranges": known["ranges"]}, []
    found = _faces(options.photos or cache_dir() / PHOTOS, _usher(options.usher))
    faces = varied(found)
    print(f"measuring ranges on {len(found)} faces, {len(faces)} pictures with their variations", flush=True)
    return measure(make, faces, room(len(found))), faces


def _usher(named):
    """The program that finds faces."""
    built = [ROOT / "target" / profile / "usher" for profile in ("release", "debug")]
    found = next((str(path) for path in built if path.is_file()), None)
    program = named or found or shutil.which("usher")
    if program is None:
        raise ConvertError("usher itself finds the faces, and it is not built: run `cargo build --release`, or name it with --usher")
    return program


def _faces(photos, usher):
    """n x 160 x 160 x 3 bytes: the faces in the photographs, spread over them when there are more than enough."""
    if not photos.is_dir():
        raise ConvertError(f"there is no folder {photos}; run script/setup, or name a folder of photographs with --photos")
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "data"), Path(folder, "faces")
        data.mkdir()
        for inside in [photos, *(path for path in sorted(photos.iterdir()) if path.is_dir())]:
            (data / f"{len(list(data.iterdir())):06}").symlink_to(inside.resolve())
        settings = ["--image-size", facenet.IMAGE_SIZE, "--margin", MARGIN, "--margin-of", "output", "--multiple"]
        command = [usher, "align", *map(str, settings), str(data), str(out)]
        environment = {name: value for name, value in os.environ.items() if name != "USHER_CONFIG"}
        done = subprocess.run(command, env={**environment, "USHER_MODELS": str(MODELS)}, capture_output=True, text=True)
        if done.returncode != 0:
            raise ConvertError(f"`usher align` failed on {photos}: {done.stderr.strip().splitlines()[-1:]}")
        files = sorted(out.glob("*/*.png"))
        if not files:
            raise ConvertError(f"no face was found in the photographs in {photos}")
        chosen = [files[index * len(files) // MOST_FACES] for index in range(MOST_FACES)] if len(files) > MOST_FACES else files
        return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in chosen])


def varied(faces):
    """Few faces are made more: mirrored, darker, brighter. As many as are wanted stay as they are."""
    looks = [faces]
    for gamma in (1.0, 0.6, 1.6):
        curve = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
        for mirrored in (False, True):
            if sum(map(len, looks)) < MOST_FACES and (gamma, mirrored) != (1.0, False):
                looks.append(curve[faces[:, :, ::-1] if mirrored else faces])
    return np.concatenate(looks)[: max(MOST_FACES, len(faces))]


def room(faces):
    """How much wider than seen the ranges are made: what few faces did not reach, others will, and what is cut off hurts more than
    coarser steps do (models/README.md)."""
    return 1 + _WIDEST_ROOM * (1 - min(faces / MOST_FACES, 1))


def _cosine(plain, blob, faces):
    """The mean cosine between the embeddings of two files."""
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return float((unit(embed(plain, faces)) * unit(embed(blob, faces))).sum(axis=1).mean())


def _copy_shipped(out):
    for path in MODELS.iterdir():
        if path.suffix == ".tflite" and path.name != FILE or path.name in ("MANIFEST.toml", "LICENSES.md"):
            shutil.copyfile(path, out / path.name)


def _entry(sha256, dimension, fingerprint, called, known, is_float):
    """The model's part of the manifest."""
    text = f"""[model.facenet]
role = "embedder"
file = "{FILE}"
sha256 = "{sha256}"
title = "FaceNet Inception-ResNet-v1, {dimension}-D, {"float" if is_float else "int8"}, converted from a checkpoint that you bring"
optional = true
[model.facenet.input]
width = {facenet.IMAGE_SIZE}
height = {facenet.IMAGE_SIZE}
layout = "NHWC"
type = "{"float32" if is_float else "int8"}"
mean = 128.0
std = 128.0
[model.facenet.output]
names = ["embedding"]
[model.facenet.source]
package = "checkpoint:facenet"
version = {json.dumps(called)}
file = "weights {fingerprint}"
licence = "{known["licence"] if known else "the checkpoint's own"}"
[model.facenet.embedding]
dimension = {dimension}
[model.facenet.alignment]
kind = "box"
margin = {MARGIN}
"""
    for point in known["operating"] if known else []:
        text += "[[model.facenet.operating]]\n"
        text += f"distance = {point['distance']}\nfmr = {point['fmr']:.5f}\nfnmr = {point['fnmr']}\n"
        text += f"measured = {json.dumps(point['measured'])}\n"
    return text


def with_entry(manifest, entry):
    """The manifest's text with `entry` in the place of the one it has for facenet, or at its end."""
    kept, inside, place = [], False, None
    for line in manifest.splitlines(keepends=True):
        header = re.match(r"\[+model\.([^.\]]+)", line)
        if header:
            inside = header[1] == "facenet"
            if inside and place is None:
                place = len(kept)
        if not inside:
            kept.append(line)
    place = len(kept) if place is None else place
    before = "".join(kept[:place]).rstrip("\n") + "\n\n"
    after = "".join(kept[place:])
    return before + entry + ("\n" + after if after else "")


def _write(path, content):
    """In one step: a daemon that reads meanwhile sees the old file or the new one."""
    half = path.with_name(path.name + ".half")
    half.write_bytes(content)
    half.replace(path)
