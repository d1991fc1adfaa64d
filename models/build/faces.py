"""Faces to calibrate on: out of photographs, with usher itself, and varied where they are few.

Owns the search for photographs and for the program, and how few faces are made to do.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from fetch import cache_dir

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
MOST_FACES = 64  # more do not make the ranges better (models/README.md)
PHOTOS = "face_recognition-1.3.0/tests/test_images"  # what script/setup fetches

_WIDEST_ROOM = 0.6


class FacesError(Exception):
    """There are no faces to be had. The message says what to do."""


def program(named):
    """The usher that finds faces."""
    built = [ROOT / "target" / profile / "usher" for profile in ("release", "debug")]
    found = next((str(path) for path in built if path.is_file()), None)
    usher = named or found or shutil.which("usher")
    if usher is None:
        raise FacesError("usher itself finds the faces, and it is not built: run `cargo build --release`, or name it with --usher")
    return usher


def cut_out(photos, alignment, usher, several=True):
    """n x side x side x 3 bytes: at most MOST_FACES of all faces in the photographs, spread over them; where `several` is false, the face
    that each photograph means, and of all photographs.

    `photos` is a folder, None for what script/setup fetched; `alignment` an `alignment.Alignment`.
    """
    photos = photos or cache_dir() / PHOTOS
    if not photos.is_dir():
        raise FacesError(f"there is no folder {photos}; run script/setup, or name a folder of photographs with --photos")
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "data"), Path(folder, "faces")
        data.mkdir()
        for inside in [photos, *(path for path in sorted(photos.iterdir()) if path.is_dir())]:
            (data / f"{len(list(data.iterdir())):06}").symlink_to(inside.resolve())
        command = [usher, "align", *alignment.arguments(), *(["--multiple"] if several else []), str(data), str(out)]
        environment = {name: value for name, value in os.environ.items() if name != "USHER_CONFIG"}
        done = subprocess.run(command, env={**environment, "USHER_MODELS": str(MODELS)}, capture_output=True, text=True)
        if done.returncode != 0:
            raise FacesError(f"`usher align` failed on {photos}: {done.stderr.strip().splitlines()[-1:]}")
        files = sorted(out.glob("*/*.png"))
        if not files:
            raise FacesError(f"no face was found in the photographs in {photos}")
        spread = several and len(files) > MOST_FACES
        chosen = [files[index * len(files) // MOST_FACES] for index in range(MOST_FACES)] if spread else files
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
