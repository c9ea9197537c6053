"""Stripes by choice: which frames take them, and which bundles are refused."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from edge.assembly.chain import engine_choice
from edge.bundle import Bundle, TrainedOn, read_bundle
from edge.chain.load import build_inspector
from edge.chain.stripes.network import stripe_network, stripes_refused
from edge.chain.stripes.reach import NotLocalError
from edge.config.engine import STRIPES_FROM_PX
from edge.engines.registry import EngineChoice
from edge.engines.workers import Workers
from edge.errors import UsageError
from edge.pictures import provenance_of
from edge.records import Frame
from tests.chain.stripes.frames import surface

NANO = read_bundle(Path(__file__).resolve().parents[3] / "models" / "zoo" / "textures-nano.outfeed")


def with_detector(**changes: object) -> Bundle:
    detector = NANO.manifest.detector.model_copy(update=changes)
    return replace(NANO, manifest=NANO.manifest.model_copy(update={"detector": detector}))


def test_frames_from_the_configured_size_are_run_in_stripes() -> None:
    """A frame of 3.1 megapixels is in tiles without stripes, which give another map."""
    frame = Frame.from_array(surface(2048, 1536))

    def seen(choice: EngineChoice) -> bytes:
        inspector = build_inspector(NANO, now_ns=time.monotonic_ns, engine=choice)
        return inspector.examine(frame).severity.values.tobytes()

    pixels = 2048 * 1536
    in_tiles, in_stripes = seen(EngineChoice(stripes_from_px=None)), seen(EngineChoice())
    assert in_tiles != in_stripes
    assert seen(EngineChoice(stripes_from_px=pixels + 1)) == in_tiles
    assert seen(EngineChoice(stripes_from_px=pixels)) == in_stripes


def test_a_smaller_frame_is_one_run_of_the_whole_surface() -> None:
    """No cell sees an edge of a tile: the map is that of stripes, which is that of one run."""
    frame = Frame.from_array(surface(1900, 1500))
    maps = []
    for least in (None, 1 << 20):
        choice = EngineChoice(stripes_from_px=least)
        inspector = build_inspector(NANO, now_ns=time.monotonic_ns, engine=choice)
        maps.append(inspector.examine(frame).severity.values.tobytes())
    assert maps[0] == maps[1]


def test_a_large_frame_of_a_bundle_that_needs_the_whole_picture_is_in_tiles() -> None:
    bundle = with_detector(multiple_px=16)
    frame = Frame.from_array(surface(2048, 1536))
    maps = []
    for least in (None, STRIPES_FROM_PX):
        choice = EngineChoice(stripes_from_px=least)
        inspector = build_inspector(bundle, now_ns=time.monotonic_ns, engine=choice)
        maps.append(inspector.examine(frame).severity.values.tobytes())
    assert maps[0] == maps[1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"part_score": True}, "its decision head pools the whole picture"),
        ({"kind": "template"}, "template compares the whole picture, and is no network"),
        ({"multiple_px": 16}, "multiple_px 16 is no multiple of its strides"),
    ],
)
def test_a_bundle_that_needs_the_whole_picture(changes: dict[str, object], reason: str) -> None:
    bundle = with_detector(**changes)
    wanted = f"{bundle.id} cannot run on stripes: {reason}"
    assert stripes_refused(bundle, EngineChoice()) is None, "no frame is that large"
    large = TrainedOn(sizes=((64, 64),), least=(64, 64), greatest=(2048, 1536), channels=(1,))
    for_large = bundle.manifest.model_copy(update={"trained_on": large})
    bundle = replace(bundle, manifest=for_large)
    assert stripes_refused(bundle, EngineChoice()) == wanted
    assert stripes_refused(bundle, EngineChoice(stripes_from_px=None)) is None
    assert stripes_refused(bundle, EngineChoice(stripes_from_px=2048 * 1536 + 1)) is None
    choice = EngineChoice(stripes_required=True)
    with pytest.raises(NotLocalError) as caught:
        stripe_network(bundle, choice)
    assert str(caught.value) == wanted
    if "part_score" not in changes:  # the network of this bundle has no such output
        with pytest.raises(NotLocalError, match="cannot run on stripes"):
            build_inspector(bundle, now_ns=time.monotonic_ns, engine=choice)


def test_the_option_of_the_commands() -> None:
    found = {name: engine_choice(None, None, 1, name) for name in ("auto", "require", "off")}
    assert [each.stripes_from_px for each in found.values()] == [STRIPES_FROM_PX] * 2 + [None]
    assert [each.stripes_required for each in found.values()] == [False, True, False]
    with pytest.raises(UsageError, match="--stripes some: expected auto, require, off"):
        engine_choice(None, None, 1, "some")


def test_the_provenance_of_a_picture_without_stripes_is_as_before() -> None:
    """The digest has no key that records of earlier versions lack."""
    tiles, stripes = (
        provenance_of(NANO, EngineChoice(stripes_from_px=least)) for least in (None, 5_000_000)
    )
    assert tiles.digest != stripes.digest
    old = {key: value for key, value in asdict(tiles).items() if key != "stripes_from_px"}
    assert type(tiles)(**old).digest == tiles.digest
    assert stripes.differences(tiles) == ("stripes from px 5000000, was None",)


@pytest.mark.parametrize("threads", [1, 3])
def test_workers_do_every_item_once_and_raise_what_fails(threads: int) -> None:
    workers, done = Workers(threads), list[int]()
    workers.share(20, lambda _, item: done.append(item))
    assert sorted(done) == list(range(20))

    def fail(_: int, item: int) -> None:
        if item == 2:
            raise ValueError("item 2")

    with pytest.raises(ValueError, match="item 2"):
        workers.share(20, fail)
    workers.share(3, lambda _, item: done.append(item))
    assert len(done) == 23
