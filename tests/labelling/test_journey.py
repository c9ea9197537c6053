"""A person's journey through the label page in real Chromium, up to what training reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.api import load_inspector
from models.data.dataset import DataSet
from models.data.layouts import open_dataset
from tests.support.label_browser import PHONE, TABLET, at_the_page
from tests.support.label_pages import LabelPage, label_page, unlabelled, write

SIZE = (240, 320)  # height, width
pytestmark = pytest.mark.timeout(300)  # a browser on a busy machine


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return unlabelled(tmp_path / "parts", 5, SIZE)


@pytest.fixture
def page(root: Path) -> Iterator[LabelPage]:
    with label_page(root) as running:
        yield running


def read(root: Path) -> tuple[DataSet, dict[str, tuple[str, ...]]]:
    dataset = open_dataset(root)
    return dataset, {sample.name: sample.kinds for sample in dataset.samples}


def drawn(root: Path, name: str) -> dict[str, np.ndarray]:
    """The kinds on a picture as training reads them: bool H×W each."""
    dataset = open_dataset(root)
    (sample,) = (each for each in dataset.samples if each.name == name)
    kinds = dataset.load_kind_map(sample)
    return {
        kind: kinds == number
        for number, kind in enumerate(dataset.kinds, 1)
        if (kinds == number).any()
    }


def capsule(x0: int, y0: int, x1: int, y1: int, radius: int) -> np.ndarray:
    """The pixels within a round brush along a line."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    dx, dy = x1 - x0, y1 - y0
    length = dx * dx + dy * dy
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0, 1) if length else 0
    return (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2 <= radius**2 + radius


def add_kind(person: Any, kind: str) -> None:
    person.press("k")
    person.page.get_by_label("Name of the kind").fill(kind)
    person.page.get_by_role("button", name="Add", exact=True).click()
    person.page.get_by_role("radio", name=kind).wait_for()


def test_a_person_labels_a_folder_and_training_reads_it(
    chromium: Any, page: LabelPage, root: Path
) -> None:
    with at_the_page(chromium) as ada:
        ada.enter(page.url)
        assert "code=" not in ada.page.url  # not in the history, and not on a screenshot
        ada.press("g")
        ada.sees_picture("2.png")
        ada.says("saved: 1.png, good")
        ada.press("b")
        ada.sees_picture("3.png")
        add_kind(ada, "scratch")
        ada.drag((50, 60), (150, 60))
        ada.press("b")
        ada.sees_picture("4.png")
        ada.press("o")
        for point in ((100, 100), (180, 100), (180, 160), (100, 160)):
            ada.click(*point)
        ada.press("Enter", "b")
        ada.sees_picture("5.png")
        ada.press("s")
        ada.page.get_by_text("Every picture has a label").wait_for()
        assert ada.page.locator("#counts").text_content() == "5 of 5: 1 good, 3 bad, 1 skipped"
    dataset, kinds = read(root)
    assert kinds == {
        "images/1.png": (),
        "images/2.png": ("bad",),
        "images/3.png": ("scratch",),
        "images/4.png": ("scratch",),
    }
    assert [sample.unmasked for sample in dataset.samples] == [False, True, False, False]
    assert np.array_equal(drawn(root, "images/3.png")["scratch"], capsule(50, 60, 150, 60, 6))
    square = np.zeros(SIZE, np.bool_)
    square[100:161, 100:181] = True
    assert np.array_equal(drawn(root, "images/4.png")["scratch"], square)


def test_undo_redo_and_the_saved_state(chromium: Any, page: LabelPage, root: Path) -> None:
    with at_the_page(chromium) as ada:
        ada.enter(page.url)
        add_kind(ada, "dent")
        ada.drag((40, 40), (60, 40))
        ada.press("Control+s")
        ada.says("saved: 1.png, bad")
        ada.drag((200, 100), (220, 100))
        ada.press("n")
        ada.says("The drawing is not saved")
        assert ada.picture == "1.png"
        ada.press("z")
        ada.press("y")
        ada.press("Control+s")
        ada.says("saved: 1.png, bad")
        both = capsule(40, 40, 60, 40, 6) | capsule(200, 100, 220, 100, 6)
        assert np.array_equal(drawn(root, "images/1.png")["dent"], both)
        ada.press("e")
        ada.drag((200, 100), (220, 100))
        ada.press("r")
        ada.says("This is the saved drawing")
        ada.press("z", "Control+s")
        ada.settled()
        assert np.array_equal(drawn(root, "images/1.png")["dent"], capsule(40, 40, 60, 40, 6))
        ada.press("z", "n")  # the steps before a save can be undone too
        ada.says("The drawing is not saved")
        ada.press("y", "d")
        ada.drag((10, 10), (20, 10))
        ada.press("z")
        ada.press("n")
        ada.sees_picture("2.png")
        ada.press("p")
        ada.sees_picture("1.png")
        # Deleting a drawing takes a second key press.
        ada.press("g")
        ada.says("would be deleted")
        assert ada.picture == "1.png"
        ada.press("g")
        ada.sees_picture("2.png")
        assert read(root)[1] == {"images/1.png": ()}
        ada.press("p")
        ada.sees_picture("1.png")
        ada.press("u")
        ada.says("not labelled")
    assert page.service.store.state("1.png").label == "none"


def test_everything_by_keyboard(chromium: Any, page: LabelPage, root: Path) -> None:
    with at_the_page(chromium) as ada:
        ada.enter(page.url)
        add_kind(ada, "dent")
        add_kind(ada, "hole")
        ada.press("1", "[", "[", "[", "[", "[", "[")  # one pixel
        assert ada.page.locator("#size-px").text_content() == "1 px"
        ada.press("ArrowRight", "ArrowRight", "Shift+ArrowDown")  # the first key shows the cursor
        ada.page.keyboard.down("Space")
        ada.press("Shift+ArrowRight", "Shift+ArrowRight")
        ada.page.keyboard.up("Space")
        ada.press("2", "o")
        ada.press(
            "Shift+ArrowDown", "Space", "Shift+ArrowRight", "Space", "Shift+ArrowDown", "Space"
        )
        ada.press("Shift+ArrowLeft", "Space", "Backspace", "Enter", "b")
        ada.sees_picture("2.png")
        ada.press("1", "Shift+B")
        ada.sees_picture("3.png")
        ada.press("?")
        ada.page.get_by_role("heading", name="Keys").wait_for()
        ada.press("Escape", "l")
        ada.page.get_by_label("Part of the name").fill("5")
        ada.page.get_by_role("button", name="5.png").click()
        ada.sees_picture("5.png")
    kinds = read(root)[1]
    assert kinds == {"images/1.png": ("dent", "hole"), "images/2.png": ("dent",)}
    found = drawn(root, "images/1.png")
    line = np.zeros(SIZE, np.bool_)
    line[130, 161:182] = True  # the middle of 320×240 px is 160, 120
    assert np.array_equal(found["dent"], line)
    triangle = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(triangle, [np.array([(181, 140), (191, 140), (191, 150)])], 1)
    assert np.array_equal(found["hole"], triangle > 0)


@pytest.mark.parametrize("size", [TABLET, PHONE])
def test_fingers_draw_and_two_of_them_zoom(
    chromium: Any, page: LabelPage, root: Path, size: tuple[int, int]
) -> None:
    with at_the_page(chromium, size=size, has_touch=True, is_mobile=True) as ada:
        ada.enter(page.url)
        wide = ada.page.evaluate("document.documentElement.scrollWidth")
        assert wide == size[0]  # nothing is wider than the screen
        ada.page.get_by_role("button", name="+ kind").tap()
        ada.page.get_by_label("Name of the kind").fill("dent")
        ada.page.get_by_role("button", name="Add", exact=True).tap()
        ada.page.get_by_role("radio", name="dent").wait_for()
        ada.touch([(50, 60)], [(80, 60)], [(150, 60)])
        before = ada.page.locator("#picture").bounding_box()["width"]
        ada.touch(
            [(150, 120)],
            [(150, 120), (170, 120)],
            [(140, 120), (180, 120)],
            [(120, 120), (200, 120)],
        )
        assert ada.page.locator("#picture").bounding_box()["width"] > 1.5 * before
        ada.page.get_by_role("button", name="Whole picture").tap()
        ada.page.locator("#bad").tap()
        ada.sees_picture("2.png")
    # The first finger of the two has begun no stroke that stays.
    found = drawn(root, "images/1.png")["dent"]
    assert np.array_equal(found, capsule(50, 60, 150, 60, 6))


def test_with_a_pen_a_finger_moves_the_picture(chromium: Any, page: LabelPage, root: Path) -> None:
    with at_the_page(chromium, size=TABLET, has_touch=True, is_mobile=True) as ada:
        ada.enter(page.url)
        add_kind(ada, "dent")
        ada.pen((50, 60), (100, 60), (150, 60))
        before = ada.place(0, 0)
        ada.touch([(100, 150)], [(100, 170)], [(100, 190)])
        after = ada.place(0, 0)
        assert after[1] - before[1] > 20
        assert after[0] == pytest.approx(before[0], abs=1)
        ada.press("b")
        ada.sees_picture("2.png")
    assert np.array_equal(drawn(root, "images/1.png")["dent"], capsule(50, 60, 150, 60, 6))


def test_the_page_of_the_code_and_a_restart_of_the_browser(chromium: Any, page: LabelPage) -> None:
    with at_the_page(chromium) as ada:
        ada.page.goto(page.url.partition("?")[0])
        ada.page.get_by_label("Code").fill(page.access.code)
        ada.page.get_by_role("button", name="Open").click()
        ada.page.get_by_role("textbox", name="Your name").fill("Ada")
        ada.page.get_by_role("button", name="Start").click()
        ada.sees_picture("1.png")
        ada.page.reload()
        ada.sees_picture("1.png")  # the name is known, and the picture is still hers
        assert ada.page.get_by_role("button", name="Ada").is_visible()


def test_a_proposal_is_accepted_corrected_or_dismissed_by_a_person(
    chromium: Any, tmp_path: Path
) -> None:
    from tests.support.bundles import picture, small_bundle

    root = tmp_path / "parts"
    hole, stain = (40, 30, 56, 42, 0), (80, 50, 96, 62, 50)
    write(root / "images/a-clean.png", picture())
    write(root / "images/b-both.png", picture(hole, stain))
    write(root / "images/c-hole.png", picture(hole))
    write(root / "images/d-unsure.png", picture((20, 20, 30, 30, 84)))
    inspector = load_inspector(small_bundle(tmp_path / "small.outfeed"))
    with label_page(root, inspector=inspector, kinds=("hole", "stain")) as page:
        assert page.service.proposal("d-unsure.png")["state"] == "made"
        with at_the_page(chromium) as ada:
            ada.enter(page.url)
            assert ada.picture == "d-unsure.png"  # the score nearest to the limit comes first
            ada.page.get_by_text("PASS, score").wait_for()
            ada.press("v")
            ada.page.locator("#severity").wait_for()
            ada.press("v", "l")
            ada.page.get_by_role("button", name="b-both.png").click()
            ada.sees_picture("b-both.png")
            ada.page.get_by_role("button", name="Accept hole").wait_for()
            ada.press("j", "a")
            ada.page.get_by_role("button", name="Accept hole").wait_for(state="detached")
            ada.press("j", "x")
            ada.page.get_by_role("button", name="Accept stain").wait_for(state="detached")
            ada.press("b")
            ada.says("saved: b-both.png, bad")
            ada.press("l")
            ada.page.get_by_role("button", name="c-hole.png").click()
            ada.sees_picture("c-hole.png")
            ada.page.get_by_role("button", name="Correct hole").click()
            ada.says("Move the points")
            ada.drag((40, 30), (30, 20))
            ada.press("Enter", "b")
            ada.says("saved: c-hole.png, bad")
            assert page.service.store.state("d-unsure.png").label == "none"
            assert page.service.store.state("a-clean.png").label == "none"
    box = np.zeros((96, 128), np.bool_)
    box[30:42, 40:56] = True
    assert np.array_equal(drawn(root, "images/b-both.png")["hole"], box)
    corrected = drawn(root, "images/c-hole.png")["hole"]
    assert corrected[20, 30]
    assert (corrected & box).sum() == box.sum()
    assert read(root)[1] == {"images/b-both.png": ("hole",), "images/c-hole.png": ("hole",)}


def test_two_people_never_overwrite_each_other(chromium: Any, page: LabelPage, root: Path) -> None:
    with at_the_page(chromium) as ada, at_the_page(chromium, "Ben") as ben:
        ada.enter(page.url)
        ben.enter(page.url)
        assert (ada.picture, ben.picture) == ("1.png", "2.png")
        ben.press("l")
        row = ben.page.get_by_role("button", name="1.png")
        assert "open: Ada" in row.text_content()
        row.click()
        ben.sees_picture("1.png")
        assert ben.page.locator("#banner").text_content() == "Ada has this picture open too."
        add_kind(ben, "dent")
        ben.drag((40, 40), (60, 40))
        ben.press("b")
        ben.says("saved: 1.png, bad")
        ada.press("g")
        ada.page.get_by_text("Ben has saved it since you opened it").wait_for()
        assert read(root)[1] == {"images/1.png": ("dent",)}
        ada.page.get_by_role("button", name="Show the saved label").click()
        ada.page.get_by_text("bad, Ben").wait_for()
        ada.settled()
        assert np.array_equal(drawn(root, "images/1.png")["dent"], capsule(40, 40, 60, 40, 6))
        ada.press("g")
        ada.says("would be deleted")
        # Ada may also decide for her own label, knowing that there is another.
        ben.press("p")
        ben.sees_picture("1.png")
        ben.press("Shift+B")
        ben.says("saved: 1.png")
        ada.press("g")
        ada.page.get_by_role("button", name="Save mine over it").click()
        ada.says("saved: 1.png, good")
    assert read(root)[1] == {"images/1.png": ()}


def test_the_drawing_outlives_a_restart_of_the_server(chromium: Any, root: Path) -> None:
    with at_the_page(chromium) as ada:
        with label_page(root) as page:
            ada.enter(page.url)
            add_kind(ada, "dent")
            ada.press("g")
            ada.sees_picture("2.png")
            ada.drag((40, 40), (60, 40))
            port = page.port
        ada.press("b")
        ada.says("The server does not answer")
        with label_page(root, port=port) as page:
            ada.press("b")
            ada.page.get_by_text("The command was started again").wait_for()
            ada.page.get_by_label("Code").fill("wrong")
            ada.page.get_by_role("button", name="Continue").click()
            ada.page.get_by_text("this is not the code").wait_for()
            ada.page.get_by_label("Code").fill(page.access.code)
            ada.page.get_by_role("button", name="Continue").click()
            ada.sees_picture("3.png")
    assert read(root)[1] == {"images/1.png": (), "images/2.png": ("dent",)}
    assert np.array_equal(drawn(root, "images/2.png")["dent"], capsule(40, 40, 60, 40, 6))
