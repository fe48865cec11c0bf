#!/usr/bin/env bash
# The table of devices and their proofs; devices.py has the options.
#
#   ci/bazel run //ci:devices
exec python3 ci/devices.py "$@"
