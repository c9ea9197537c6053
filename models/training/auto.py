"""The choice of settings from the data, for `make train` without a recipe.

The recipe `lean` is the base. Settings that depend on the data are changed, and each change names
the fact behind it. The same data gives the same recipe, so that a killed run can continue.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.data.dataset import DataSet, Sample
from models.data.facts import DatasetFacts, KindFacts, carriers, measure, parts_of
from models.data.split import Split, split
from models.training.patches import Picture
from models.training.recipe import Recipe, SplitRecipe, load_recipe

BASE, NAME = "lean", "auto"

# Times on two cores: lean takes 0.2 s for a step of 16 patches of 256×256 px, the classifier 0.1 s
# for a step of 64 blocks. Of 20 minutes the detector gets 15, the classifier 3; the evaluation
# takes the rest.
PATCH_S, BLOCK_S = 0.2 / 16, 0.1 / 64
DETECTOR_S, CLASSIFIER_S = 900.0, 180.0
USUAL_PX = 256
BASE_PICTURES = 450  # the steps of the base are for so many; a quarter of them takes half the steps
LEAST_STEPS, LEAST_CLASSIFIER_STEPS = 800, 400

PATCHES_PX = tuple(range(128, 385, 64))
AROUND = 1.5  # side of a patch per length of a defect, so that it shows sound surface too
SIZES_APART = 2.0  # ratio of the 90th to the 10th percentile of short sides, above which they vary
FEW_PARTS = ((20, 0.4), (100, 0.2))  # copy_paste_share for fewer parts of a kind than this
MANY_PARTS_SHARE = 0.1
DEFECT_SHARES = (0.3, 0.6)  # defect_share if all pictures are defective, and if hardly any is
FEW_DEFECTIVE = 8  # with fewer defective pictures no classifier is trained
TWICE_SHOWN = 5  # from so many parts of a kind on, two are held back, with a larger share if needed
LARGER_SHARES = (0.3, 0.35)

FAINT = 5.0  # grey levels between a defect and its surroundings that an eye can distinguish
NOISE_PX = 8.0  # width of a defect up to which noise is expected to average out

# Photographs of one part: a short last field (part12_1, part12_b), or a named field (exp3).
_LAST = r"[_-](?:\d{1,2}|[a-z])"
_VIEW = r"(?:exp(?:osure)?|view|cam(?:era)?|shot|side|pose|frame)[_-]?\d{1,2}"
BY_LAST = rf"([^/]+?)(?:{_LAST})?\.[^./]+$"
_SERIES = re.compile(rf"([^/]*\d[^/]*?){_LAST}\.[^./]+$", re.IGNORECASE)
_VIEWS = re.compile(rf"(?:^|[/_-])({_VIEW})(?=[._-])", re.IGNORECASE)
MOST_VIEWS = 20  # photographs of one part, for names that look like a series


@dataclass(frozen=True, slots=True)
class RecipeReason:
    """The reason for the value of a recipe key, in one line.

    A key without a dot is a remark, and its value is None: 'kind' for measurements of a kind,
    'warning' for faults of the data.
    """

    key: str
    value: bool | int | float | str | None
    fact: str

    @property
    def is_setting(self) -> bool:
        return "." in self.key

    def __str__(self) -> str:
        if not self.is_setting:
            return f"{self.key}: {self.fact}"
        value = f"{self.value:g}" if isinstance(self.value, float) else json.dumps(self.value)
        return f"{self.key} = {value}: {self.fact}"


@dataclass(frozen=True, slots=True)
class RecipeChoice:
    """A recipe for one data set, and the reasons for its settings."""

    recipe: Recipe
    reasons: tuple[RecipeReason, ...]


def choose_split(dataset: DataSet) -> SplitRecipe:
    """Return the division of the data, from counts only: no picture is read."""
    base = load_recipe(BASE).split
    return base.model_copy(update={"validation_share": _validation_share(dataset, base)[0]})


def choose_recipe(dataset: DataSet, divided: Split, pictures: tuple[Picture, ...]) -> RecipeChoice:
    """Return the recipe for the data, and the reasons. pictures: those of divided.train, loaded.

    Raises ValueError when there is no picture.
    """
    base = load_recipe(BASE)
    facts = measure(dataset, divided, pictures)
    settings = _settings(dataset, facts, base)
    values = base.model_dump() | {"name": NAME}
    for setting in settings:
        section, _, key = setting.key.partition(".")
        values[section][key] = setting.value
    measured = [RecipeReason("kind", None, _measurements(kind)) for kind in facts.kinds]
    warnings = [
        RecipeReason("warning", None, fact) for fact in _warnings(dataset, divided, facts, base)
    ]
    return RecipeChoice(Recipe.model_validate(values), (*measured, *settings, *warnings))


def describe(choice: RecipeChoice) -> list[str]:
    """Return the lines that training logs."""
    count = sum(reason.is_setting for reason in choice.reasons)
    first = f"recipe {choice.recipe.name}: {BASE} with {count} settings chosen from the data"
    return [first, *(str(reason) for reason in choice.reasons)]


def _settings(dataset: DataSet, facts: DatasetFacts, base: Recipe) -> list[RecipeReason]:
    share, why = _validation_share(dataset, base.split)
    patch = _patch(facts)
    assert isinstance(patch.value, int)
    defective = facts.defective / facts.training
    low, high = DEFECT_SHARES
    parts = [(kind.parts, kind.name) for kind in facts.kinds if kind.parts]
    fewest, rarest = min(parts, default=(0, "any kind"))
    moved = next((share for most, share in FEW_PARTS if fewest < most), MANY_PARTS_SHARE)
    enabled = facts.defective >= FEW_DEFECTIVE
    reasons = [
        RecipeReason("split.validation_share", share, why),
        RecipeReason("detector.network", "lean", "a step takes 0.2 s on two cores"),
        patch,
        *_shift(patch.value, base),
        *_noise(facts, base),
        RecipeReason(
            "detector.defect_share",
            round((high - (high - low) * defective) * 20) / 20,
            f"{facts.defective} of {facts.training} training pictures are defective "
            f"({defective:.0%})",
        ),
        RecipeReason(
            "detector.copy_paste_share",
            moved,
            f"{rarest} is on {_count(fewest, 'training part')}, no kind on fewer",
        ),
        _detector_steps(facts, base, patch.value),
        RecipeReason(
            "classifier.enabled",
            enabled,
            f"{_count(facts.defective, 'training picture')} show a defect, it takes "
            f"{FEW_DEFECTIVE}",
        ),
    ]
    return [*reasons, _classifier_steps(facts, base)] if enabled else reasons


def _validation_share(dataset: DataSet, base: SplitRecipe) -> tuple[float, str]:
    """Return the share to hold back and the reason: larger if that holds back two parts of a kind.

    Of 2 to 4 parts of a kind one is held back with any share: two would leave too few to learn
    from.
    """
    usable = tuple(sample for sample in dataset.samples if not sample.unmasked)
    parts = {kind: parts_of(carriers(usable, kind)) for kind in dataset.kinds}
    masked = replace(dataset, samples=usable)
    usual = base.validation_share

    def single(share: float) -> list[str]:
        side = split(masked, share, base.seed).validation
        return [k for k, n in parts.items() if n >= TWICE_SHOWN and parts_of(carriers(side, k)) < 2]

    alone = single(usual)
    if alone:
        share = min((usual, *LARGER_SHARES), key=lambda some: (len(single(some)), some))
        fact = f"{alone[0]} is on {parts[alone[0]]} parts, and {usual:g} holds back one of them"
        return share, fact
    fewest, rarest = min(((n, kind) for kind, n in parts.items() if n), default=(0, "no kind"))
    fact = f"{rarest} is on {_count(fewest, 'part')}, no kind on fewer"
    if 1 < fewest < TWICE_SHOWN:
        fact += "; one is held back, two would leave too few to learn from"
    return usual, fact


def _patch(facts: DatasetFacts) -> RecipeReason:
    """Return a patch of about a picture: at most 256 px, or more if long defects need it."""
    size = f"the usual picture is {facts.width_px}x{facts.height_px} px"
    if facts.short_high_px > SIZES_APART * facts.short_low_px:
        apart = f"{facts.short_low_px:.0f} to {facts.short_high_px:.0f} px"
        return RecipeReason("detector.patch_px", USUAL_PX, f"the short sides vary, {apart}")
    chosen = max((px for px in PATCHES_PX if px - 32 <= facts.short_px), default=PATCHES_PX[0])
    chosen = min(chosen, USUAL_PX)
    needed, name = max(((AROUND * k.long_px, k.name) for k in facts.kinds), default=(0.0, ""))
    larger = [px for px in PATCHES_PX if chosen < px <= facts.short_px]
    if needed <= chosen or not larger:
        return RecipeReason("detector.patch_px", chosen, size)
    chosen = next((px for px in larger if px >= needed), larger[-1])
    fact = f"{size}, and 9 of 10 of {name} are up to {needed / AROUND:.0f} px long"
    return RecipeReason("detector.patch_px", chosen, fact)


def _shift(patch_px: int, base: Recipe) -> list[RecipeReason]:
    """Limit the shift to three eighths of the patch, so that its defect stays inside."""
    most = patch_px * 3 // 8
    if base.augment.shift_px <= most:
        return []
    return [
        RecipeReason("augment.shift_px", most, f"a patch of {patch_px} px keeps its defect inside")
    ]


def _noise(facts: DatasetFacts, base: Recipe) -> list[RecipeReason]:
    """Return less noise if it would hide the faintest kind, averaged over its defects' width."""
    faint = [
        (k.contrast * min(k.width_px, NOISE_PX) / 4, k) for k in facts.kinds if k.contrast > 0.0
    ]
    most, kind = min(faint, key=lambda pair: pair[0], default=(np.inf, None))
    if kind is None or base.augment.noise_sigma <= most:
        return []
    fact = f"{kind.name} is {kind.contrast:.1f} grey levels off and {kind.width_px:.1f} px wide"
    return [RecipeReason("augment.noise_sigma", round(most, 1), fact)]


def _detector_steps(facts: DatasetFacts, base: Recipe, patch_px: int) -> RecipeReason:
    """Return steps in proportion to the root of the number of pictures, within the time limit."""
    options = base.detector
    step_s = PATCH_S * options.batch * (patch_px / USUAL_PX) ** 2
    # Checking a picture takes about as long as training on a patch of its size.
    check_s = PATCH_S * facts.validation * facts.height_px * facts.width_px / USUAL_PX**2
    most = int((DETECTOR_S - options.checks * check_s) / step_s)
    return _steps("detector.steps", options.steps, facts, most, LEAST_STEPS, step_s)


def _classifier_steps(facts: DatasetFacts, base: Recipe) -> RecipeReason:
    options = base.classifier
    step_s = BLOCK_S * options.batch
    most = int(CLASSIFIER_S / step_s)
    key = "classifier.steps"
    return _steps(key, options.steps, facts, most, LEAST_CLASSIFIER_STEPS, step_s)


def _steps(
    key: str, usual: int, facts: DatasetFacts, most: int, least: int, step_s: float
) -> RecipeReason:
    wanted = usual * (facts.training / BASE_PICTURES) ** 0.5
    steps = max(int(min(wanted, most)) // 100 * 100, least)
    count = _count(facts.training, "training picture")
    limit = ", as many as the time allows" if wanted > most else ""
    return RecipeReason(
        key, steps, f"{count}{limit}; {max(steps * step_s / 60, 1):.0f} min on two cores"
    )


def _measurements(kind: KindFacts) -> str:
    """Return the measurements of a kind in one line."""
    text = f"{kind.name}: {_count(kind.pictures, 'training picture')} of "
    text += f"{_count(kind.parts, 'part')}, {_count(kind.defects, 'defect')}"
    if not kind.defects:
        return text
    return (
        f"{text} of {kind.area_px:.0f} px, {kind.width_px:.1f} px wide and {kind.contrast:.0f} "
        f"grey levels off (medians), 9 of 10 up to {kind.long_px:.0f} px long"
    )


def _warnings(dataset: DataSet, divided: Split, facts: DatasetFacts, base: Recipe) -> Iterator[str]:
    usable = (*divided.train, *divided.validation)
    for kind in dataset.kinds:
        parts = parts_of(carriers(usable, kind))
        if parts < 2:
            count = _count(parts, "physical part")
            yield f"{kind} is on {count} with masks: it cannot be validated"
    if not any(sample.is_good for sample in usable):
        yield f"0 of {len(usable)} pictures are good: false rejects cannot be measured"
    for facts_of in facts.kinds:
        if facts_of.defects and facts_of.width_px < base.detector.resolution:
            yield (
                f"{facts_of.name} is {facts_of.width_px:.1f} px wide, less than a cell of "
                f"{base.detector.resolution} px: photograph it larger"
            )
        if facts_of.defects and facts_of.contrast < FAINT:
            yield (
                f"{facts_of.name} is {facts_of.contrast:.1f} grey levels off its surroundings: "
                "try other light"
            )
    yield from series(dataset.samples)


def series(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield a warning if names look like several pictures of one part, and no groups are given."""
    if any(sample.group != sample.name for sample in samples):
        return
    stems = [match[1] for sample in samples if (match := _SERIES.search(sample.name))]
    shared = {stem: n for stem, n in Counter(stems).items() if n > 1}
    if 2 * sum(shared.values()) >= len(samples) and max(shared.values()) <= MOST_VIEWS:
        yield (
            f"{sum(shared.values())} of {len(samples)} names look like several pictures of one "
            f"part ({min(shared)}) and count as parts of their own: give --groups '{BY_LAST}' "
            "(recipe key split.groups) or a groups.csv"
        )
        return
    views = [match[1].lower() for sample in samples if (match := _VIEWS.search(sample.name))]
    if 2 * len(views) >= len(samples) and 2 <= len(set(views)) <= MOST_VIEWS:
        yield (
            f"{len(views)} of {len(samples)} names give one of {len(set(views))} photographs "
            f"({min(views)}) and count as parts of their own: name the parts in a groups.csv, or "
            "give --groups PATTERN (recipe key split.groups)"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
