"""Instructions per frame on Arm, counted in QEMU's user mode with the real wheels for aarch64.

python -m bench.arm --out build/arm
"""
