"""Pictures that come into the folder while the page is open."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.api import load_inspector
from edge.labelling import Change, LabelStore, open_folder
from edge.labelling import rescan as rescan_module
from edge.labelling.rescan import LEAST_S, FolderWatch
from tests.support.bundles import small_bundle
from tests.support.label_browser import at_the_page
from tests.support.label_pages import label_page, surface, unlabelled, write


class Clock:
    """A monotonic clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LabelStore]:
    with closing(LabelStore(open_folder(unlabelled(tmp_path / "d", 2), None))) as opened:
        yield opened


def looks(watch: FolderWatch, clock: Clock, count: int = 2) -> list[tuple[str, ...]]:
    """The results of looks, each as soon as it is permitted."""
    found = []
    for _ in range(count):
        clock.now_s += LEAST_S
        found.append(watch.look())
    return found


def test_a_new_picture_counts_when_its_file_no_longer_changes(
    store: LabelStore, clock: Clock
) -> None:
    root, watch = store.folder.root, FolderWatch(store, clock)
    path = write(root / "images/a.png", surface(7))
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert looks(watch, clock, 1) == [()]
    path.write_bytes(whole)  # still being copied at the first look
    assert looks(watch, clock) == [(), ("a.png",)]
    assert store.names == ("1.png", "2.png", "a.png")
    assert store.state("a.png").label == "none"
    store.save("a.png", Change(store.open("a.png").version, "good", "Ada", {}))
    assert "images/a.png,good" in (root / "labelled.csv").read_text()
    assert looks(watch, clock) == [(), ()]


def test_it_looks_at_a_bounded_rate(
    store: LabelStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []

    def slow(*given: Any, **named: Any) -> Any:
        taken.append(clock.now_s)
        clock.now_s += 2.0
        return open_folder(*given, **named)

    monkeypatch.setattr(rescan_module, "open_folder", slow)
    watch = FolderWatch(store, clock)
    for _ in range(400):
        clock.now_s += 0.5
        watch.look()
    # A look of 2 s is followed by 40 s without one.
    assert taken == [5.0, 47.0, 89.0, 131.0, 173.0]
    watch = FolderWatch(store, clock, least_s=60.0)
    began = len(taken)
    clock.now_s += 59.0
    watch.look()
    assert len(taken) == began


def test_pictures_that_are_gone_are_dropped_unless_they_have_a_label(
    store: LabelStore, clock: Clock
) -> None:
    root, watch = store.folder.root, FolderWatch(store, clock)
    store.save("1.png", Change(store.open("1.png").version, "good", "Ada", {}))
    for name in ("1.png", "2.png"):
        (root / "images" / name).unlink()
    write(root / "images/3.png", surface(3))
    looks(watch, clock)
    assert store.names == ("1.png", "3.png")


def test_saved_masks_survive_a_look(store: LabelStore, clock: Clock) -> None:
    watch = FolderWatch(store, clock)
    mask: NDArray[np.bool_] = np.ones((60, 80), np.bool_)
    store.save("1.png", Change(store.open("1.png").version, "bad", "Ada", {"dent": mask}))
    write(store.folder.root / "images/3.png", surface(3))
    assert looks(watch, clock) == [(), ("3.png",)]
    assert set(store.open("1.png").masks) == {"dent"}


def test_a_folder_that_cannot_be_read_is_logged_once(
    store: LabelStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    watch = FolderWatch(store, clock)
    images = store.folder.root / "images"
    images.rename(store.folder.root / "away")
    with caplog.at_level(logging.WARNING):
        assert looks(watch, clock, 3) == [(), (), ()]
    assert [record.message.split()[0] for record in caplog.records] == ["label_folder_unread"]
    assert store.names == ("1.png", "2.png")
    (store.folder.root / "away").rename(images)
    write(images / "3.png", surface(3))
    assert looks(watch, clock) == [(), ("3.png",)]


def test_pictures_of_other_folders_appear_too(tmp_path: Path, clock: Clock) -> None:
    write(tmp_path / "shots/a.png", surface())
    with closing(LabelStore(open_folder(tmp_path / "shots", tmp_path / "data"))) as store:
        watch = FolderWatch(store, clock)
        write(tmp_path / "shots/line2/b.png", surface(2))
        assert looks(watch, clock) == [(), ("line2/b.png",)]
        store.save("line2/b.png", Change(store.open("line2/b.png").version, "good", "Ada", {}))
    assert (tmp_path / "data/images/line2/b.png").is_file()


def test_the_page_offers_a_new_picture_and_the_network_inspects_it(
    tmp_path: Path, clock: Clock
) -> None:
    root = unlabelled(tmp_path / "d", 1)
    inspector = load_inspector(small_bundle(tmp_path / "small.outfeed"))
    with label_page(root, now_s=clock, inspector=inspector) as page:
        page.admit()
        assert page.save("1.png", "good").status == 200
        assert page.post("/api/next").json["name"] == ""
        write(root / "images/2.png", surface(2))
        counts = []
        for _ in range(3):
            counts.append(page.post("/api/beat").json["counts"]["all"])
            clock.now_s += LEAST_S
        assert counts == [1, 1, 2]
        assert page.post("/api/next").json["name"] == "2.png"
        assert page.get("/api/proposal", "2.png").json["state"] == "made"


def test_a_person_who_has_finished_sees_a_new_picture(
    chromium: Any, tmp_path: Path, clock: Clock
) -> None:
    root = unlabelled(tmp_path / "d", 1, (240, 320))
    with label_page(root, now_s=clock) as page, at_the_page(chromium) as ada:
        ada.page.clock.install()
        ada.enter(page.url)
        ada.press("g")
        ada.page.get_by_text("Every picture has a label").wait_for()
        write(root / "images/2.png", surface(2, (240, 320)))
        for _ in range(3):
            clock.now_s += LEAST_S
            ada.page.clock.run_for(10_000)
            ada.settled()
        ada.sees_picture("2.png")
