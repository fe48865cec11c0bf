#!/usr/bin/env bash
# See vhost_user_block.cc.
exec bench/peers/vhost_user_block_main vmm/touchstone "$@"
