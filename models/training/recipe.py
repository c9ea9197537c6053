"""A recipe: all settings of a training run, in one strict TOML file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from edge.bundle.kinds import DetectorKind
from edge.validation_messages import describe
from models.augmentation.crops import Augmentation
from models.data.dataset import DataError
from models.evaluation.promise import MAX_FALSE_REJECTS
from models.methods.recipe import (
    AutoencoderRecipe,
    CascadeRecipe,
    EfficientADRecipe,
    MemoryBankRecipe,
    PaDiMRecipe,
    PatchCoreRecipe,
    RecipeSection,
    ReverseDistillationRecipe,
    SimpleNetRecipe,
    SuperSimpleNetRecipe,
    TemplateRecipe,
    TextureRecipe,
    ThresholdRecipe,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = Path(__file__).parents[1] / "recipes"


class SplitRecipe(RecipeSection):
    """The division of the data into training and validation.

    Pictures of one physical part are never on both sides. validation_share: share of the data that
    is held back. seed: of the division. groups: a regular expression on a picture's name, whose
    group `part` (else the first) names the physical part; without it the layout does (groups.csv,
    or a rule of a published data set). names: use only pictures in whose name this regular
    expression is found. defective_only: use only defective pictures. good_only: hold back every
    defective picture, annotated or not, for methods that learn from good parts.
    """

    validation_share: float = Field(default=0.25, gt=0, lt=1)
    seed: int = 0
    groups: str | None = None
    names: str | None = None
    defective_only: bool = False
    good_only: bool = False


class LabelRecipe(RecipeSection):
    """Severity targets (models/training/labels.py).

    truncate: λ of the paper's equation (2). Scores are limited to λ and scaled to 12. 0 takes the
    95th percentile of the training scores, so that data of low contrast uses the whole scale.
    floor: least severity of a defect cell, so that faint defects are not trained towards 0.
    coverage: weight a cell by its share of defect pixels, so that the interpolated map is half-way
    at the true edge; false gives every touched cell its full severity. defect_pixels_only: take the
    grey levels of a defect cell from its defect pixels only, which keeps the contrast of a thin
    crack.
    """

    truncate: float = Field(default=500.0, ge=0)
    floor: float = Field(default=0.0, ge=0, lt=12)
    coverage: bool = False
    defect_pixels_only: bool = False


class AugmentRecipe(RecipeSection):
    """Random changes of the training patches (models/augmentation/crops.py)."""

    flip: bool = True
    rotate_deg: float = Field(default=15.0, ge=0, le=180)
    zoom: float = Field(default=0.0, ge=0, le=1)
    noise_sigma: float = Field(default=4.0, ge=0)
    illumination: float = Field(default=0.15, ge=0, le=1)
    contrast: float = Field(default=0.15, ge=0, le=1)
    brightness: float = Field(default=12.0, ge=0)
    shift_px: int = Field(default=96, ge=0)
    step_px: int = Field(default=0, ge=0, le=256)
    rim_share: float = Field(default=0.0, ge=0, le=1)

    def options(self, *, centre_on_defect: bool) -> Augmentation:
        return Augmentation(**self.model_dump(), centre_on_defect=centre_on_defect)


class AlignmentRecipe(RecipeSection):
    """The alignment of parts that lie on a plain ground (edge/chain/align.py).

    use: "auto" aligns where at least 98 % of the good pictures show one kind of part on a plain
    ground and the parts do not lie in one pose already; "always" refuses other pictures; "never"
    shows the detector the frame as it is.
    """

    use: Literal["never", "auto", "always"] = "never"


class DetectorRecipe(RecipeSection):
    """The detection network and its training.

    network: its name. resolution: side of a cell in px. steps × batch: number of training patches.
    patches: "square" cuts squares of patch_px; "pictures" cuts patches as large as the pictures, at
    most patch_px a side, so that small pictures are trained with their rim as on the station. A
    batch then has more patches. defect_share: share of patches that are cut around a defect; every
    kind is equally frequent. copy_paste_share: share of patches with copy-paste augmentation
    (models/augmentation/copy_paste.py). synthetic_share: share of patches with a synthetic defect
    (models/augmentation/synthetic_defects.py). start: "imagenet", or none for random weights. ema:
    decay of the average of the weights, which is what training returns; 0 returns the last weights.
    hard_weight: weight of the hardest sound cells in the loss (models/training/losses.py). checks:
    number of evaluations of the averaged network on the validation pictures, evenly spread; the
    best network is returned. patience: evaluations without improvement after which training ends; 0
    never ends early. rounded_share: share of the steps, at the end, with weights rounded as in
    int8. precision: "auto" computes in bfloat16 where the processor has it, which is twice as fast.
    decision: add a head with one score per part (models/networks/decision.py); it also learns from
    defective parts without a mask. Not for "paper". decision_share: share of the steps on whole
    pictures, from which the head learns; all of them where no training picture has a mask.
    decision_weight: weight of the decision in the loss of these steps. decision_features: "fixed"
    keeps the features of ImageNet where no training picture has a mask, and the head is a logistic
    regression on them; "learned" trains the features too. distil_weight: weight of the
    distance from a teacher beside the loss of the labels, in a training with a teacher
    (models/distillation).
    """

    network: Literal["extra-large", "large", "lean", "nano", "paper"] = "lean"
    resolution: Literal[2, 4] = 2
    patch_px: int = Field(default=256, ge=64, le=1024, multiple_of=32)
    patches: Literal["square", "pictures"] = "square"
    steps: int = Field(default=4000, ge=1)
    batch: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    defect_share: float = Field(default=0.6, ge=0, le=1)
    copy_paste_share: float = Field(default=0.0, ge=0, le=1)
    synthetic_share: float = Field(default=0.0, ge=0, le=1)
    start: Literal["imagenet"] | None = None
    ema: float = Field(default=0.998, ge=0, lt=1)
    hard_weight: float = Field(default=0.0, ge=0)
    checks: int = Field(default=0, ge=0)
    patience: int = Field(default=0, ge=0)
    rounded_share: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    decision: bool = False
    decision_share: float = Field(default=0.5, gt=0, le=1)
    decision_weight: float = Field(default=1.0, gt=0)
    decision_features: Literal["learned", "fixed"] = "learned"
    distil_weight: float = Field(default=0.5, gt=0)

    @model_validator(mode="after")
    def _network_decides(self) -> DetectorRecipe:
        if self.decision and self.network == "paper":
            raise ValueError("decision is true; the network 'paper' has no decision head")
        return self


class ClassifierRecipe(RecipeSection):
    """The block classifier and its training.

    enabled: false leaves it out; every region then stays, with the kind 'defect'. start:
    "imagenet", or none for random weights. background_share: share of background among the training
    blocks. The other keys are as for the detector.
    """

    enabled: bool = True
    start: Literal["imagenet"] | None = None
    steps: int = Field(default=1500, ge=1)
    batch: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    background_share: float = Field(default=0.4, ge=0, le=1)
    ema: float = Field(default=0.995, ge=0, lt=1)
    rounded_share: float = Field(default=0.0, ge=0, lt=1)


class ChainRecipe(RecipeSection):
    """The steps of the station behind the detector.

    join_px: regions nearer than this are joined; the paper has 4. threshold: T; without it T is
    searched. reject_severity: severity from which a reported defect rejects the part; 0 lets every
    one reject. Without it, it is searched where defects are drawn.
    operating_point: "limit" decides with the fewest escapes within max_false_rejects. "balanced"
    weighs escapes and false rejects of the held-back parts alike (decisions 45, 52 and 55).
    max_false_rejects: of the held-back good parts at most this share is rejected; without it 0.005.
    """

    join_px: float = Field(default=4.0, ge=0, le=64)
    threshold: float | None = Field(default=None, gt=0, le=12)
    reject_severity: float | None = Field(default=None, ge=0, le=12)
    operating_point: Literal["limit", "balanced"] = "limit"
    max_false_rejects: float | None = Field(default=None, gt=0, lt=1)

    @property
    def limit(self) -> float | None:
        """The limit of false rejects, 0 to 1; None where the operating point is balanced."""
        if self.operating_point == "balanced":
            return None
        return self.max_false_rejects or MAX_FALSE_REJECTS

    @model_validator(mode="after")
    def _one_way_to_t(self) -> ChainRecipe:
        if self.threshold is not None and self.max_false_rejects is not None:
            raise ValueError("threshold and max_false_rejects both set T; expected one of them")
        if self.operating_point == "balanced" and self.max_false_rejects is not None:
            raise ValueError(
                "operating_point is balanced and has no max_false_rejects; expected one of them"
            )
        return self


class Recipe(RecipeSection):
    """All settings of a training run.

    name: of the recipe. seed: of weights, patches and augmentation. method: the way to obtain the
    severity map (models/methods). `labels`, `augment` and `detector` are for regression and the
    cascade; every other method has its own section. guidance: advice for each kind of defect, which
    every verdict shows.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = 0
    method: DetectorKind = "regression"
    split: SplitRecipe = SplitRecipe()
    labels: LabelRecipe = LabelRecipe()
    alignment: AlignmentRecipe = AlignmentRecipe()
    augment: AugmentRecipe = AugmentRecipe()
    detector: DetectorRecipe = DetectorRecipe()
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    cascade: CascadeRecipe = CascadeRecipe()
    memory_bank: MemoryBankRecipe = MemoryBankRecipe()
    reverse_distillation: ReverseDistillationRecipe = ReverseDistillationRecipe()
    simplenet: SimpleNetRecipe = SimpleNetRecipe()
    supersimplenet: SuperSimpleNetRecipe = SuperSimpleNetRecipe()
    efficientad: EfficientADRecipe = EfficientADRecipe()
    patchcore: PatchCoreRecipe = PatchCoreRecipe()
    padim: PaDiMRecipe = PaDiMRecipe()
    texture: TextureRecipe = TextureRecipe()
    template: TemplateRecipe = TemplateRecipe()
    threshold: ThresholdRecipe = ThresholdRecipe()
    classifier: ClassifierRecipe = ClassifierRecipe()
    chain: ChainRecipe = ChainRecipe()
    guidance: dict[str, str] = Field(default={})

    @property
    def detector_name(self) -> str:
        """Return the network's name where the method has several, else the method's name."""
        return self.detector.network if self.method == "regression" else self.method

    @property
    def decides(self) -> bool:
        """Return true where the network has a decision head."""
        return self.detector.decision or self.learns_all

    @property
    def learns_all(self) -> bool:
        """Return true for a method that learns from good parts, marks and masks alike."""
        return self.method == "supersimplenet"

    def within(self, max_false_rejects: float | None) -> Recipe:
        """Return the recipe with its decision within a limit of false rejects, 0 to 1.

        None returns the recipe as it is.
        """
        if max_false_rejects is None:
            return self
        changed = {
            "max_false_rejects": max_false_rejects,
            "operating_point": "limit",
            "threshold": None,
        }
        return self.model_copy(update={"chain": self.chain.model_copy(update=changed)})

    def keys(self) -> dict[str, object]:
        """Return every value by its key with dots, in the form of JSON."""
        return dict(_flat(self.model_dump(mode="json")))

    @model_validator(mode="after")
    def _method_decides(self) -> Recipe:
        if self.detector.decision and self.method != "regression":
            raise ValueError(
                f"detector.decision is true; only the method regression has a decision head, not "
                f"{self.method}"
            )
        return self

    @model_validator(mode="after")
    def _step_inside_patch(self) -> Recipe:
        """Refuse a step larger than the patch, which would leave pixels between two windows out."""
        if self.augment.step_px > self.detector.patch_px:
            raise ValueError(
                f"augment.step_px is {self.augment.step_px}; expected at most "
                f"detector.patch_px, {self.detector.patch_px}"
            )
        return self


def _flat(values: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """Yield nested keys with dots between them."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def load_recipe(name_or_path: str) -> Recipe:
    """Return a recipe by its name in models/recipes, or by path. Raises DataError, one line."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = RECIPES / f"{name_or_path}.toml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
            raise DataError(f"no recipe '{name_or_path}'; there are: {known}, or a path to a .toml")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not TOML: {error}") from error
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise DataError(f"{path}: {describe(error)}") from error


def as_toml(recipe: Recipe) -> str:
    """Return the recipe as text. ``load_recipe`` reads an equal recipe from it."""
    values = recipe.model_dump(mode="json", exclude_none=True)
    lines = [_line(key, value) for key, value in values.items() if not isinstance(value, dict)]
    for name, section in values.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]", *(_line(key, value) for key, value in section.items())]
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any) -> str:
    # Strings, numbers and booleans of JSON are valid TOML, except for pairs of surrogates.
    return f"{json.dumps(key, ensure_ascii=False)} = {json.dumps(value, ensure_ascii=False)}"
