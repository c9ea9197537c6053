"""The interface to the kernel: numbers and layouts, against the header where there is one."""

import ctypes
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from edge.devices import v4l2
from edge.devices.v4l2 import BufferFlag, Cap, Control, Ioctl, LinuxVideoCalls, fourcc

HEADER = Path("/usr/include/linux/videodev2.h")

pytestmark = pytest.mark.skipif(struct.calcsize("P") != 8, reason="the layouts are of 64 bits")

SAID = {
    **{f"VIDIOC_{call.name}": int(call) for call in Ioctl},
    "V4L2_CAP_VIDEO_CAPTURE": int(Cap.VIDEO_CAPTURE),
    "V4L2_CAP_STREAMING": int(Cap.STREAMING),
    "V4L2_CAP_DEVICE_CAPS": int(Cap.DEVICE_CAPS),
    "V4L2_BUF_FLAG_ERROR": int(BufferFlag.ERROR),
    "V4L2_BUF_FLAG_TIMESTAMP_MASK": int(BufferFlag.STAMP_CLOCK),
    "V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC": int(BufferFlag.STAMP_MONOTONIC),
    "V4L2_BUF_FLAG_TSTAMP_SRC_MASK": int(BufferFlag.STAMP_OF),
    "V4L2_BUF_FLAG_TSTAMP_SRC_SOE": int(BufferFlag.STAMP_OF_EXPOSURE),
    "V4L2_CID_AUTO_WHITE_BALANCE": int(Control.WHITE_BALANCE_AUTO),
    "V4L2_CID_AUTOGAIN": int(Control.GAIN_AUTO),
    "V4L2_CID_GAIN": int(Control.GAIN),
    "V4L2_CID_EXPOSURE_AUTO": int(Control.EXPOSURE_AUTO),
    "V4L2_CID_EXPOSURE_ABSOLUTE": int(Control.EXPOSURE_ABSOLUTE),
    "V4L2_CID_EXPOSURE_AUTO_PRIORITY": int(Control.EXPOSURE_AUTO_PRIORITY),
    "V4L2_CID_FOCUS_AUTO": int(Control.FOCUS_AUTO),
    "V4L2_CID_ANALOGUE_GAIN": int(Control.ANALOGUE_GAIN),
    "V4L2_EXPOSURE_MANUAL": v4l2.EXPOSURE_MANUAL,
    "V4L2_CAP_TIMEPERFRAME": v4l2.TIME_PER_FRAME,
    "V4L2_BUF_TYPE_VIDEO_CAPTURE": v4l2.CAPTURE,
    "V4L2_MEMORY_MMAP": v4l2.MMAP,
    "V4L2_FIELD_NONE": v4l2.FIELD_NONE,
    "V4L2_PIX_FMT_GREY": fourcc("GREY"),
    "V4L2_PIX_FMT_YUYV": fourcc("YUYV"),
    "V4L2_PIX_FMT_MJPEG": fourcc("MJPG"),
    **{
        f"sizeof(struct {name})": ctypes.sizeof(kind)
        for name, kind in {
            "v4l2_capability": v4l2.Capability,
            "v4l2_format": v4l2.Format,
            "v4l2_requestbuffers": v4l2.RequestBuffers,
            "v4l2_buffer": v4l2.Buffer,
            "v4l2_streamparm": v4l2.StreamParameters,
            "v4l2_control": v4l2.ControlValue,
        }.items()
    },
    **{
        f"offsetof(struct {struct_name}, {field})": getattr(kind, ours).offset
        for struct_name, kind, field, ours in [
            ("v4l2_capability", v4l2.Capability, "device_caps", "device_caps"),
            ("v4l2_format", v4l2.Format, "fmt.pix.width", "width"),
            ("v4l2_format", v4l2.Format, "fmt.pix.sizeimage", "sizeimage"),
            ("v4l2_buffer", v4l2.Buffer, "timestamp.tv_sec", "stamp_s"),
            ("v4l2_buffer", v4l2.Buffer, "timestamp.tv_usec", "stamp_us"),
            ("v4l2_buffer", v4l2.Buffer, "sequence", "sequence"),
            ("v4l2_buffer", v4l2.Buffer, "m.offset", "offset"),
            ("v4l2_buffer", v4l2.Buffer, "length", "length"),
            (
                "v4l2_streamparm",
                v4l2.StreamParameters,
                "parm.capture.timeperframe",
                "seconds_numerator",
            ),
        ]
    },
}


def test_the_numbers_that_every_linux_has():
    assert (Ioctl.QUERYCAP, Ioctl.S_FMT, Ioctl.DQBUF) == (0x80685600, 0xC0D05605, 0xC0585611)
    assert (Ioctl.REQBUFS, Ioctl.QUERYBUF, Ioctl.QBUF) == (0xC0145608, 0xC0585609, 0xC058560F)
    assert (Ioctl.STREAMON, Ioctl.STREAMOFF) == (0x40045612, 0x40045613)
    assert (Ioctl.S_PARM, Ioctl.G_CTRL, Ioctl.S_CTRL) == (0xC0CC5616, 0xC008561B, 0xC008561C)
    assert fourcc("YUYV") == 0x56595559


def test_every_number_and_layout_is_the_headers(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not HEADER.exists():
        pytest.skip(f"no C compiler, or {HEADER} is not there")
    lines = "".join(f'printf("%lu\\n", (unsigned long)({name}));\n' for name in SAID)
    source = tmp_path / "numbers.c"
    source.write_text(
        "#include <linux/videodev2.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        f"int main(void) {{\n{lines}return 0;\n}}\n"
    )
    subprocess.run([compiler, "-o", tmp_path / "numbers", source], check=True)
    printed = subprocess.run(
        [tmp_path / "numbers"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert dict(zip(SAID, map(int, printed), strict=True)) == SAID


def test_the_real_calls_speak_to_the_kernel(tmp_path):
    calls = LinuxVideoCalls()
    with pytest.raises(FileNotFoundError):
        calls.open(tmp_path / "video0")
    fd = calls.open(Path("/dev/null"))
    with pytest.raises(OSError, match="ioctl"):
        calls.ioctl(fd, Ioctl.QUERYCAP, v4l2.Capability())
    calls.close(fd)
