"""A bundle from the server to its acceptance, on a real station with all of its processes."""

from __future__ import annotations

from collections.abc import Callable

from edge.bundle.accepted import read_accepted
from edge.events.event import PartEvent
from tests.support.bundles import bundle_bytes
from tests.support.updates import Line, all_events, desired

MakeLine = Callable[..., Line]


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
