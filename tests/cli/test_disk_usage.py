"""outfeed disk-usage: one table, and one line for what it cannot know."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config.station import load_config
from tests.cli.conftest import Outfeed

V4L2 = '[camera]\nkind = "v4l2"\ndevice = "/dev/video0"\nwidth = 1000\nheight = 800\n'
GPIO = '[trigger]\nkind = "gpio"\nchip = "c"\nline = 4\n'


def with_camera(path: Path, lines: str) -> Path:
    head, _, rest = path.read_text().partition("[camera]")
    path.write_text(f"{head}{lines}{rest[rest.index('[trigger]') :]}")
    return path


def test_the_table_and_the_json_agree(outfeed: Outfeed, configure: Callable[..., Path]) -> None:
    path = with_camera(configure(), V4L2)
    arguments = ("disk-usage", "--config", path, "--rate-hz", 10, "--rejected", 0.02, "--tbw", 60)
    table, prediction = outfeed(*arguments), json.loads(outfeed(*arguments, "--json").out)
    assert table.status == 0
    assert prediction["parts"] == 864_000
    assert prediction["ring_frames"] == 64 * 1024 * 1024 // (1000 * 800 * 3)
    assert prediction["years"] == pytest.approx(60e12 / prediction["total_bytes"] / 365.25)
    for words in (
        "864,000 per day (10 per second, 24 h)",
        f"{prediction['journal_bytes'] / 1e9:.2f} GB",
        f"{prediction['pictures']:,.0f} pictures",
        f"{prediction['total_bytes'] / 1e9:.2f} GB per day",
        f"60 TB endurance: {prediction['years']:.1f} years",
    ):
        assert words in " ".join(table.out.replace("│", " ").split()), words


def test_each_option_has_an_effect(outfeed: Outfeed, configure: Callable[..., Path]) -> None:
    path = with_camera(configure(), V4L2)

    def predict(*arguments: object) -> dict[str, float]:
        return json.loads(outfeed("disk-usage", "--config", path, "--json", *arguments).out)

    before = predict()
    assert before["parts"] == 100 * 86_400  # of the simulated belt
    assert predict("--rate-hz", 50)["parts"] == before["parts"] / 2
    assert predict("--hours", 6)["parts"] == before["parts"] / 4
    assert predict("--rejected", 0.1)["pictures_wanted"] == pytest.approx(
        10 * before["pictures_wanted"]
    )
    assert predict("--unknown", 0.01)["pictures_wanted"] == pytest.approx(
        2 * before["pictures_wanted"]
    )
    assert predict("--picture-kb", 50)["pictures"] > 5 * before["pictures"]
    assert "years" not in before
    bundles = predict("--bundle-updates", 2, "--bundle-mb", 20)["bundle_update_bytes"]
    assert bundles > predict("--bundle-updates", 2)["bundle_update_bytes"] > 0  # a small bundle
    systems = predict("--system-updates", 1)["system_update_bytes"]
    assert systems == pytest.approx(2 * 350e6 * 12 / 365.25)
    assert predict("--system-updates", 1, "--system-mb", 100)["system_update_bytes"] < systems / 3
    refused = outfeed("disk-usage", "--config", path, "--bundle-updates", -1)
    assert (refused.status, refused.line) == (2, "outfeed: --bundle-updates -1: expected 0 to 1000")


def test_the_size_of_a_picture_comes_from_the_picture_store(
    outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    path = configure("[pictures]\nmin_free_mb = 0\n")
    unknown = outfeed("disk-usage", "--config", path)
    assert (unknown.status, "--picture-kb is needed" in unknown.line) == (2, True)
    assert outfeed("--quiet", "run", "--config", path).status == 0
    prediction = json.loads(outfeed("disk-usage", "--config", path, "--json").out)
    sizes = [each.stat().st_size for each in (path.parent / "state/pictures").iterdir()]
    config = load_config(path)
    assert prediction["album_days"] == pytest.approx(
        config.pictures.max_bytes / prediction["pictures"] / (sum(sizes) / len(sizes))
    )


def test_a_picture_that_was_removed_meanwhile_is_not_counted(
    outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    path = configure()
    album = load_config(path).paths.pictures
    album.mkdir(parents=True)
    (album / "0000000001-0123abcd-7-reject.png").symlink_to(album / "gone")
    (album / "0000000002-0123abcd-8-reject.png").write_bytes(bytes(120_000))
    done = outfeed("disk-usage", "--config", path, "--rate-hz", 1, "--rejected", 0.5, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["pictures"] > 0


def test_values_out_of_range(outfeed: Outfeed, configure: Callable[..., Path]) -> None:
    path = with_camera(configure(), V4L2)
    for arguments, message in (
        (("--rate-hz", 0), "--rate-hz 0: expected above 0, at most 1000"),
        (("--hours", 25), "--hours 25: expected above 0, at most 24"),
        (("--rejected", 0.7, "--unknown", 0.7), "are shares; their sum is at most 1"),
        (("--picture-kb", 0), "--picture-kb 0: expected above 0"),
        (("--tbw", -1), "--tbw -1: expected above 0"),
    ):
        result = outfeed("disk-usage", "--config", path, *arguments)
        assert (result.status, message in result.line) == (2, True), result.err
    text = path.read_text()
    path.write_text(
        text.replace("[trigger]\nrate_hz = 100.0\n", GPIO).replace(
            "[uplink]", '[output]\nkind = "gpio"\nchip = "c"\nline = 5\n[uplink]'
        )
    )
    result = outfeed("disk-usage", "--config", path)
    assert (result.status, "--rate-hz is needed" in result.line) == (2, True), result.err
