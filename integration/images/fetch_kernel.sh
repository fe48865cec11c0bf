#!/usr/bin/env bash
# fetch_kernel.sh PACKAGE OUTPUT: downloads the linux-image package that PACKAGE depends on, and prints its release.
#
# Asks the machine's apt, first with the package lists that are there, then, if those are missing or out of date, with
# fresh lists in a folder of its own. Needs no privilege.
set -euo pipefail

package=$1
output=$2
folder=$(mktemp -d "${TMPDIR:-/tmp}/kernel.XXXXXXXX")
trap 'rm -rf "$folder"' EXIT
log=$folder/log
options=(-o APT::Sandbox::User= -o "Dir::Cache=$folder/cache")

use_fresh_lists() {
  mkdir -p "$folder/lists/partial"
  options+=(-o "Dir::State::lists=$folder/lists")
  apt-get "${options[@]}" -q update >> "$log" 2>&1 || true  # A list that fails may be one that is not needed.
}

image_package() {
  apt-cache "${options[@]}" depends --important "$package" 2>> "$log" |
    sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

download() {
  image=$(image_package)
  [[ -n $image ]] && (cd "$folder" && apt-get "${options[@]}" -q download "$image") >> "$log" 2>&1
}

mkdir -p "$folder/cache/archives/partial"
if ! download; then
  use_fresh_lists
  if ! download; then
    echo "fetch_kernel.sh: apt has no kernel for $package:" >&2
    cat "$log" >&2
    exit 1
  fi
fi
mv "$folder"/linux-image-*.deb "$output"
echo "${image#linux-image-}"
