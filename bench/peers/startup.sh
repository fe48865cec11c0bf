#!/usr/bin/env bash
# See startup.cc.
exec bench/peers/startup_main vmm/touchstone integration/guests/first_byte integration/guests/first_byte_rom "$@"
