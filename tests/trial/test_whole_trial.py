"""A bundle from the server to its acceptance, on a real station with all of its processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.__main__ import main
from edge.bundle.accepted import read_accepted
from edge.bundle.manifest import RuleManifest
from edge.events.event import PartEvent
from edge.records import Decision
from tests.support.bundles import KINDS, bundle_bytes
from tests.support.updates import Line, all_events, desired, frames_of

MakeLine = Callable[..., Line]


@pytest.mark.slow
def test_a_good_bundle_is_accepted_after_shadow_and_probation(line: MakeLine) -> None:
    one = line()
    bundle = one.offer(bundle_bytes(version="1.1"))
    with one.updater(), one.station():
        one.publish(desired(bundle))
        accepted = one.wait("accepted")
        assert accepted.running.startswith("dark-spots-1.1-")
    assert one.states() == [
        "wanted",
        *(["downloading"] if "downloading" in one.states() else []),
        "checking",
        "shadow",
        "probation",
        "accepted",
    ]
    shadow = one.wait("probation").figures
    assert shadow is not None
    assert shadow.parts >= 60
    assert shadow.rejects >= 10
    assert shadow.new_rejects == 0
    parts = [each for each in all_events(one.folder) if isinstance(each, PartEvent)]
    names = [each.bundle.rpartition("-")[0] for each in parts]
    switch = names.index("dark-spots-1.1")
    assert set(names[:switch]) == {"dark-spots-1.0"}
    assert set(names[switch:]) == {"dark-spots-1.1"}
    assert read_accepted(one.config.paths.accepted_bundles).highest == {"dark-spots": "1.1"}
    with one.station():
        one_more = len(parts)
        while len([e for e in all_events(one.folder) if isinstance(e, PartEvent)]) < one_more + 5:
            pass
    last = [each for each in all_events(one.folder) if isinstance(each, PartEvent)][-1]
    assert last.bundle.startswith("dark-spots-1.1-")


@pytest.mark.slow
def test_a_bundle_without_one_kind_is_refused_and_rejects_nothing_wrongly(line: MakeLine) -> None:
    """It reproduces its own golden frames, and finds holes, and passes every stain."""
    rule = RuleManifest(min_area_px=5000)
    kinds = (KINDS[0], KINDS[1].model_copy(update={"rule": rule}))
    one = line(frames=frames_of("hole", "clean", "stain", "clean"))
    bundle = one.offer(bundle_bytes(version="1.1", kinds=kinds))
    with one.updater(), one.station():
        one.publish(desired(bundle))
        refused = one.wait("refused")
    assert "every part with 'stain'" in refused.reason
    parts = [each for each in all_events(one.folder) if isinstance(each, PartEvent)]
    assert {each.bundle.rpartition("-")[0] for each in parts} == {"dark-spots-1.0"}
    decided = {each.decision for each in parts if each.defects}
    assert decided <= {Decision.REJECT}


@pytest.mark.slow
def test_a_person_reverts_a_probation_and_the_line_runs_on(line: MakeLine) -> None:
    one = line()
    bundle = one.offer(bundle_bytes(version="1.1"))
    with one.updater(), one.station():
        one.publish(desired(bundle, probation={"parts": 1_000_000}))
        one.wait("probation")
        assert main(["bundle", "revert", "--config", str(one.path)]) == 0
        reverted = one.wait("reverted")
        assert reverted.running.startswith("dark-spots-1.0-")
    parts = [each for each in all_events(one.folder) if isinstance(each, PartEvent)]
    assert parts[-1].bundle.startswith("dark-spots-1.0-")
    assert [each.part_id for each in parts] == list(range(1, len(parts) + 1))


@pytest.mark.slow
def test_a_killed_station_reverts_a_probation(line: MakeLine) -> None:
    one = line()
    bundle = one.offer(bundle_bytes(version="1.1"))
    with one.updater():
        with one.station(ends_with=None) as process:
            one.publish(desired(bundle, probation={"parts": 1_000_000}))
            one.wait("probation")
            process.kill()
            process.wait()
        with one.station():
            reverted = one.wait("reverted")
    assert "killed" in reverted.reason
    assert reverted.running.startswith("dark-spots-1.0-")
