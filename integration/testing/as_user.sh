#!/usr/bin/env bash
# as_user.sh [--tap NAME=ADDRESS/BITS]... PROGRAM [ARGUMENT...]: runs a guest test as an ordinary user, who has no
# privilege but that group `kvm`'s members have: to open /dev/kvm.
#
#   --tap NAME=ADDRESS/BITS   a tap of that user's, up, with an IPv4 address
#
# Started by such a user, it only runs the program. In the KVM lab root may change what it likes, and lets the user get
# at the test's files.
set -euo pipefail

readonly user=65533
taps=()
while [[ ${1-} == --tap ]]; do
  taps+=("${2?}")
  shift 2
done
if [[ $EUID -ne 0 ]]; then exec "$@"; fi

# Lets everybody pass through all folders above a file, and above what it links to.
declare -A passed=([/]=1)
let_pass() {
  local path
  for path in "$1" "$(realpath "$1")"; do
    while path=${path%/*} && [[ -n $path && -z ${passed[$path]-} ]]; do
      passed[$path]=1
      [[ $(stat -L -c %A "$path") == *[xt] ]] || chmod a+x "$path"
    done
  done
}

kvm_group=$(stat -c %g /dev/kvm)
if [[ -n ${TOUCHSTONE_LAB-} ]]; then
  kvm_group=65532
  chgrp "$kvm_group" /dev/kvm
  chmod 660 /dev/kvm
  while IFS= read -r -d '' file; do let_pass "$file"; done < <(find -L "$PWD" \( -name vmlinux -o -name vmlinuz -o \
    -name 'touchstone*' -o -name '*.cpio' -o -name '*_binary' \) -type f -print0)
fi
for folder in "${TEST_TMPDIR-}" "${TEST_UNDECLARED_OUTPUTS_DIR-}" "$(dirname "${XML_OUTPUT_FILE-}")"; do
  if [[ -d $folder && $folder != . ]]; then
    chmod 777 "$folder"
    let_pass "$folder/."
  fi
done
for tap in ${taps[@]+"${taps[@]}"}; do
  integration/testing/make_tap "${tap%%=*}" $user
  busybox ip address add "${tap#*=}" dev "${tap%%=*}"
  busybox ip link set "${tap%%=*}" up
done
exec setpriv --reuid=$user --regid=$user --groups="$kvm_group" --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
