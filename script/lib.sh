# Shared by the scripts: paths, messages, running as root. Source it.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Downloads are kept here from one run to the next.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/usher
# rustup puts cargo here, and a shell that was opened before has not got it in PATH yet.
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

say() {
  printf 'usher: %s\n' "$*" >&2
}

# Prints an error and exits.
fail() {
  say "$@"
  exit 1
}

# Runs a command as root; announces it before sudo asks for a password.
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

# Installs everything that the build needs, and changes to the repository's root.
prepare() {
  "$root/script/setup"
  cd "$root" || exit
}

# For `sh -c` as root, before the options and packages of an installation: waits while another process uses the package manager, for ten
# minutes at most. Fresh boards update themselves in the background.
# shellcheck disable=SC2016
apt_install='update() {
  tries=0
  until output=$(LC_ALL=C apt-get update -q 2>&1); do
    tries=$((tries + 1))
    case $output in
      *"Could not get lock"* | *"Unable to lock"* | *"is held by process"*) [ $tries -le 120 ] ;;
      *) false ;;
    esac || { printf "%s\n" "$output" >&2; return 1; }
    [ $tries -gt 1 ] || echo "usher: another package manager is running; waiting for it" >&2
    sleep "${USHER_APT_PAUSE:-5}"
  done
  printf "%s\n" "$output"
}
update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -q -y'
