# LiteRT: Google's own build, from the wheel ai-edge-litert. Source it after fetch.sh.
# shellcheck shell=bash disable=SC2154

litert_version=2.3.0

# The sums are of the wheels; pip checks them before it keeps anything.
litert_sha256() {
  case $1 in
    x86_64) echo 1f15078a6725d2357d9de9221664c29afa0545d807559c5f7199ce5e40b96b23 ;;
    aarch64) echo 853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae ;;
    *) fail "there is no LiteRT for $1; usher needs x86_64 or aarch64 (on a Raspberry Pi: the 64-bit system)" ;;
  esac
}

# The cache's folder for a machine's LiteRT; the program looks in that of this machine.
litert_folder() {
  if [ "$1" = "$(uname -m)" ]; then
    echo "litert-$litert_version"
  else
    echo "litert-$litert_version-$1"
  fi
}

# need_litert MACHINE: fetches it unless it is cached.
need_litert() {
  is_whole "$(litert_folder "$1")" || fetch_litert "$1"
}

fetch_litert() {
  local machine=$1 sha256
  sha256=$(litert_sha256 "$machine")
  say "fetching LiteRT $litert_version for $machine into $cache/$(litert_folder "$machine")"
  begin
  printf 'ai-edge-litert==%s --hash=sha256:%s\n' "$litert_version" "$sha256" >"$work/requirements"
  # The library does not depend on Python: the wheel of any Python version holds the same one.
  pip_download --only-binary=:all: --implementation cp --python-version 311 --abi cp311 \
    --platform "manylinux_2_27_$machine"
  unpack zip ai_edge_litert/libLiteRt.so ai_edge_litert/libLiteRtWebGpuAccelerator.so
  settle "$work/unpacked/ai_edge_litert" "$(litert_folder "$machine")"
}
