#!/bin/sh
# The checks that need a real board. Run it on the board, as the user that runs Outfeed, with the
# station stopped. docs/how-to/check-a-board.md describes the wiring and each line of the output.
#
#   on-a-real-board.sh /etc/outfeed/station.toml [--wire] [--lamp] [--unplug]
#
# PYTHON: the Python in which Outfeed is installed; default python3.
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
