"""Figures, published figures, tables and the plot of the benchmark on published sets."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import cv2
import numpy as np
from pydantic import ValidationError

from bench.public_sets.figures import (
    LIMITS,
    FoldFigures,
    PictureScore,
    accuracy_figures,
    read_scores,
)
from bench.public_sets.plot import SHARES, escape_plot, escape_shares, marked_plot
from bench.public_sets.protocols import PROTOCOLS
from bench.public_sets.published import PublishedFigure, published
from bench.public_sets.tables import NAMES, tables
from models.evaluation.metrics import PictureOutcome
from models.evaluation.pixel_ranking import PixelRanking

RANKING = PixelRanking(auroc=0.9, aupro=0.8, ap=0.7, best_f1=0.6, regions=3)
NOTHING = PixelRanking(float("nan"), float("nan"), float("nan"), float("nan"), 0)


def part(score: float, *, bad: bool = False, rejected: bool = False) -> PictureOutcome:
    px = 9 if bad else 0
    return PictureOutcome("x", (), rejected, score, 0, 0, px, 0, 0, (), (), ())


def figures(**changes: object) -> FoldFigures:
    outcomes = [
        *(part(n / 10, rejected=n > 18) for n in range(20)),
        part(1.85, bad=True),
        part(9.0, bad=True, rejected=True),
    ]
    measured = {
        "set": "kolektorsdd",
        "category": "fold-0",
        "recipe": "lean",
        "supervision": "masks",
        "seed": 0,
        "remark": "12 of 50 parts",
        "ms": 2.5,
        "train_s": 61.2,
        "bundle_bytes": 1_234_567,
        "bundle_sha256": "0",
        **accuracy_figures(outcomes, RANKING),
    }
    return FoldFigures.model_validate(measured | changes)


def test_figures_of_parts_by_hand() -> None:
    one = figures()
    assert (one.good, one.defective) == (20, 2)
    assert one.picture_auroc == pytest.approx((19 + 20) / 40)
    assert one.picture_ap == pytest.approx((1 + 2 / 3) / 2)
    # The best good part scores 1.9, so 1.85 escapes unless one of twenty may be rejected.
    assert LIMITS == (0.0, 0.005, 0.05)
    assert one.escapes == (1, 1, 0)
    assert (one.escapes_at_t, one.false_rejects_at_t) == (1, 1)
    assert one.accuracy == pytest.approx(20 / 22)
    assert (one.pixel_auroc, one.aupro, one.pixel_ap, one.pixel_best_f1) == (0.9, 0.8, 0.7, 0.6)


def test_figures_without_good_parts_or_masks_are_unknown() -> None:
    only = accuracy_figures([part(3, bad=True), part(4, bad=True, rejected=True)], NOTHING)
    unknown = ("picture_auroc", "picture_ap", "accuracy", "aupro", "pixel_f1", "false_rejects_at_t")
    assert [only[name] for name in unknown] == [None] * len(unknown)
    assert only["escapes"] == (None, None, None)
    assert only["escapes_at_t"] == 1


def test_tables_have_means_over_categories_and_spreads_over_seeds() -> None:
    cells = [
        figures(category=f"fold-{fold}", seed=seed, aupro=0.5 + 0.1 * fold + 0.2 * seed)
        for fold in range(2)
        for seed in range(2)
    ]
    text = tables(PROTOCOLS["kolektorsdd"], cells, (), [("fold-2-lean", "the reason")])
    lines = text.splitlines()
    assert "This copy: 12 of 50 parts." in lines
    folds = [line.split("|")[8].strip() for line in lines if line.startswith("| fold-")]
    assert folds[:2] == ["0.600 ± 0.141", "0.700 ± 0.141"]
    (mean,) = [line for line in lines if line.startswith("| mean")]
    assert mean.split("|")[8].strip() == "0.650 ± 0.141"
    assert (
        "| fold-0 | lean | masks | 2 | 2 of 4 | 2 of 4 | 0 of 4 | 2 of 4 | 2 of 40 | 2.50 " in text
    )
    assert "| 61 | 1235 |" in text
    assert lines[-1] == "- fold-2-lean: the reason"
    assert "Published" not in text


def test_one_seed_has_no_spread_and_unknown_figures_are_dashes() -> None:
    text = tables(PROTOCOLS["deepcrack"], [figures(category="", picture_auroc=None)], ())
    assert "| – | lean | masks | 1 | – | 0.833 | 0.900 | 0.800 |" in text
    assert "±" not in text.split("Defective parts")[0].split("standard deviation.")[1]
    unknown = tables(PROTOCOLS["deepcrack"], [figures(escapes=(None, None, None))], ())
    assert "| unknown | unknown | unknown | 1 of 2 |" in unknown


def test_published_figures_stand_below_with_their_source() -> None:
    rows = [each for each in published() if each.set == "kolektorsdd"]
    text = tables(PROTOCOLS["kolektorsdd"], [figures()], rows)
    assert "| mean | mixed SegDecNet | masks | AP | 1.000 | Božič, Tabernik, Skočaj, " in text
    spread = [each for each in published() if each.spread and each.set == "kolektorsdd2"]
    assert "0.974 ± 0.0025" in tables(PROTOCOLS["kolektorsdd2"], [figures()], spread)


def test_every_published_figure_belongs_to_a_set_and_a_figure() -> None:
    for each in published():
        assert each.set in PROTOCOLS
        assert each.figure in NAMES
        assert each.supervision in PROTOCOLS[each.set].supervisions
    leaking = [each for each in published() if PROTOCOLS[each.set].leaks]
    assert leaking
    assert all("leaks" in each.note for each in leaking)


def test_a_published_figure_needs_a_source(tmp_path: Path) -> None:
    path = tmp_path / "published.toml"
    path.write_text('[[figure]]\nset = "elpv"\nmethod = "x"\nsupervision = "good"\nvalue = 0.5\n')
    with pytest.raises(ValidationError, match="source"):
        published(path)
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        PublishedFigure(
            set="elpv",
            method="x",
            supervision="good",
            figure="accuracy",
            value=88.4,
            source="authors, title, journal",
        )


def scores(bad: list[float]) -> list[PictureScore]:
    good = [PictureScore(file="g", defective=False, rejected=False, score=n) for n in range(10)]
    return [*good, *(PictureScore(file="b", defective=True, rejected=True, score=s) for s in bad)]


def test_the_plot_has_the_share_of_escapes_at_each_share_of_false_rejects(tmp_path: Path) -> None:
    shares = dict(zip(SHARES, escape_shares(scores([8.5, 12.0])), strict=True))
    assert (shares[0.0], shares[0.095], shares[0.1]) == (0.5, 0.5, 0.0)
    plot = escape_plot("KolektorSDD", {"lean, masks": [scores([8.5, 12.0]), scores([1.0])]})
    assert plot.startswith("<svg")
    assert "lean, masks" in plot
    assert escape_plot("DeepCrack", {"lean, masks": [scores([1.0])[10:]]}) == ""
    path = tmp_path / "scores.jsonl"
    path.write_text("".join(f"{each.model_dump_json()}\n" for each in scores([8.5])))
    assert list(read_scores(path)) == scores([8.5])


def test_aupro_is_integrated_over_sound_pixels_of_good_pictures_too() -> None:
    from models.evaluation.pixel_ranking import pixel_ranking

    annotated = np.zeros((10, 10), np.bool_)
    annotated[2:4, 2:4] = True
    severity = np.asarray(cv2.blur(annotated.astype(np.float32) * 12, (3, 3)), np.float32)
    alone = pixel_ranking([(severity, annotated)])
    noisy = np.full((10, 10), 11.5, np.float32)
    with_good = pixel_ranking([(severity, annotated), (noisy, np.zeros((10, 10), np.bool_))])
    assert with_good.aupro < alone.aupro


def test_the_plot_of_marked_pictures_has_a_line_for_two_numbers_or_more() -> None:
    some = [figures(marked=n, picture_auroc=0.6 + n / 100) for n in (0, 5, 5, 20)]
    plot = marked_plot("KolektorSDD", some)
    assert plot.startswith("<svg")
    assert "lean, masks" in plot
    assert "AUROC by defective pictures in training" in plot
    assert marked_plot("KolektorSDD", some[1:3]) == "", "one number is no line"
    assert marked_plot("KolektorSDD", [figures(), figures(seed=1)]) == ""


def test_tables_state_the_number_of_marked_pictures() -> None:
    some = [figures(category="", marked=n) for n in (None, 0, 5)]
    assert [each.learns_from for each in some] == ["masks", "good", "masks of 5"]
    text = tables(PROTOCOLS["deepcrack"], some, ())
    assert "| – | lean | masks of 5 | 1 |" in text
