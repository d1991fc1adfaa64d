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

# For `sh -c` as root, before the options and packages of an installation: waits while somebody else uses the package manager, for ten minutes
# at most. Fresh boards update themselves in the background.
# shellcheck disable=SC2016
apt_install='update() {
  tries=0
  until told=$(LC_ALL=C apt-get update -q 2>&1); do
    tries=$((tries + 1))
    case $told in
      *"Could not get lock"* | *"Unable to lock"* | *"is held by process"*) [ $tries -le 120 ] ;;
      *) false ;;
    esac || { printf "%s\n" "$told" >&2; return 1; }
    [ $tries -gt 1 ] || echo "usher: another package manager is at work; waiting for it" >&2
    sleep "${USHER_APT_PAUSE:-5}"
  done
  printf "%s\n" "$told"
}
update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -q -y'
