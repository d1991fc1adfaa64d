"""A face with what is around it, cut out as the liveness networks want it, in the way of the daemon (`src/vision/passive.rs`).

Owns the region and the resizing; and the search for faces in photographs, with usher itself.
"""

import json
import os
import subprocess

import numpy as np
from PIL import Image, ImageOps

from faces import MODELS, FacesError

LEAST_PX = 80  # of a face to measure on; the daemon judges from 96 on


def region(width, height, box, scale):
    """(left, top, right, bottom) in whole pixels, the last ones outside: the box made `scale` times as wide and high about its centre, as
    far as that fits into the picture, and moved inside."""
    x1, y1, x2, y2 = box
    wide, high = max(x2 - x1, 1), max(y2 - y1, 1)
    scale = min(scale, (width - 1) / wide, (height - 1) / high)
    spans = []
    for low, length, side in ((x1, wide, width), (y1, high, height)):
        half = length * scale / 2
        start = low + length / 2 - half
        end = start + 2 * half
        if start < 0:
            start, end = 0, end - start
        if end > side - 1:
            start, end = start - (end - (side - 1)), side - 1
        spans.append((max(int(start), 0), min(int(end), side - 1) + 1))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


def resized(picture, side):
    """A picture (rows x columns x 3 bytes) at `side` x `side`: linear between the four nearest pixels, whatever the scale, as the networks were
    trained. Shrinking with means instead makes other pictures than they know."""
    rows, columns = (_taps(length, side) for length in picture.shape[:2])
    first, second, share = rows
    lines = picture[first] * (1 - share)[:, None, None] + picture[second] * share[:, None, None]
    first, second, share = columns
    out = lines[:, first] * (1 - share)[None, :, None] + lines[:, second] * share[None, :, None]
    return np.floor(out + 0.5).astype(np.uint8)


def _taps(length, side):
    place = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
    first = np.floor(place).astype(int)
    return first, np.minimum(first + 1, length - 1), place - first


def cut(picture, box, scale, side):
    """`side` x `side` x 3 bytes around a face."""
    left, top, right, bottom = region(picture.shape[1], picture.shape[0], box, scale)
    return resized(picture[top:bottom, left:right], side)


def found(photographs, usher):
    """(picture, box) of the largest face in each photograph, in their order. `usher` is the program."""
    command = [usher, "detect", "--json", "--min-face", str(LEAST_PX), *map(str, photographs)]
    environment = {name: value for name, value in os.environ.items() if name != "USHER_CONFIG"}
    done = subprocess.run(command, env={**environment, "USHER_MODELS": str(MODELS)}, capture_output=True, text=True)
    faces = []
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        size = lambda box: min(box[2] - box[0], box[3] - box[1])
        boxes = [face["box"] for face in answer.get("faces", []) if size(face["box"]) >= LEAST_PX]
        if boxes:
            picture = np.asarray(ImageOps.exif_transpose(Image.open(answer["file"])).convert("RGB"))
            faces.append((picture, max(boxes, key=size)))
    if not faces:
        raise FacesError(f"usher found no face of {LEAST_PX} pixels in {len(photographs)} photographs: {done.stderr.strip()[-300:]}")
    return faces
