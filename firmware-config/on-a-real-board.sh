#!/bin/sh
# What only a real board can show: run on the board, as the user that Outfeed runs as, with the
# station stopped. docs/how-to/check-a-board.md says what to wire and what each line means.
#
#   on-a-real-board.sh /etc/outfeed/station.toml [--wire] [--lamp] [--unplug]
#
# PYTHON names the Python that Outfeed is installed for.
set -eu

[ $# -ge 1 ] || { echo "usage: $0 station.toml [--wire] [--lamp] [--unplug]" >&2; exit 2; }

echo "== the board"
cat /proc/device-tree/model 2>/dev/null && echo || uname -m
uname -r
id
if command -v gpiodetect >/dev/null; then gpiodetect; fi
if command -v v4l2-ctl >/dev/null; then v4l2-ctl --list-devices || true; fi
if command -v rpicam-hello >/dev/null; then rpicam-hello --list-cameras || true; fi

echo "== the devices of $1"
exec "${PYTHON:-python3}" -m edge.cli.board_check "$@"
