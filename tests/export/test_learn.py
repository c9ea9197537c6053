"""make learn: what ships, what is refused, and that nothing is written then."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import Result
from numpy.typing import NDArray
from typer.testing import CliRunner

from edge.bundle import Bundle, parse_bundle, read_bundle, sign_bundle, write_bundle
from edge.bundle.keys import public_of
from edge.inbox import MarkKind
from edge.quarantine import read_index
from export.errors import ExportError
from export.feedback.__main__ import app
from export.feedback.comparison import Ruling, Side, count, fault, golden_fault, open_chain
from export.feedback.inputs import open_marked
from export.feedback.page import find_cases
from export.feedback.record import ChangedRecord, LearnRecord
from export.feedback.retraining import LearnOptions, RetrainingResult, learn
from export.pack import Exported
from export.record import record_of
from models.feedback import Limits
from models.report.exported import read_export, write_export
from models.runs.commands import make
from models.runs.run import Run
from tests.support.keys import KEY
from tests.support.marked import pitted, place, quarantine, ringed
from tests.support.tinyrun import SIDE_PX

RINGS = 8
TRUE = 5
QUICK = LearnOptions(calibration_frames=12, search_parts=8, held_back_share=0.25)
FOR = ("press-3", "press-4")


@pytest.fixture(scope="module")
def old(exported: Exported) -> Bundle:
    return parse_bundle(sign_bundle(exported.data, KEY, FOR))


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [(ringed(number), "false-reject") for number in range(RINGS)]
    return quarantine(tmp_path_factory.mktemp("rings"), parts)


@pytest.fixture(scope="module")
def learned(
    tiny_run: Path, old: Bundle, rings: Path, tmp_path_factory: pytest.TempPathFactory
) -> RetrainingResult:
    """By the threshold alone. Read-only."""
    out = tmp_path_factory.mktemp("learned") / "new"
    options = replace(QUICK, routes=("threshold",))
    return learn(Run(tiny_run), old, rings, out, options, KEY)


def test_another_decision_on_an_old_golden_frame_is_named(old: Bundle) -> None:
    chain = old.manifest.chain.model_copy(update={"threshold": 12.0})
    blind = replace(old, manifest=old.manifest.model_copy(update={"chain": chain}))
    said = golden_fault(old, blind)
    assert said is not None
    assert said.startswith("golden frame golden/00.png of tiny-1-")
    assert said.endswith("is PASS on onnx-int8; it was REJECT")


def test_a_new_bundle_passes_what_was_marked(learned: RetrainingResult, old: Bundle) -> None:
    bundle, record = read_bundle(learned.bundle_path), learned.record
    assert bundle.signer == public_of(KEY)
    assert (bundle.manifest.name, bundle.manifest.version) == ("tiny", "2")
    assert bundle.manifest.compatible == FOR
    assert bundle.manifest.chain.threshold == record.after.threshold > record.before.threshold
    build = bundle.manifest.builds[0]
    for name in build.files:
        assert bundle.files[name] == old.files[name], "the very networks"
    open_chain(bundle)  # certificate and golden frames
    marked = [record.sides[name] for name in ("learned", "held back")]
    assert [(side.good, side.false_rejects_before) for side in marked] == [(6, 6), (2, 2)]
    # A pit that was set into a ring is the fainter for it, so not every ring can be passed.
    assert marked[0].false_rejects_after <= 1
    assert marked[1].false_rejects_after == 0
    assert record.sides["synthetic"].escapes_after == 0
    assert record.sides["validation"].escapes_after == record.sides["validation"].escapes_before
    assert golden_fault(old, bundle) is None


def test_the_folder_is_a_run_with_a_report(learned: RetrainingResult) -> None:
    record = LearnRecord.model_validate_json((learned.folder / "learn.json").read_text())
    assert record == learned.record
    marked = {f"quarantine/{name}.png" for name in (*record.learned, *record.held_back)}
    changed = {each.name for each in record.changed}
    assert changed <= marked
    assert len(changed) >= RINGS - 1
    page = (learned.folder / "learn.html").read_text()
    for words in ("2 of 2 (100%; 95% interval 15.8–100%)", "REJECT before, PASS now", "T"):
        assert words in page
    export = read_export(learned.folder)
    assert export is not None
    assert (export.bundle, export.file) == (learned.bundle.id, "tiny.outfeed")
    assert sorted(path.name for path in learned.folder.parent.iterdir()) == ["new"]
    assert not list(learned.folder.glob("*.ckpt"))


def test_what_was_learned_once_stays_learned(
    learned: RetrainingResult, rings: Path, tmp_path: Path
) -> None:
    run, bundle = Run(learned.folder), learned.bundle
    with pytest.raises(ExportError, match="8 parts, 8 released, none of them new to"):
        learn(run, bundle, rings, tmp_path / "again", QUICK)
    more = quarantine(tmp_path / "more", [(pitted(60), "false-reject")])
    with pytest.raises(ExportError, match="nothing is changed: threshold: "):
        learn(run, bundle, more, tmp_path / "again", replace(QUICK, routes=("threshold",)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["more"]


def test_the_classifier_is_tried_where_no_t_will_do(
    tiny_run: Path, old: Bundle, tmp_path: Path
) -> None:
    """A ring that is as dark as a pit: raising T would let pits by."""
    marked = quarantine(tmp_path, [(ringed(n, 20), "false-reject") for n in range(RINGS)])
    found = learn(Run(tiny_run), old, marked, tmp_path / "out", QUICK)
    assert found.record.route == "classifier"
    assert found.record.tried[0].route == "threshold"
    assert found.record.classifier_changed
    assert found.record.left_out is None
    assert found.bundle.signer is None
    side = found.record.sides["validation"]
    assert side.escapes_after <= side.escapes_before
    assert found.record.sides["learned"].false_rejects_after < 6
    _, classifier = old.manifest.builds[0].files
    assert found.bundle.files[classifier] != old.files[classifier]
    weights = [Run(folder).load_detector().state_dict() for folder in (tiny_run, found.folder)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_the_detector_learns_what_is_new_and_loses_no_true_reject(
    tiny_run: Path, old: Bundle, tmp_path: Path
) -> None:
    parts: list[tuple[NDArray[np.uint8], MarkKind]] = [
        (ringed(n, 20), "false-reject") for n in range(RINGS)
    ]
    parts += [(both(n), "true-reject") for n in range(20, 20 + TRUE)]
    marked = quarantine(tmp_path, parts)
    options = replace(QUICK, routes=("detector",))
    found = learn(Run(tiny_run), old, marked, tmp_path / "out", options)
    record = found.record
    assert (record.route, record.detector_changed, record.classifier_changed) == (
        *("detector", True),
        True,
    )
    sides = record.sides
    assert sides["held back"].false_rejects_after == 0
    assert sum(sides[name].escapes_after for name in ("learned", "held back")) == 0
    assert sides["learned"].bad + sides["held back"].bad == TRUE
    assert sides["synthetic"].bad > 0
    assert "true rejects passed: 0 of" in record.proven
    assert "trained further" in (found.folder / "learn.html").read_text()
    weights = [Run(folder).load_detector().state_dict() for folder in (tiny_run, found.folder)]
    assert any(not torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_nothing_is_changed_that_would_pass_a_true_reject(
    tiny_run: Path, old: Bundle, tmp_path: Path
) -> None:
    """Good parts with a ring, and bad ones on which no more is to be seen."""
    parts: list[tuple[NDArray[np.uint8], MarkKind]] = [
        (ringed(n), "false-reject") for n in range(RINGS)
    ]
    marked = quarantine(tmp_path, [*parts, *((ringed(n), "true-reject") for n in range(RINGS))])
    options = replace(QUICK, routes=("threshold",))
    with pytest.raises(ExportError, match="threshold: no other T is better"):
        learn(Run(tiny_run), old, marked, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_the_page_shows_parts_that_were_made(
    learned: RetrainingResult, old: Bundle, rings: Path
) -> None:
    feedback = open_marked(Run(learned.folder), old, more_rings(rings.parent), 0.4)
    made = feedback.synthetic_held_back[0].sample.name
    assert made not in {picture.sample.name for picture in feedback.synthetic}
    changed = ChangedRecord(name=made, side="synthetic", bad=True, before="REJECT", after="PASS")
    record = learned.record.model_copy(update={"changed": (changed,)})
    (case,) = find_cases(feedback, record, old, learned.bundle)
    assert case.caption == "defective part, synthetic: REJECT before, PASS now"


def more_rings(folder: Path) -> Path:
    return quarantine(folder / "more", [(ringed(n), "false-reject") for n in range(30, 38)])


def both(number: int) -> NDArray[np.uint8]:
    """Return a bad part with the new appearance: a pit, and a ring elsewhere."""
    pixels = pitted(number)
    x, y = place(number)
    cv2.circle(pixels, ((x + SIDE_PX // 2) % SIDE_PX, (y + SIDE_PX // 2) % SIDE_PX), 9, 20, 2)
    return pixels


def test_nothing_is_learned_from_unreleased_parts(
    tiny_run: Path, old: Bundle, tmp_path: Path
) -> None:
    marked = quarantine(tmp_path, [(ringed(1), "false-reject")], released=False)
    assert read_index(marked).entries[0].released is None
    with pytest.raises(ExportError, match="1 parts, 0 released"):
        learn(Run(tiny_run), old, marked, tmp_path / "out", QUICK)


def test_true_rejects_alone_teach_nothing(tiny_run: Path, old: Bundle, tmp_path: Path) -> None:
    marked = quarantine(tmp_path, [(pitted(number), "true-reject") for number in range(3)])
    with pytest.raises(ExportError, match="3 new parts released, all of them true rejects"):
        learn(Run(tiny_run), old, marked, tmp_path / "out", QUICK)


def test_what_is_refused_leaves_nothing(
    tiny_run: Path, old: Bundle, rings: Path, tmp_path: Path
) -> None:
    run = Run(tiny_run)
    (tmp_path / "there").mkdir()
    with pytest.raises(ExportError, match="there: already exists"):
        learn(run, old, rings, tmp_path / "there", QUICK)
    kinds = replace(old, manifest=old.manifest.model_copy(update={"kinds": ()}))
    with pytest.raises(ExportError, match="its kinds of defects differ"):
        learn(run, kinds, rings, tmp_path / "out", QUICK)
    last = old.manifest.model_copy(update={"version": "999999999"})
    with pytest.raises(ExportError, match="cannot be raised by one; give --version"):
        learn(run, replace(old, manifest=last), rings, tmp_path / "out", QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def rulings(text: str) -> list[Ruling]:
    """As "vb10": side (validation, set in, learned, held back), bad or good, rejected before and
    after."""
    sides: dict[str, Side] = {"v": "validation", "s": "synthetic", "l": "learned", "h": "held back"}
    return [
        Ruling(f"{n}.png", sides[word[0]], word[1] == "b", word[2] == "1", word[3] == "1")
        for n, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("text", "limits", "message"),
    [
        ("lg10 hg10 vb11 vg00", Limits(), None),
        ("lg10 vb10 vg00", Limits(), "1 new escapes, 0 allowed: 1.png was rejected"),
        ("lg10 vb10 vg00", Limits(new_escapes=1), None),
        ("lg10 hb10", Limits(), "1 new escapes"),
        ("lg10 lg10 vg01", Limits(), "1 of 1 good validation parts would be rejected, 0 allowed"),
        ("lg10 lg10 vg01", Limits(more_false_rejects=1.0), None),
        ("lg11 vb01", Limits(), "1 marked parts would have a wrong verdict, 1 before"),
        ("lg10 lg10 hg01", Limits(), "1 held-back marked parts would have a wrong verdict"),
        ("lb01 vb00", Limits(), None),
        ("lg10 hg10 hg11 hg11", Limits(), "2 held-back marked parts would have"),
        ("lg10 hg10 hg11 hg11", Limits(fixed=0.3), None),
        ("lg10 sb10 sb11", Limits(), "1 of 2 synthetic bad parts would be passed"),
        ("lg10 sb10 sb11 sb00", Limits(synthetic_escapes=0.5), None),
    ],
)
def test_a_bundle_that_exceeds_a_limit_is_refused(
    text: str, limits: Limits, message: str | None
) -> None:
    reason = fault(rulings(text), limits)
    assert (reason is None) if message is None else (reason is not None and message in reason)


def test_counts_are_of_parts() -> None:
    found = count(rulings("vb10 vb01 vb00 vg01 vg11 vg00"))
    assert (found.bad, found.good) == (3, 3)
    assert (found.escapes_before, found.escapes_after) == (2, 2)
    assert (found.false_rejects_before, found.false_rejects_after) == (1, 2)
    assert (found.before, found.after) == (3, 4)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command(
    tiny_run: Path, old: Bundle, rings: Path, tmp_path: Path, exported: Exported
) -> None:
    # Others may have exported the shared run.
    run = shutil.copytree(
        tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("export.json", "*.outfeed")
    )
    common = ("--run", run, "--quarantine", rings)
    export_command = make("export", RUN=run)
    for arguments, status, message in (
        (common, 1, f"nothing was exported from it; run `{export_command}`, or give --bundle"),
        ((*common, "--route", "magic"), 2, "route magic: expected auto, threshold"),
        ((*common, "--version", "one"), 2, "version one: expected dotted numbers"),
        ((*common, "--bundle", tmp_path / "none"), 1, "none: cannot be read"),
        (("--run", tmp_path, "--quarantine", rings), 1, "nothing was exported"),
    ):
        result = call(*arguments)
        assert (result.exit_code, result.stdout) == (status, ""), result.output
        assert message in result.stderr
    write_export(tmp_path, record_of(exported, "gone.outfeed"))
    result = call("--run", tmp_path, "--quarantine", rings)
    assert (
        f"gone.outfeed: the bundle that was exported from {tmp_path} does not exist"
        in result.stderr
    )
    bundle = tmp_path / "tiny.outfeed"
    write_bundle(bundle, exported.data)
    result = call(
        *(*common, "--bundle", bundle, "--out", tmp_path / "new", "--route", "threshold"),
        *("--held-back", 0, "--version", "7", "--threads", 1),
    )
    assert result.exit_code == 0, result.output
    assert "unsigned: a station refuses it." in result.output
    assert "right verdicts on each at the T chosen from the others" in result.output
    assert read_bundle(tmp_path / "new/tiny.outfeed").manifest.version == "7"
    record = LearnRecord.model_validate_json((tmp_path / "new/learn.json").read_text())
    assert (len(record.learned), record.held_back) == (RINGS, ())
