#!/usr/bin/env bash
# What ci/lab promises: streams, status, results, time limit, and that nothing stays behind.
set -euo pipefail

failures=0
expect() {  # NAME WANTED GOT
  if [[ $2 != "$3" ]]; then
    echo "$1: wanted '$2', got '$3'" >&2
    failures=$((failures + 1))
  fi
}

export TMPDIR=$TEST_TMPDIR/tmp
mkdir "$TMPDIR"

# One lab for everything that goes inside.
out=$TEST_TMPDIR/out
mkdir "$out"
cat > "$TEST_TMPDIR/inside.sh" <<'SCRIPT'
cat
echo "error" >&2
test -c /dev/kvm && echo kvm
test -d /sys/kernel/debug/kvm && echo debugfs
test "$(cat /sys/module/kvm/parameters/halt_poll_ns)" = 0 && echo no polling
exec 5<> /dev/net/tun && echo tun
echo "$PWD $VARIABLE $#"
echo kept > "$1/kept"
echo lost > "$TEST_TMPDIR/lost"
nproc
sleep 1000 &
exit 7
SCRIPT
status=0
echo "input" | VARIABLE="a  b" ci/lab --cpus 2 --out "$out" -- bash "$TEST_TMPDIR/inside.sh" "$out" "c d" "" \
  > "$TEST_TMPDIR/stdout" 2> "$TEST_TMPDIR/stderr" || status=$?
expect status 7 "$status"
expect stdout "$(printf '%s\n' input kvm debugfs "no polling" tun "$PWD a  b 3" 2)" "$(cat "$TEST_TMPDIR/stdout")"
expect stderr "error" "$(cat "$TEST_TMPDIR/stderr")"
expect kept "kept" "$(cat "$out/kept")"
expect lost "" "$(ls "$TEST_TMPDIR/lost" 2> /dev/null)"

# Counting instructions, the command sees only what it names.
echo "copied" > "$TEST_TMPDIR/copied"
expect icount "copied none" "$(ci/lab --icount --copy "$TEST_TMPDIR/copied" -- \
  bash -c "echo \$(cat '$TEST_TMPDIR/copied') \$(test -e /etc/passwd || echo none)")"

status=0
ci/lab --timeout 1 -- sleep 100 2> "$TEST_TMPDIR/stderr" || status=$?
expect "status after the time limit" 124 "$status"
expect "message after the time limit" "ci/lab: gave up after 1 s" "$(cat "$TEST_TMPDIR/stderr")"

status=0
ci/lab 2> /dev/null || status=$?
expect "status without a command" 125 "$status"

# A QEMU that fails, without a word and with one of glib's.
mkdir "$TEST_TMPDIR/bin"
for word in "" "Bail out! ERROR:../accel/tcg/cpu-exec.c:954"; do
  printf '#!/bin/sh\necho "%s"\nkill -ABRT $$\n' "$word" > "$TEST_TMPDIR/bin/qemu-system-x86_64"
  chmod +x "$TEST_TMPDIR/bin/qemu-system-x86_64"
  status=0
  PATH=$TEST_TMPDIR/bin:$PATH ci/lab -- true 2> "$TEST_TMPDIR/stderr" || status=$?
  expect "status of a QEMU that aborts with '$word'" 125 "$status"
  expect "message of a QEMU that aborts" "ci/lab: the lab ended without a status" "$(tail -n 1 "$TEST_TMPDIR/stderr")"
done

# A lab that is told to end takes its QEMU along.
ci/lab --console "$TEST_TMPDIR/console" -- sleep 100 &
lab=$!
until [[ -e $TEST_TMPDIR/console ]]; do sleep 0.1; done
kill -TERM "$lab"
status=0
wait "$lab" || status=$?
expect "status after SIGTERM" 143 "$status"
expect "QEMU after SIGTERM" "" "$(grep -lsz "file:$TEST_TMPDIR/[c]onsole" /proc/[0-9]*/cmdline)"
expect "left behind" "" "$(ls "$TMPDIR")"

# The launcher goes by its probe.
launcher=integration/lab/run_with_kvm.sh
expect "hardware" here "$($launcher --probe true -- echo here 2> /dev/null)"
expect "hardware, said" "run_with_kvm: hardware KVM" "$($launcher --probe true -- true 2>&1)"
status=0
message=$($launcher --probe false --no-lab -- echo here 2>&1) || status=$?
expect "no lab" 125 "$status"
expect "no lab, said" "run_with_kvm: the KVM here emulates, and the lab is not wanted" "$message"

exit $((failures > 0))
