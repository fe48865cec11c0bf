#!/bin/sh
# Stands in for a virtual machine with the test guest in it: speaks the protocol of integration/images/test.init on its
# standard streams. `mangle N` makes the answers come mangled N times; the kernel says something between most lines.
[ -t 0 ] && echo "on a terminal"
echo "a message of the program" >&2
echo "[    0.000000] Linux version"
printf 'login: '
sleep 0.05
echo
echo "#ready 1 6.1-fake"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
mangle=0
while IFS= read -r request; do
  id=${request%% *}
  command=${request#* }
  if [ "$id" != "$request" ]; then
    case $command in
      mangle*) mangle=${command#mangle } ;;
      hang) continue ;;
      poweroff*) exit 3 ;;
    esac
    : > "$output"
    case $command in
      mangle*) echo "mangled text" > "$output"; status=0 ;;
      *) status=0; sh -c "$command" < /dev/null > "$output" 2>&1 || status=$? ;;
    esac
  fi
  echo "[    1.000000] kernel: between"
  sed "s/^/#$id|/" "$output"
  if [ "$mangle" -gt 0 ]; then
    mangle=$((mangle - 1))
    printf '#%s|half of' "$id"
    echo "[    2.000000] kernel: within a line"
    echo " a line"
  fi
  echo
  echo "#$id=$status $(python3 -c '
import sys, zlib
data = open(sys.argv[1], "rb").read()
print("%08x %d" % (zlib.crc32(data), len(data)))' "$output")"
done
