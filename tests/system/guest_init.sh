#!/bin/sh
# The first process of the emulated machine in the stage drivers: mounts, modules, the tests, power off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1 HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
# The streams' tests talk to themselves: lo up, without the ip command.
python3 -c "
import fcntl, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 0x1 | 0x40))"
modprobe vivid n_devs=1 node_types=0x1 || echo "SYSTEM no vivid"
for module in gpio-sim configfs; do modprobe -q $module; done
mount -t configfs none /sys/kernel/config 2>/dev/null
ls /dev/video* /dev/gpiochip*
echo "SYSTEM booted $(uname -rm)"
cd /outfeed
# Slow as it is, no test may fail for its own time limit; the machine as a whole has one.
python3 -m pytest -p no:cacheprovider -o timeout=0 -q tests/system/guest_devices.py \
    tests/system/guest_bundles.py tests/devices
echo "SYSTEM status $?"
echo o >/proc/sysrq-trigger
sleep 60
