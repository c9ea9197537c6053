"""The refusal of a data folder, by training and by the demo alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.demo.parts import find_demo_pictures
from edge.errors import UsageError
from models.data.dataset import DataError
from models.data.layouts import open_dataset

DRAW = "expected masks as masks/KIND/NAME.png, white on the defect"


def refusal(root: Path) -> str:
    """Return the message with which training and demo refuse a folder, with ROOT for its path."""
    with pytest.raises(DataError) as trained:
        open_dataset(root).verify()
    with pytest.raises(UsageError) as shown:
        find_demo_pictures(root)
    message = str(trained.value)
    assert str(shown.value) == f"--frames {message}"
    return message.replace(str(root), "ROOT")
