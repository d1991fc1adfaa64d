# Downloads for the scripts: one pinned download at a time, unpacked beside the cache's folders and moved into place in one step.
# Source it after lib.sh.
# shellcheck shell=bash disable=SC2154

# A fresh folder beside the final ones, so that the last step is one rename; deleted when the script ends.
begin() {
  rm -rf "$cache"/.setup-*
  work=$(mktemp -d "$cache/.setup-XXXXXX")
  trap 'rm -rf "$work"' EXIT
}

# Downloads what $work/requirements names, and nothing else. Installs nothing, so it works with a Python that Debian manages.
pip_download() {
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --requirement "$work/requirements" --dest "$work/download" "$@" >&2 ||
    fail "the download failed; is there a network? Finished downloads are kept; run this again"
}

# unpack zip|tar PATTERN…: unpacks the files of the one download that match.
unpack() {
  python3 - "$work" "$@" <<'PYTHON'
import fnmatch, pathlib, sys, tarfile, zipfile

work, kind, *patterns = sys.argv[1:]
(download,) = pathlib.Path(work, "download").iterdir()
if kind == "zip":
    archive = zipfile.ZipFile(download)
    files = [(entry.filename, entry) for entry in archive.infolist() if not entry.is_dir()]
    read = archive.read
else:
    archive = tarfile.open(download)
    files = [(entry.name, entry) for entry in archive if entry.isfile()]
    read = lambda entry: archive.extractfile(entry).read()
for pattern in patterns:
    matching = [file for file in files if fnmatch.fnmatchcase(file[0], pattern)]
    if not matching:
        sys.exit(f"usher: {download.name} holds no {pattern}")
    for name, entry in matching:
        target = pathlib.Path(work, "unpacked", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read(entry))
PYTHON
}

# settle FOLDER NAME: writes the checksums of the folder's files and moves it to its place in the cache in one step.
settle() {
  local sums
  sums=$(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
  printf '%s\n' "$sums" >"$1/SHA256SUMS"
  chmod -R u=rwX,go=rX "$1"
  rm -rf "${cache:?}/$2"
  mv "$1" "$cache/$2"
  rm -rf "$work"
}

# Whether a folder of the cache is unchanged since it was settled.
is_whole() {
  (cd "$cache/$1" 2>/dev/null && sha256sum --check --status --strict SHA256SUMS 2>/dev/null)
}
