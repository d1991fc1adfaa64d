"""A converted model's files: its entry in the manifest, and how they come into a folder of models.

Owns the entry's text and its place, and that each file is written in one step.
"""

import json
import re
import shutil
from pathlib import Path

from faces import MODELS


def entry(net, sha256, dimension, fingerprint, called, known, is_float, alignment):
    """The model's part of the manifest. `known` is what was measured once about these weights, or None."""
    if known and "source" in known:
        source, made = known["source"], f"checkpoint {called}, made by `models/build/build {net.NAME}`"
    else:
        source = {"package": f"checkpoint:{net.NAME}", "version": called, "file": f"weights {fingerprint}"}
        made = "converted from a checkpoint that you bring"
    text = f"""[model.{net.NAME}]
role = "embedder"
file = "{net.NAME}.tflite"
sha256 = "{sha256}"
title = "{net.TITLE}, {dimension}-D, {"float" if is_float else "int8"}, {made}"
optional = true
[model.{net.NAME}.input]
width = {net.IMAGE_SIZE}
height = {net.IMAGE_SIZE}
layout = "NHWC"
type = "{"float32" if is_float else "int8"}"
mean = 128.0
std = 128.0
[model.{net.NAME}.output]
names = ["embedding"]
[model.{net.NAME}.source]
package = "{source["package"]}"
version = {json.dumps(source["version"])}
file = "{source["file"]}"
licence = "{known["licence"] if known else "the checkpoint's own"}"
[model.{net.NAME}.embedding]
dimension = {dimension}
[model.{net.NAME}.alignment]
{alignment.lines()}"""
    for point in known["operating"] if known else []:
        text += f"[[model.{net.NAME}.operating]]\n"
        text += f"distance = {point['distance']}\nfmr = {point['fmr']:.5f}\nfnmr = {point['fnmr']}\n"
        text += f"measured = {json.dumps(point['measured'])}\n"
    return text


def with_entry(manifest, name, text):
    """The manifest with the entry `text` instead of the one it has for the model `name`, or at its end."""
    kept, inside, place = [], False, None
    for line in manifest.splitlines(keepends=True):
        header = re.match(r"\[+model\.([^.\]]+)", line)
        if header:
            inside = header[1] == name
            if inside and place is None:
                place = len(kept)
        if not inside:
            kept.append(line)
    place = len(kept) if place is None else place
    before = "".join(kept[:place]).rstrip("\n") + "\n\n"
    after = "".join(kept[place:])
    return before + text + ("\n" + after if after else "")


def copy_shipped(out, brought):
    """What usher ships, into an empty folder of models; not the models of the names `brought`, which somebody brought."""
    theirs = {f"{name}{ending}" for name in brought for ending in (".tflite", ".calibration.toml")}
    for path in MODELS.iterdir():
        shipped = path.suffix == ".tflite" or path.name.endswith(".calibration.toml") or path.name in ("MANIFEST.toml", "LICENSES.md")
        if shipped and path.name not in theirs:
            shutil.copyfile(path, out / path.name)


def place_distances(out, name, sha256, known):
    """Puts the calibration of the distances beside the model; removes that of another file, with which the daemon would not start."""
    path = out / f"{name}.calibration.toml"
    measured = Path(__file__).with_name(f"{name}-{known['version']}.calibration.toml") if known else None
    of_this_file = f'model = "{name}-{sha256[:12]}"'
    if measured and measured.is_file() and of_this_file in measured.read_text():
        write(path, measured.read_bytes())
    elif path.is_file() and of_this_file not in path.read_text():
        path.unlink()


def write(path, content):
    """In one step: a daemon that reads meanwhile sees the old file or the new one."""
    half = path.with_name(path.name + ".half")
    half.write_bytes(content)
    half.replace(path)
