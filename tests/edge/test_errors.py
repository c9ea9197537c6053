"""The errors of Outfeed and their exit statuses."""

from __future__ import annotations

import pytest

from edge.errors import (
    BundleError,
    ConfigError,
    DeviceError,
    FrameError,
    InboxError,
    JournalError,
    OutfeedError,
    PictureError,
    StalledError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OutfeedError, 1),
        (UsageError, 2),
        (ConfigError, 78),
        (BundleError, 1),
        (FrameError, 1),
        (DeviceError, 1),
        (JournalError, 1),
        (PictureError, 1),
        (InboxError, 1),
        (StalledError, 1),
    ],
)
def test_each_error_has_its_exit_status(error: type[OutfeedError], status: int) -> None:
    assert issubclass(error, OutfeedError)
    assert error.exit_status == status
