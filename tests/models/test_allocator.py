"""Freed memory of a training process is used again, which page faults show."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tests.support.preloaded import ROOT

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is of glibc")

_FAULTS = """
import resource, sys
import numpy as np
from models.training.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()
for turn in range(11):
    np.ones(100_000_000, np.uint8)
    if turn == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    command = [sys.executable, "-c", _FAULTS, how]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def test_a_block_that_was_freed_is_not_cleared_by_the_kernel_again() -> None:
    assert _faults("kept") < 0.1 * _faults("returned")
