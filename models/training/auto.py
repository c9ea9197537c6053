"""Settings chosen from the data: what `make train` does where no recipe is named.

The lean recipe is the base; what the data has a say in is changed, and each change gives the fact
that it rests on. The same data gives the same recipe, so that a killed run can go on.
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

# The lean detector on two cores: 0.2 s for a step of 16 patches of 256×256; its training shares 20
# minutes with the classifier (a step of 64 blocks is 0.1 s: 3 minutes) and the evaluation.
PATCH_S, BLOCK_S = 0.2 / 16, 0.1 / 64
DETECTOR_S, CLASSIFIER_S = 900.0, 180.0
USUAL_PX = 256
BASE_PICTURES = 450  # the base's steps are for so many; half the steps for a quarter of them
LEAST_STEPS, LEAST_CLASSIFIER_STEPS = 800, 400

PATCHES_PX = tuple(range(128, 385, 64))
AROUND = 1.5  # a patch shows so many times a defect's length, to show sound surface too
SIZES_APART = 2.0  # short sides of which the 90th percentile is further above the 10th vary
FEW_PARTS = ((20, 0.4), (100, 0.2))  # below so many parts of a kind: transplant_share
MANY_PARTS_SHARE = 0.1
DEFECT_SHARES = (0.3, 0.6)  # where all pictures are defective, where next to none are
FEW_DEFECTIVE = 8  # pictures: below, no classifier is trained
TWICE_SHOWN = 5  # parts of a kind: from here on two are held back, where a larger share does it
LARGER_SHARES = (0.3, 0.35)

FAINT = 5.0  # grey levels between a defect and its surroundings that the eye can tell
NOISE_PX = 8.0  # noise is taken to average out over a defect's width, up to so much

# photographs of one part: a short last field (part12_1, part12_b), or a field that says so (exp3)
_LAST = r"[_-](?:\d{1,2}|[a-z])"
_SHOT = r"(?:exp(?:osure)?|view|cam(?:era)?|shot|side|pose|frame)[_-]?\d{1,2}"
BY_LAST = rf"([^/]+?)(?:{_LAST})?\.[^./]+$"
_SERIES = re.compile(rf"([^/]*\d[^/]*?){_LAST}\.[^./]+$", re.IGNORECASE)
_SHOTS = re.compile(rf"(?:^|[/_-])({_SHOT})(?=[._-])", re.IGNORECASE)
MOST_SHOTS = 20  # photographs of one part, of names that look like a series


@dataclass(frozen=True, slots=True)
class RecipeReason:
    """Why a recipe key has its value, in one line. A key without a dot is a remark: 'kind' tells
    what was measured, 'warning' what will do harm; their value is None."""

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
    """A recipe for one data set, and why it is so."""

    recipe: Recipe
    reasons: tuple[RecipeReason, ...]


def choose_split(dataset: DataSet) -> SplitRecipe:
    """How to divide the data, from counts alone: no picture is read."""
    base = load_recipe(BASE).split
    return base.model_copy(update={"validation_share": _validation_share(dataset, base)[0]})


def choose_recipe(dataset: DataSet, divided: Split, pictures: tuple[Picture, ...]) -> RecipeChoice:
    """The recipe for the data, and the reasons. pictures: of divided.train, as loaded.

    Raises ValueError when there is no picture.
    """
    base = load_recipe(BASE)
    facts = measure(dataset, divided, pictures)
    settings = _settings(dataset, facts, base)
    values = base.model_dump() | {"name": NAME}
    for setting in settings:
        section, _, key = setting.key.partition(".")
        values[section][key] = setting.value
    measured = [RecipeReason("kind", None, _told(kind)) for kind in facts.kinds]
    warnings = [
        RecipeReason("warning", None, fact) for fact in _warnings(dataset, divided, facts, base)
    ]
    return RecipeChoice(Recipe.model_validate(values), (*measured, *settings, *warnings))


def describe(choice: RecipeChoice) -> list[str]:
    """The lines that training prints."""
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
    found = [
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
            "detector.transplant_share",
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
    return [*found, _classifier_steps(facts, base)] if enabled else found


def _validation_share(dataset: DataSet, base: SplitRecipe) -> tuple[float, str]:
    """Larger where that holds back two parts of each kind. Of 2 to 4 parts one is held back
    whatever the share: two would leave too few to learn from."""
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
        told = f"{alone[0]} is on {parts[alone[0]]} parts, and {usual:g} holds back one of them"
        return share, told
    fewest, rarest = min(((n, kind) for kind, n in parts.items() if n), default=(0, "no kind"))
    told = f"{rarest} is on {_count(fewest, 'part')}, no kind on fewer"
    if 1 < fewest < TWICE_SHOWN:
        told += "; one is held back, two would leave too few to learn from"
    return usual, told


def _patch(facts: DatasetFacts) -> RecipeReason:
    """About a picture; of large pictures 256, or what shows the long defects."""
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
    told = f"{size}, and 9 of 10 of {name} are up to {needed / AROUND:.0f} px long"
    return RecipeReason("detector.patch_px", chosen, told)


def _shift(patch_px: int, base: Recipe) -> list[RecipeReason]:
    """A defect that a patch is cut around must lie inside it: three eighths off at the most."""
    most = patch_px * 3 // 8
    if base.augment.shift_px <= most:
        return []
    return [
        RecipeReason("augment.shift_px", most, f"a patch of {patch_px} px keeps its defect inside")
    ]


def _noise(facts: DatasetFacts, base: Recipe) -> list[RecipeReason]:
    """Less noise where it would hide the faintest kind, averaged over the width of its defects."""
    faint = [
        (k.contrast * min(k.width_px, NOISE_PX) / 4, k) for k in facts.kinds if k.contrast > 0.0
    ]
    most, kind = min(faint, key=lambda pair: pair[0], default=(np.inf, None))
    if kind is None or base.augment.noise_sigma <= most:
        return []
    told = f"{kind.name} is {kind.contrast:.1f} grey levels off and {kind.width_px:.1f} px wide"
    return [RecipeReason("augment.noise_sigma", round(most, 1), told)]


def _detector_steps(facts: DatasetFacts, base: Recipe, patch_px: int) -> RecipeReason:
    """As the root of the number of pictures, within the time that is there."""
    options = base.detector
    step_s = PATCH_S * options.batch * (patch_px / USUAL_PX) ** 2
    # A check costs a validation picture about what training costs a patch of its size.
    look_s = PATCH_S * facts.validation * facts.height_px * facts.width_px / USUAL_PX**2
    most = int((DETECTOR_S - options.checks * look_s) / step_s)
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
    told = _count(facts.training, "training picture")
    limit = ", as many as the time allows" if wanted > most else ""
    return RecipeReason(
        key, steps, f"{told}{limit}; {max(steps * step_s / 60, 1):.0f} min on two cores"
    )


def _told(kind: KindFacts) -> str:
    told = f"{kind.name}: {_count(kind.pictures, 'training picture')} of "
    told += f"{_count(kind.parts, 'part')}, {_count(kind.defects, 'defect')}"
    if not kind.defects:
        return told
    return (
        f"{told} of {kind.area_px:.0f} px, {kind.width_px:.1f} px wide and {kind.contrast:.0f} "
        f"grey levels off (medians), 9 of 10 up to {kind.long_px:.0f} px long"
    )


def _warnings(dataset: DataSet, divided: Split, facts: DatasetFacts, base: Recipe) -> Iterator[str]:
    usable = (*divided.train, *divided.validation)
    for kind in dataset.kinds:
        parts = parts_of(carriers(usable, kind))
        if parts < 2:
            told = _count(parts, "physical part")
            yield f"{kind} is on {told} with masks: it cannot be validated"
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
    """Names that look as if several pictures showed one part, where nobody told groups."""
    if any(sample.group != sample.name for sample in samples):
        return
    stems = [match[1] for sample in samples if (match := _SERIES.search(sample.name))]
    shared = {stem: n for stem, n in Counter(stems).items() if n > 1}
    if 2 * sum(shared.values()) >= len(samples) and max(shared.values()) <= MOST_SHOTS:
        yield (
            f"{sum(shared.values())} of {len(samples)} names look like several pictures of one "
            f"part ({min(shared)}) and count as parts of their own: give --groups '{BY_LAST}' "
            "(recipe key split.groups) or a groups.csv"
        )
        return
    shots = [match[1].lower() for sample in samples if (match := _SHOTS.search(sample.name))]
    if 2 * len(shots) >= len(samples) and 2 <= len(set(shots)) <= MOST_SHOTS:
        yield (
            f"{len(shots)} of {len(samples)} names tell one of {len(set(shots))} photographs "
            f"({min(shots)}) and count as parts of their own: name the parts in a groups.csv, or "
            "give --groups PATTERN (recipe key split.groups)"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
