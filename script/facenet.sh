# FaceNet, which is not shipped: made by models/build from a pinned Python package, and kept in the cache. Source it after fetch.sh.
# shellcheck shell=bash disable=SC2154

# The cache's folder for the file that the manifest names, with the distances that were measured for it.
facenet_folder() {
  local sum
  sum=$({
    sed -n '/^\[model\.facenet\]/,/^\[/s/^sha256 = "\(.*\)"/\1/p' "$root/models/MANIFEST.toml"
    cat "$root"/models/build/facenet-*.calibration.toml
  } | sha256sum)
  echo "facenet-${sum:0:12}"
}

# Makes it unless it is cached.
need_facenet() {
  is_whole "$(facenet_folder)" || make_facenet
}

make_facenet() {
  say "making FaceNet into $cache/$(facenet_folder): downloads 87 MB once"
  begin
  "$root/models/build/build" facenet --out "$work/models" >&2 || fail "FaceNet was not made; the reason is above. Run this again"
  mkdir "$work/facenet"
  mv "$work/models/facenet.tflite" "$work/models/facenet.calibration.toml" "$work/facenet"
  settle "$work/facenet" "$(facenet_folder)"
}

# place_facenet FOLDER: puts it beside the shipped models, each file in one step.
place_facenet() {
  local file
  for file in facenet.tflite facenet.calibration.toml; do
    cmp --quiet "$cache/$(facenet_folder)/$file" "$1/$file" && continue
    cp "$cache/$(facenet_folder)/$file" "$1/$file.half"
    mv "$1/$file.half" "$1/$file"
  done
}
