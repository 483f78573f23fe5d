# shellcheck shell=bash
# What every launch script needs: messages, Debian packages, Swift, and, from mpi.sh, how to call mpirun.
# Sourced, not run. Callers have `set -euo pipefail`.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly repository
# shellcheck source=mpi.sh
. "$repository/launch/lib/mpi.sh"

# Build tools and libraries.
readonly build_packages=(
  openmpi-bin libopenmpi-dev libopenblas-dev libdnnl-dev libjpeg-dev libpng-dev libzstd-dev libxxhash-dev zlib1g-dev
  pkg-config git ca-certificates libc6-dev binutils
)

# What the toolchain and its installer want beside that. g++ brings the newest libgcc and libstdc++ headers of the release.
readonly swift_packages=(
  curl gnupg unzip tar tzdata libcurl4-openssl-dev libedit2 libncurses-dev libpython3-dev libsqlite3-0 libxml2-dev
)

say() { printf '==> %s\n' "$*" >&2; }

# fail STATUS MESSAGE: one line, and the end of the script.
fail() {
  local status=$1
  shift
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit "$status"
}

# Makes a folder that is removed when the script ends; its path is in temporary_folder.
temporary_folders=()
make_temporary_folder() {
  temporary_folder=$(mktemp -d)
  temporary_folders+=("$temporary_folder")
  trap 'rm -rf -- "${temporary_folders[@]}"' EXIT
}

# The value of an option: require_value NAME "$@" with the option itself first.
require_value() {
  [[ $# -ge 2 && -n $2 ]] || fail 64 "$1 needs a value; see --help"
}

is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

has_cpp_library() {
  dpkg-query -W -f='${db:Status-Status}\n' 'libstdc++-[0-9]*-dev' 2>/dev/null | grep -qx installed
}

# Runs a command as root: directly, or through sudo; the question for a password needs a terminal.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif [[ -t 0 && -t 2 ]]; then
    sudo -- "$@"
  else
    sudo -n -- "$@"
  fi
}

# Fails unless packages can be installed here: install_packages' missing ones are named.
require_installer() {
  local missing=$1
  command -v apt-get >/dev/null ||
    fail 66 "missing packages: $missing; this system has no apt-get: install what corresponds to them, then start again"
  [[ $EUID -eq 0 ]] && return
  command -v sudo >/dev/null ||
    fail 66 "missing packages: $missing; installing needs root, and there is no sudo: run 'apt-get install $missing' as root"
  [[ -t 0 && -t 2 ]] || sudo -n true 2>/dev/null ||
    fail 66 "missing packages: $missing; sudo asks for a password and there is no terminal: run 'sudo apt-get install $missing'"
}

# Installs those of the named Debian packages that are missing; touches nothing when all are there.
install_packages() {
  local package missing=()
  command -v dpkg-query >/dev/null || { require_libraries && return; }
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  require_installer "${missing[*]}"
  say "installing ${missing[*]}"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q)
  as_root "${apt[@]}" update >&2 || say "apt-get update failed; trying with the lists that are there"
  as_root "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2 ||
    fail 66 "apt-get could not install ${missing[*]}; see above"
}

# On systems without Debian packages: judge by what the build will ask for.
require_libraries() {
  command -v pkg-config >/dev/null || fail 66 "neither dpkg nor pkg-config found: install pkg-config"
  local library
  for library in ompi-c openblas libjpeg libpng libzstd libxxhash; do
    pkg-config --exists "$library" ||
      fail 66 "pkg-config does not find $library: install its development package, then start again"
  done
  command -v mpirun >/dev/null || fail 66 "mpirun not found: install Open MPI, then start again"
}

# The least Swift version, as Package.swift says.
required_swift() { sed -n '1s/^.*swift-tools-version: *\([0-9.]*\).*$/\1/p' "$repository/Package.swift"; }

# The version of the Swift on the path; empty where there is none that runs.
found_swift() { { swift --version 2>/dev/null || true; } | sed -n 's/^.*Swift version \([0-9][0-9.]*\).*$/\1/p'; }

# at_least FOUND REQUIRED: compares versions.
at_least() { [[ -n $1 && $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# Makes the toolchains of swiftly known to this script, where there are some.
use_swiftly() {
  local environment="${SWIFTLY_HOME_DIR:-$HOME/.local/share/swiftly}/env.sh"
  if [[ -r $environment ]]; then
    # shellcheck source=/dev/null
    . "$environment"
    hash -r
  fi
}

# require_swift yes|no: checks Swift, and installs it where the first argument is yes.
require_swift() {
  local required found
  required=$(required_swift)
  found=$(found_swift)
  if ! at_least "$found" "$required"; then
    use_swiftly
    complete_swift
    found=$(found_swift)
  fi
  if at_least "$found" "$required"; then return; fi
  if [[ $1 != yes ]]; then
    fail 66 "Swift $required or newer is needed, found ${found:-none}: start again with --install-swift," \
      "or see https://www.swift.org/install/linux"
  fi
  install_swift "$required"
  found=$(found_swift)
  at_least "$found" "$required" || fail 70 "the installed Swift is ${found:-not found}, needed is $required"
}

# A toolchain that was unpacked by hand may lack the libraries that it wants: then not even its version can be asked for.
complete_swift() {
  local program
  program=$(command -v swift) || return 0
  if swift --version >/dev/null 2>&1; then return; fi
  say "$program does not start; looking for the packages that it wants"
  install_packages "${swift_packages[@]}"
}

# Installs swiftly, the installer of swift.org, for this user, and with it the newest release of Swift.
install_swift() {
  local required=$1 folder
  install_packages "${swift_packages[@]}"
  make_temporary_folder
  folder=$temporary_folder
  command -v swiftly >/dev/null || install_swiftly "$folder"
  say "installing the newest Swift (at least $required); this loads about 1 GB"
  swiftly install latest --use --assume-yes --post-install-file="$folder/post-install.sh" >&2 ||
    fail 69 "swiftly could not install Swift; see above"
  if [[ -f $folder/post-install.sh ]]; then
    as_root bash "$folder/post-install.sh" >&2 || fail 66 "could not install the packages that Swift asks for; see above"
  fi
  hash -r
}

# install_swiftly FOLDER: loads it, checks its signature with the keys of swift.org, and sets it up.
install_swiftly() {
  local folder=$1 name url
  name="swiftly-$(uname -m).tar.gz"
  url="https://download.swift.org/swiftly/linux/$name"
  say "loading $url"
  fetch "$url" "$folder/$name"
  fetch "$url.sig" "$folder/$name.sig"
  fetch https://www.swift.org/keys/all-keys.asc "$folder/keys.asc"
  mkdir -m 700 "$folder/gnupg"
  gpg --homedir "$folder/gnupg" --batch --quiet --import "$folder/keys.asc" 2>/dev/null ||
    fail 65 "cannot read the signing keys of swift.org"
  gpg --homedir "$folder/gnupg" --batch --quiet --verify "$folder/$name.sig" "$folder/$name" 2>/dev/null ||
    fail 65 "the signature of $url is not one of swift.org's"
  tar -xzf "$folder/$name" -C "$folder" || fail 65 "cannot unpack $url"
  "$folder/swiftly" init --assume-yes --skip-install --quiet-shell-followup >&2 || fail 70 "swiftly init failed; see above"
  use_swiftly
}

fetch() {
  curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --output "$2" "$1" ||
    fail 69 "cannot load $1: is there a way to the internet? Otherwise install Swift by hand: https://www.swift.org/install/linux"
}

# set_up yes|no [PACKAGE...]: all that a build needs, and more packages; the first argument is about installing Swift.
set_up() {
  local install_swift=$1
  shift
  local packages=("${build_packages[@]}" "$@")
  if command -v dpkg-query >/dev/null && ! has_cpp_library; then packages+=(g++); fi
  install_packages "${packages[@]}"
  require_swift "$install_swift"
  allow_mpirun_as_root
}
