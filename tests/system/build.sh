#!/bin/sh
# Makes what tests/system/run.py boots: a Debian for arm64, the kernel's modules for a chip and a
# camera, systemd, Outfeed's libraries, and this checkout. All of it is one archive that the kernel
# unpacks into memory: no disk, no initrd of Debian's.
#
#   tests/system/build.sh FOLDER PYTHON      the first time: 4 to 6 minutes and 1.2 GB; then seconds
#
# Needs root, and on Debian: apt-get install --no-install-recommends qemu-system-arm qemu-user-static
# mmdebstrap arch-test cpio mosquitto
set -eu
umask 022

out=$(realpath -m "$1")
# Not realpath: a virtual environment's python is a link, and must stay one.
case $2 in
    */*) python=$(realpath "$(dirname "$2")")/$(basename "$2") ;;
    *) python=$(command -v "$2") ;;
esac
here=$(cd "$(dirname "$0")/../.." && pwd)
debian="python3,kmod,systemd,udev"
packages="numpy onnxruntime opencv-python-headless simplejpeg paho-mqtt pydantic gpiod cryptography rich typer
    pytest pytest-timeout pytest-socket hypothesis"

[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 2; }
for tool in qemu-system-aarch64 mmdebstrap arch-test cpio mosquitto; do
    command -v $tool >/dev/null || { echo "$0: $tool is not installed (see the top of this file)" >&2; exit 2; }
done
mkdir -p "$out"
cd "$out"

made_of=$(echo $debian $packages)
if [ ! -e base.cpio ] || [ "$(cat made-of 2>/dev/null)" != "$made_of" ]; then
    if [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
        mountpoint -q /proc/sys/fs/binfmt_misc ||
            mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
        cat /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register
    fi
    rm -rf root kernel base.cpio
    # The kernel is unpacked and not installed: its initrd would take minutes and is not used.
    mmdebstrap --quiet --variant=minbase --arch=arm64 --include="$debian" \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --customize-hook='chroot "$1" sh -c "mkdir /var/kernel && chmod 777 /var/kernel &&
            cd /var/kernel && apt-get -qq download \$(apt-cache depends linux-image-arm64 |
            sed -n \"s/.*Depends: \(linux-image-[^ ]*\).*/\1/p\")"' \
        bookworm root
    dpkg-deb -x root/var/kernel/linux-image-*.deb kernel
    rm -rf root/var/kernel root/var/lib/apt/lists/* root/var/cache/apt/*
    version=$(ls kernel/lib/modules)
    mkdir -p root/lib/modules
    cp -a "kernel/lib/modules/$version" root/lib/modules/
    # Of drivers/net and net: what QEMU's network card needs.
    (cd "root/lib/modules/$version/kernel" && rm -rf sound fs arch crypto &&
        find net drivers/net -type f ! -name 'virtio_net.ko*' ! -name '*failover.ko*' -delete &&
        find drivers -mindepth 1 -maxdepth 1 ! -name media ! -name gpio ! -name i2c ! -name input \
            ! -name base ! -name net ! -name virtio -exec rm -rf {} +)
    chroot root depmod "$version"
    # shellcheck disable=SC2086 # a list
    "$python" -m pip install --quiet --disable-pip-version-check --target root/site \
        --python-version 3.11 --implementation cp --only-binary=:all: \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 $packages
    cp "kernel/boot/vmlinuz-$version" vmlinuz
    (cd root && find . | cpio -o -H newc --quiet) >base.part
    mv base.part base.cpio
    echo "$made_of" >made-of
    rm -rf root kernel
fi

rm -rf overlay
mkdir -p overlay/outfeed/models/zoo
cp "$here"/models/zoo/*.outfeed overlay/outfeed/models/zoo/
cp -r "$here/edge" "$here/tests" "$here/pyproject.toml" "$here/firmware-config" overlay/outfeed/
find overlay -name __pycache__ -prune -exec rm -rf {} +
install -m 755 "$here/tests/system/guest_init.sh" overlay/init
(cd overlay && find . | cpio -o -H newc --quiet) >overlay.cpio
cat base.cpio overlay.cpio >initrd
rm -rf overlay overlay.cpio
