# What the scripts share: where things are, how to speak, how to become root. To be sourced.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Where downloads stay from one run to the next.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/usher
# rustup puts cargo here, and a shell that was opened before does not know it yet.
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

say() {
  printf 'usher: %s\n' "$*" >&2
}

# Says what is wrong and ends.
fail() {
  say "$@"
  exit 1
}

# Runs a command as root; says so before sudo asks for a password.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    say "this needs root: sudo ${*@Q}"
    sudo "$@"
  else
    fail "this needs root, and there is no sudo; as root, run: ${*@Q}"
  fi
}

# Runs from the repository's root, with everything the build needs in place.
prepare() {
  "$root/script/setup"
  cd "$root" || exit
}
