"""outfeed inspect: its results for pictures, and the files that it writes."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.conftest import Outfeed
from tests.support.bundles import FAINT, HOLE, STAIN, THRESHOLD
from tests.support.folders import put, turned
from tests.support.videos import video

HOLE_RECORD = {
    "file": "hole.png",
    "decision": "REJECT",
    "reason": "hole: 1 of severity up to 12.0, the worst 192 px",
    "score": pytest.approx(12.0, abs=1e-3),  # less the classifier's doubt
    "defects": [
        {
            "box": [40, 30, 56, 42],
            "kind": "hole",
            "confidence": pytest.approx(0.996, abs=1e-3),
            "peak_severity": 12.0,
            "area_px": 192,
        }
    ],
}


def test_a_folder_gives_a_record_for_each_picture_in_sorted_order(
    outfeed: Outfeed, bundle: Path, pictures: Path
) -> None:
    (pictures / ".hidden.png").write_bytes(b"not looked at")
    (pictures / "notes.txt").write_text("not looked at")
    result = outfeed("inspect", pictures, "--bundle", bundle, "--no-timings")
    assert (result.status, result.err) == (0, "")
    assert [(r["file"], r["decision"], r["reason"]) for r in result.records] == [
        ("clean.png", "PASS", "clean"),
        ("faint.png", "PASS", "1 classified as background"),
        ("hole.png", "REJECT", "hole: 1 of severity up to 12.0, the worst 192 px"),
        ("sub/stain.png", "REJECT", "stain: 1 of severity up to 7.3, the worst 192 px"),
    ]
    assert result.records[2] == HOLE_RECORD


def test_a_file_is_called_by_its_own_name(outfeed: Outfeed, bundle: Path, pictures: Path) -> None:
    result = outfeed("inspect", pictures / "sub/stain.png", "-b", bundle)
    assert [record["file"] for record in result.records] == ["stain.png"]


def test_several_paths_are_called_from_their_common_folder(
    outfeed: Outfeed, bundle: Path, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "x.png"), HOLE)
    result = outfeed("inspect", tmp_path / "b", tmp_path / "a", "-b", bundle)
    assert [record["file"] for record in result.records] == ["a/x.png", "b/x.png"]
    twice = outfeed("inspect", tmp_path / "a", tmp_path / "a/x.png", "-b", bundle)
    assert [record["file"] for record in twice.records] == ["x.png"]


def test_a_list_is_called_from_the_common_folder_of_its_files(
    outfeed: Outfeed, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "validation.txt"
    listed.write_text(f"{pictures}/sub/stain.png\n\n{pictures}/clean.png\n")
    result = outfeed("inspect", "--list", listed, "-b", bundle)
    assert [record["file"] for record in result.records] == ["clean.png", "sub/stain.png"]


def test_the_same_input_gives_the_same_bytes(
    outfeed: Outfeed, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / "one/results.jsonl", tmp_path / "two/results.jsonl"]
    for out, threads in zip(outs, (1, 2), strict=True):
        arguments = (pictures, "-b", bundle, "--out", out, "--no-timings", "--threads", threads)
        assert outfeed("inspect", *arguments).status == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert len(outs[0].read_text().splitlines()) == 4


def test_timings_add_up(outfeed: Outfeed, bundle: Path, pictures: Path) -> None:
    for record in outfeed("inspect", pictures, "-b", bundle).records:
        steps = record["timings_us"]
        total = steps.pop("total")
        assert list(steps) == ["detect", "filter", "components", "classify", "decide"]
        assert total == pytest.approx(sum(steps.values()), abs=0.5)


def test_pictures_of_results_mirror_the_folder(
    outfeed: Outfeed, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    folders = {name: tmp_path / "out" / name for name in ("masks", "severity", "overlays")}
    options = [part for name, folder in folders.items() for part in (f"--{name}", folder)]
    assert outfeed("inspect", pictures, "-b", bundle, *options).status == 0
    for folder in folders.values():
        written = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
        assert written == ["clean.png", "faint.png", "hole.png", "sub/stain.png"]
    wanted = np.zeros(HOLE.shape, np.uint8)
    wanted[30:42, 40:56] = 255
    mask = cv2.imread(str(folders["masks"] / "hole.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask, wanted)
    # Found, but called background: not a reported defect.
    faint = cv2.imread(str(folders["masks"] / "faint.png"), cv2.IMREAD_UNCHANGED)
    assert faint.shape == FAINT.shape
    assert not faint.any()
    severity = cv2.imread(str(folders["severity"] / "sub/stain.png"), cv2.IMREAD_UNCHANGED)
    assert severity.dtype == np.uint16
    assert severity.max() == round(7.3 * 4096)
    stain = cv2.imread(str(folders["masks"] / "sub/stain.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(severity >= THRESHOLD * 4096, stain > 0)
    overlay = cv2.imread(str(folders["overlays"] / "hole.png"))
    factor = overlay.shape[1] // HOLE.shape[1]
    assert overlay.shape[0] > HOLE.shape[0] * factor  # the banner
    assert (overlay[:, :, 2] > 180).any()
    assert (overlay[:, :, 1] < 60).any()


def test_two_pictures_of_one_name_would_overwrite_each_other(
    outfeed: Outfeed, bundle: Path, tmp_path: Path
) -> None:
    for suffix in (".png", ".bmp"):
        cv2.imwrite(str(tmp_path / f"x{suffix}"), HOLE)
    assert outfeed("inspect", tmp_path, "-b", bundle).status == 0
    result = outfeed("inspect", tmp_path, "-b", bundle, "--masks", tmp_path / "masks")
    assert result.status == 2
    assert "x.bmp" in result.line
    assert "x.png" in result.line
    assert not (tmp_path / "masks").exists()


def test_threshold_replaces_the_bundles(outfeed: Outfeed, bundle: Path, pictures: Path) -> None:
    faint = pictures / "faint.png"
    found = outfeed("inspect", faint, "-b", bundle, "--threshold", "6").records
    assert [record["reason"] for record in found] == ["clean"]
    result = outfeed("inspect", faint, "-b", bundle, "--threshold", "12.5")
    assert (result.status, "--threshold 12.5" in result.line) == (2, True)


def test_colour_is_judged_by_a_grey_network(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "colour.png"), cv2.cvtColor(STAIN, cv2.COLOR_GRAY2BGR))
    assert [r["decision"] for r in outfeed("inspect", tmp_path, "-b", bundle).records] == ["REJECT"]


def test_what_cannot_be_inspected_is_one_line_each_and_the_rest_goes_on(
    outfeed: Outfeed, bundle: Path, pictures: Path
) -> None:
    whole = cv2.imencode(".jpg", HOLE)[1].tobytes()
    (pictures / "b-cut.jpg").write_bytes(whole[: len(whole) // 2])
    cv2.imwrite(str(pictures / "c-deep.png"), HOLE.astype(np.uint16) * 256)
    cv2.imwrite(str(pictures / "d-tiny.png"), HOLE[:1, :1])
    (pictures / "z.png").write_text("no picture")
    result = outfeed("inspect", pictures, "-b", bundle)
    assert result.status == 1
    assert [r["file"] for r in result.records] == [
        "clean.png",
        "faint.png",
        "hole.png",
        "sub/stain.png",
    ]
    lines = result.err.splitlines()
    expected = {
        "b-cut.jpg": "is cut short: no end-of-image marker (JPEG)",
        "c-deep.png": "16 bits per channel, expected 8; this one uses 16 bits: set the camera to 8 "
        "bits, or convert all its pictures by one factor: mogrify -depth 8 -path OUT FILES "
        "(ImageMagick)",
        "d-tiny.png": "1×1 px; expected at least 16×16",
        "z.png": "is not a picture that can be decoded",
    }
    assert lines == [f"outfeed: {pictures}/{name}: {why}" for name, why in expected.items()]


def test_each_frame_of_a_video_is_a_record(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    video(tmp_path / "clip.avi", 6)
    masks = tmp_path / "out/masks"
    result = outfeed("inspect", tmp_path, "-b", bundle, "--masks", masks)
    assert (result.status, result.err) == (0, "")
    assert [(r["file"], r["decision"]) for r in result.records] == [
        (f"clip.avi#{number:06d}", "REJECT" if number % 2 else "PASS") for number in range(6)
    ]
    assert sorted(path.name for path in masks.iterdir()) == [
        f"clip.avi#{number:06d}.png" for number in range(6)
    ]


def test_a_video_that_breaks_off_gives_its_whole_frames_and_a_fault(
    outfeed: Outfeed, bundle: Path, tmp_path: Path
) -> None:
    clip = video(tmp_path / "clip.avi", 20)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 6 // 10])
    result = outfeed("inspect", clip, "-b", bundle)
    assert result.status == 1
    count = len(result.records)
    assert 0 < count < 19
    reason = f"breaks off: {count} whole frames, its header states 20"
    assert result.line == f"outfeed: {clip}: {reason}"


def test_an_empty_folder_is_one_line(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    result = outfeed("inspect", tmp_path, "-b", bundle)
    assert (result.status, result.line) == (1, f"outfeed: {tmp_path}: no picture or video below it")


def test_usage(outfeed: Outfeed, bundle: Path, pictures: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("nowhere.png\n")
    for arguments, said in (
        ((tmp_path / "absent",), "absent: no such file or folder"),
        ((), "either PATHs or --list"),
        ((pictures, "--list", listed), "either PATHs or --list"),
        (("--list", listed), "line 1: nowhere.png: no such file"),
        (("--list", tmp_path / "absent.txt"), "absent.txt: cannot be read"),
    ):
        result = outfeed("inspect", *arguments, "-b", bundle)
        assert result.status == 2
        assert said in result.line
    listed.write_text("\n")
    assert "names no file" in outfeed("inspect", "--list", listed, "-b", bundle).line
    assert outfeed("inspect", pictures).status == 2  # no bundle
    assert outfeed("inspect", pictures, "-b", bundle, "--threads", 0).status == 2


def test_a_missing_or_damaged_bundle_inspects_nothing(
    outfeed: Outfeed, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    absent = outfeed("inspect", pictures, "-b", tmp_path / "absent.outfeed")
    assert (absent.status, absent.out) == (1, "")
    assert "absent.outfeed: cannot be read" in absent.line
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    flipped = tmp_path / "flipped.outfeed"
    flipped.write_bytes(data)
    result = outfeed("inspect", pictures, "-b", flipped)
    assert (result.status, result.out) == (1, "")
    assert "its SHA-256 does not match" in result.line


def test_results_that_cannot_be_written_are_one_line(
    outfeed: Outfeed, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    for option in ("--out", "--masks", "--overlays"):
        place = taken / "results.jsonl" if option == "--out" else taken
        result = outfeed("inspect", pictures, "-b", bundle, option, place)
        assert result.status == 1
        assert "cannot be written" in result.line
    assert "is a folder" in outfeed("inspect", pictures, "-b", bundle, "--out", tmp_path).line


def test_an_interrupted_run_keeps_what_was_done_apart(
    outfeed: Outfeed, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    """The third picture's overlay cannot be written: two whole lines stay in the .part."""
    out, overlays = tmp_path / "results.jsonl", tmp_path / "overlays"
    out.write_text("of an earlier run\n")
    (overlays / "hole.png").mkdir(parents=True)
    arguments = (pictures, "-b", bundle, "--out", out, "--overlays", overlays)
    assert outfeed("inspect", *arguments).status == 1
    assert out.read_text() == "of an earlier run\n"
    part = out.with_name("results.jsonl.part")
    assert [json.loads(line)["file"] for line in part.read_text().splitlines()] == [
        "clean.png",
        "faint.png",
    ]
    (overlays / "hole.png").rmdir()
    assert outfeed("inspect", *arguments).status == 0
    assert len(out.read_text().splitlines()) == 4
    assert not part.exists()


def test_lines_to_a_reader_that_leaves(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "inspect", str(pictures), "-b", str(bundle)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert b"Traceback" not in stderr.read()
    assert process.wait(30) == 1


def test_masks_and_labels_of_a_folder_are_left_out_with_a_line(
    outfeed: Outfeed, bundle: Path, tmp_path: Path
) -> None:
    for name in ("kos01/Part0", "kos01/Part1"):
        put(tmp_path / f"{name}.jpg", HOLE)
        put(tmp_path / f"{name}_label.bmp", HOLE)
    put(tmp_path / "kos01/Part2.heic", b"x")
    masks = tmp_path.parent / "out"
    result = outfeed("inspect", tmp_path, "-b", bundle, "--masks", masks)
    assert result.status == 0
    assert [record["file"] for record in result.records] == ["kos01/Part0.jpg", "kos01/Part1.jpg"]
    assert result.err.splitlines()[-2:] == [
        f"outfeed: {tmp_path}: 2 files (kos01/Part0_label.bmp, kos01/Part1_label.bmp) are masks or "
        "labels and not inspected",
        f"outfeed: {tmp_path}/kos01/Part2.heic: is a picture in a form that is not read (.heic); "
        "save as PNG",
    ]


def test_a_folder_as_training_reads_it_is_inspected_without_its_masks(
    outfeed: Outfeed, bundle: Path, tmp_path: Path
) -> None:
    put(tmp_path / "images/line2/a.webp", cv2.cvtColor(HOLE, cv2.COLOR_GRAY2BGR))
    put(tmp_path / "masks/hole/line2/a.png", HOLE)
    result = outfeed("inspect", tmp_path, "-b", bundle)
    assert [record["file"] for record in result.records] == ["images/line2/a.webp"]
    # The folder of masks itself is inspected where it is asked for.
    inside = outfeed("inspect", tmp_path / "masks", "-b", bundle)
    assert [record["file"] for record in inside.records] == ["hole/line2/a.png"]


def test_a_turned_picture_is_judged_as_stored_and_named(
    outfeed: Outfeed, bundle: Path, tmp_path: Path
) -> None:
    put(tmp_path / "a.jpg", turned(".jpg", 6))
    result = outfeed("inspect", tmp_path, "-b", bundle)
    assert (result.status, len(result.records)) == (0, 1)
    assert result.line.startswith(
        f"outfeed: {tmp_path}/a.jpg: EXIF orientation 6, expected 1: programs show it turned by 90°"
    )


def test_a_file_of_several_pictures_is_not_judged_by_its_first(
    outfeed: Outfeed, bundle: Path, tmp_path: Path
) -> None:
    cv2.imwritemulti(str(tmp_path / "a.tif"), [HOLE, HOLE])
    result = outfeed("inspect", tmp_path, "-b", bundle)
    assert (result.status, result.records) == (1, [])
    assert "a.tif: holds 2 pictures, expected 1" in result.line
