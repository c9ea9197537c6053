"""The generic layout, by folder and by colour, and every way it can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.data.dataset import DataError
from models.data.layouts import open_dataset
from tests.support.small_pictures import by_name, grey, message, put, square

RED, GREEN = (255, 0, 0), (0, 255, 0)


def coloured(*spots: tuple[tuple[int, int, int], slice]) -> np.ndarray:
    pixels = np.zeros((12, 16, 3), np.uint8)
    for colour, rows in spots:
        pixels[rows, 3:7] = colour[::-1]
    return pixels


def test_kind_by_folder(tmp_path: Path) -> None:
    for stem in ("a", "b", "c"):
        put(tmp_path / f"images/{stem}.png", grey())
    put(tmp_path / "masks/scratch/a.png", square())
    put(tmp_path / "masks/dent/b_mask.png", square(rows=slice(6, 9)))
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "generic"
    assert dataset.kinds == ("dent", "scratch")
    assert dataset.channels == 1
    samples = by_name(dataset)
    assert [s.kinds for s in dataset.samples] == [("scratch",), ("dent",), ()]
    assert samples["images/c.png"].is_good
    assert samples["images/a.png"].group == "images/a.png"
    np.testing.assert_array_equal(
        dataset.load_kind_map(samples["images/a.png"]), square() // 255 * 2
    )
    image, kind_map = dataset.load_pair(samples["images/b.png"])
    assert image.shape == kind_map.shape == (12, 16)
    assert kind_map[7, 4] == 1
    assert not dataset.load_kind_map(samples["images/c.png"]).any()


def test_images_sorted_by_kind_too(tmp_path: Path) -> None:
    put(tmp_path / "images/dent/1.jpg", grey())
    put(tmp_path / "images/good/1.jpg", grey())
    put(tmp_path / "images/dent/2.jpg", grey())
    put(tmp_path / "masks/dent/1.png", square())
    samples = by_name(open_dataset(tmp_path))
    assert samples["images/dent/1.jpg"].kinds == ("dent",)
    assert not samples["images/dent/1.jpg"].unmasked
    assert samples["images/good/1.jpg"].is_good
    # In a folder of defects, without a mask: defective at an unknown place.
    assert samples["images/dent/2.jpg"].kinds == ("dent",)
    assert samples["images/dent/2.jpg"].unmasked


def test_images_alone_are_good_parts(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "images/line2/b.png", grey())
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.kinds) == ("generic", ())
    assert [s.is_good and not s.unmasked for s in dataset.samples] == [True, True]


@pytest.mark.parametrize("good", ["good", "OK"])
def test_beside_a_folder_of_good_parts_the_others_are_kinds(tmp_path: Path, good: str) -> None:
    for name in (f"{good}/a", f"{good}/day2/a", "dent/a", "b"):
        put(tmp_path / f"images/{name}.png", grey())
    samples = by_name(open_dataset(tmp_path))
    assert [n for n, s in samples.items() if s.unmasked] == ["images/dent/a.png"]
    assert samples["images/dent/a.png"].kinds == ("dent",)
    assert sum(s.is_good for s in samples.values()) == 3


def test_an_image_may_carry_two_kinds_and_the_later_wins(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/dent/a.png", square(rows=slice(2, 6)))
    put(tmp_path / "masks/scratch/a.png", square(rows=slice(4, 8)))
    dataset = open_dataset(tmp_path)
    assert dataset.samples[0].kinds == ("dent", "scratch")
    kind_map = dataset.load_kind_map(dataset.samples[0])
    assert kind_map[:, 3].tolist() == [0, 0, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0]


def test_an_empty_mask_says_good_where_every_picture_has_a_mask(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "images/b.png", grey())
    put(tmp_path / "masks/dent/a.png", grey(0))
    put(tmp_path / "masks/dent/b.png", square())
    dataset = open_dataset(tmp_path)
    assert [sample.is_good for sample in dataset.samples] == [True, False]
    assert dataset.kinds == ("dent",)


def test_kind_by_colour_without_names(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/a.png", coloured((RED, slice(0, 2)), (GREEN, slice(5, 7))))
    dataset = open_dataset(tmp_path)
    assert dataset.kinds == ("kind_00ff00", "kind_ff0000")
    kind_map = dataset.load_kind_map(dataset.samples[0])
    assert kind_map[0, 3] == 2
    assert kind_map[5, 3] == 1
    assert np.count_nonzero(kind_map) == 16


def test_kind_by_colour_with_names(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "images/b.png", grey())
    put(tmp_path / "masks/a.png", coloured((RED, slice(0, 2)), (GREEN, slice(5, 7))))
    put(tmp_path / "masks/b.png", square(128))
    table = "colour,kind\n#FF0000,scratch\n\n#00ff00, dent\n#808080,dent\n#0000ff,unused\n"
    (tmp_path / "kinds.csv").write_text(table)
    dataset = open_dataset(tmp_path)
    assert dataset.kinds == ("dent", "scratch")
    first, second = dataset.samples
    assert first.kinds == ("dent", "scratch")
    assert dataset.load_kind_map(first)[:7, 3].tolist() == [2, 2, 0, 0, 0, 1, 1]
    assert second.kinds == ("dent",)
    np.testing.assert_array_equal(dataset.load_kind_map(second) > 0, square() > 0)


@pytest.mark.parametrize("value", [1, 100, 128, 255])
def test_a_grey_mask_of_one_value_is_a_defect(tmp_path: Path, value: int) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/a.png", square(value))
    dataset = open_dataset(tmp_path)
    assert dataset.kinds == ("defect",)
    np.testing.assert_array_equal(
        dataset.load_kind_map(dataset.samples[0]), (square() > 0).astype(np.uint8)
    )


def test_a_smoothed_white_mask_is_cut_at_the_threshold(tmp_path: Path) -> None:
    soft = square()
    soft[1, 3:7], soft[5, 3:7] = 127, 128
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/a.png", soft)
    dataset = open_dataset(tmp_path)
    kind_map = dataset.load_kind_map(dataset.samples[0])
    assert kind_map[:7, 3].tolist() == [0, 0, 1, 1, 1, 1, 0]


def test_groups(tmp_path: Path) -> None:
    for stem in ("a", "b", "c"):
        put(tmp_path / f"images/{stem}.png", grey())
    (tmp_path / "groups.csv").write_text("file,group\na.png,part 1\nb.png,part 1\n")
    groups = [sample.group for sample in open_dataset(tmp_path).samples]
    assert groups == ["part 1", "part 1", "images/c.png"]


def test_one_coloured_image_makes_a_coloured_set(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", np.dstack([grey(1), grey(2), grey(3)]))
    put(tmp_path / "images/b.png", grey(7))
    dataset = open_dataset(tmp_path)
    assert dataset.channels == 3
    first, second = dataset.samples
    assert dataset.load_image(first)[0, 0].tolist() == [1, 2, 3]
    assert dataset.load_image(second)[0, 0].tolist() == [7, 7, 7]


def test_grey_looking_files_load_as_grey_with_their_values(tmp_path: Path) -> None:
    ramp = np.arange(192, dtype=np.uint8).reshape(12, 16)
    put(tmp_path / "images/a.png", np.dstack([ramp] * 3))
    put(tmp_path / "images/b.png", np.dstack([ramp] * 3 + [grey(9)]))
    dataset = open_dataset(tmp_path)
    assert dataset.channels == 1
    for sample in dataset.samples:
        np.testing.assert_array_equal(dataset.load_image(sample), ramp)


def test_missing_images_folder(tmp_path: Path) -> None:
    assert message(tmp_path).startswith(f"{tmp_path}: holds no picture; expected ")
    assert "images: is missing" in message(tmp_path, "generic")
    assert "is not a folder" in message(tmp_path / "absent")
    assert "layout 'dagm': unknown; expected auto or" in message(tmp_path, "dagm")


def test_empty_images_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/readme.txt").write_text("none yet")
    assert "images: holds no image" in message(tmp_path)


def test_mask_of_another_size(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/dent/a.png", square()[:, :15])
    text = message(tmp_path)
    assert "masks/dent/a.png" in text
    assert "the mask is 15x12 and its image images/a.png is 16x12" in text


def test_mask_without_an_image(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/dent/b_mask.png", square())
    text = message(tmp_path)
    assert "b_mask.png: is a mask without an image; expected an image named b " in text


def test_two_images_of_one_name(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "images/a.jpg", grey())
    assert "expected one image per name" in message(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\nbroken", "is cut short"),
        (b"text", "is not a picture that can be decoded"),
    ],
)
def test_unreadable_image(tmp_path: Path, content: bytes, says: str) -> None:
    put(tmp_path / "images/a.png", grey()).write_bytes(content)
    assert f"images/a.png: {says}" in message(tmp_path)


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey().astype(np.uint16))
    assert "a.png: 16 bits per channel, expected 8" in message(tmp_path)


def test_a_file_that_went_away(tmp_path: Path) -> None:
    path = put(tmp_path / "images/a.png", grey())
    dataset = open_dataset(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"a\.png: cannot be read: No such file"):
        dataset.load_image(dataset.samples[0])


def test_colour_that_kinds_csv_does_not_name(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/a.png", coloured((RED, slice(0, 2))))
    (tmp_path / "kinds.csv").write_text("#00ff00,dent\n")
    assert "masks/a.png: has colour #ff0000; expected a colour that kinds.csv" in message(tmp_path)


def test_smoothed_colours_are_refused(tmp_path: Path) -> None:
    pixels = np.zeros((12, 16, 3), np.uint8)
    pixels[:, :, 2] = np.arange(192).reshape(12, 16)
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/a.png", pixels)
    assert "has 191 colours; expected one flat colour per kind" in message(tmp_path)


def test_dark_greys_need_names(tmp_path: Path) -> None:
    levels = square(1)
    levels[8:10] = 2
    put(tmp_path / "images/a.png", grey())
    put(tmp_path / "masks/a.png", levels)
    assert "has 2 greys and no white" in message(tmp_path)
    put(tmp_path / "masks/dent/a.png", levels)
    (tmp_path / "masks/a.png").unlink()
    assert "several values and none above 127" in message(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("kinds.csv", "red,scratch\n", "line 1: expected #rrggbb,kind"),
        ("kinds.csv", "#000000,scratch\n", "line 1: #000000 is sound surface"),
        ("kinds.csv", "#ff0000,a\n#FF0000,b\n", "line 2: #FF0000 is named twice"),
        ("kinds.csv", "#ff0000\n", "line 1: expected two fields, colour,kind"),
        ("groups.csv", "file,group\nz.png,1\n", "line 2: z.png is not an image in"),
        ("groups.csv", "a.png,\n", "line 1: a.png has no group"),
    ],
)
def test_tables_say_which_line_is_wrong(
    tmp_path: Path, file: str, text: str, expected: str
) -> None:
    put(tmp_path / "images/a.png", grey())
    (tmp_path / file).write_text(text)
    found = message(tmp_path)
    assert file in found
    assert expected in found


def test_tables_must_be_utf8(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", grey())
    (tmp_path / "kinds.csv").write_bytes(b"#ff0000,\xff\xfe\n")
    assert "kinds.csv: cannot be read; expected UTF-8" in message(tmp_path)
