"""A recipe: everything that decides what a training run does, as one strict TOML file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from edge.bundle.manifest import DetectorKind
from edge.validation_messages import describe
from models.augmentation.crops import Augmentation
from models.data.dataset import DataError
from models.methods.recipe import (
    AutoencoderRecipe,
    CascadeRecipe,
    MemoryBankRecipe,
    RecipeSection,
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
    """How the data is divided. Groups (one physical part) are never on both sides.

    groups: a regular expression on a picture's name whose group `part` (else the first) is the
    physical part; none leaves it to the layout (groups.csv, or what a published set tells).
    names, defective_only: train and validate on a part of the data (models/data/select.py).
    good_only: for methods that learn from good parts, hold back what is defective, drawn or not.
    """

    validation_share: float = Field(default=0.25, gt=0, lt=1)
    seed: int = 0
    groups: str | None = None
    names: str | None = None
    defective_only: bool = False
    good_only: bool = False


class LabelRecipe(RecipeSection):
    """Severity targets (models/training/labels.py).

    truncate: λ of the paper's equation (2); scores are cut there and scaled to 12. 0 takes the
    95th percentile of the training scores, so that data of low contrast uses the whole scale.
    floor: severity that any defect cell gets at the least, so that faint defects are not trained
    towards 0. coverage: weigh a cell by the share of it that is defect (the map, interpolated, is
    then half-way at the true edge) instead of counting any touched cell whole.
    defect_pixels_only: see severity_cells.
    """

    truncate: float = Field(default=500.0, ge=0)
    floor: float = Field(default=0.0, ge=0, lt=12)
    coverage: bool = False
    defect_pixels_only: bool = False


class AugmentRecipe(RecipeSection):
    """Bounds of the random changes (models/augmentation/crops.py says what each does)."""

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


class DetectorRecipe(RecipeSection):
    """The detection network and how it is trained.

    steps × batch patches are seen. patches: "square" ones of patch_px, or as large as the
    "pictures", patch_px at most a side and more of them a batch, so that small pictures are seen as
    the station runs them, with their own rim. defect_share: of the patches, how many are cut
    around a defect (kinds in turn, so that rare kinds are seen as often). transplant_share: how
    many get a piece of another picture set in (models/augmentation/copy_paste.py). painted_share:
    how many get a generated flaw besides (models/augmentation/synthetic_defects.py). start:
    "imagenet", or none to begin at random. ema: decay of the averaged weights that are kept, 0 for
    the last weights. hard_weight: of the hardest sound cells in the loss
    (models/training/losses.py). checks: how often the averaged network is looked at on the
    validation pictures, evenly spread; the best is kept, and after `patience` looks without a
    better one training ends (0: never early). rounded_share: of the steps, the last ones, with
    weights rounded as int8 will have them. precision: auto computes in bfloat16 where the
    processor has it, which is twice as fast there.
    """

    network: Literal["large", "lean", "nano", "paper"] = "lean"
    resolution: Literal[2, 4] = 2
    patch_px: int = Field(default=256, ge=64, le=1024, multiple_of=32)
    patches: Literal["square", "pictures"] = "square"
    steps: int = Field(default=4000, ge=1)
    batch: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    defect_share: float = Field(default=0.6, ge=0, le=1)
    transplant_share: float = Field(default=0.0, ge=0, le=1)
    painted_share: float = Field(default=0.0, ge=0, le=1)
    start: Literal["imagenet"] | None = None
    ema: float = Field(default=0.998, ge=0, lt=1)
    hard_weight: float = Field(default=0.0, ge=0)
    checks: int = Field(default=0, ge=0)
    patience: int = Field(default=0, ge=0)
    rounded_share: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class ClassifierRecipe(RecipeSection):
    """The block classifier. enabled = false leaves it out: every region is kept, kind 'defect'.
    start: "imagenet", or none to begin at random. rounded_share: as of the detector."""

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
    """What the station does with the map. join_px: the paper's 4. threshold: T, where it is not to
    be searched. max_false_rejects: share of the held-back good parts within which T is to stay,
    whatever is annotated; of methods that learn from good parts."""

    join_px: float = Field(default=4.0, ge=0, le=64)
    threshold: float | None = Field(default=None, gt=0, le=12)
    max_false_rejects: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_way_to_t(self) -> ChainRecipe:
        if self.threshold is not None and self.max_false_rejects is not None:
            raise ValueError("threshold and max_false_rejects both say what T is; expected one")
        return self


class Recipe(RecipeSection):
    """The whole recipe. method: what gives the severity map (models/methods); `labels`, `augment`
    and `detector` are of regression's and the cascade's training, each other method has a section
    of its own. seed drives weights, patches and augmentation. guidance: what to do about each kind
    of defect, shown with every verdict."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = 0
    method: DetectorKind = "regression"
    split: SplitRecipe = SplitRecipe()
    labels: LabelRecipe = LabelRecipe()
    augment: AugmentRecipe = AugmentRecipe()
    detector: DetectorRecipe = DetectorRecipe()
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    cascade: CascadeRecipe = CascadeRecipe()
    memory_bank: MemoryBankRecipe = MemoryBankRecipe()
    texture: TextureRecipe = TextureRecipe()
    template: TemplateRecipe = TemplateRecipe()
    threshold: ThresholdRecipe = ThresholdRecipe()
    classifier: ClassifierRecipe = ClassifierRecipe()
    chain: ChainRecipe = ChainRecipe()
    guidance: dict[str, str] = Field(default={})

    @property
    def detector_name(self) -> str:
        """The network of a method that has several, else the method."""
        return self.detector.network if self.method == "regression" else self.method

    @model_validator(mode="after")
    def _step_inside_patch(self) -> Recipe:
        """Else a window that slides could pass a defect by."""
        if self.augment.step_px > self.detector.patch_px:
            raise ValueError(
                f"augment.step_px is {self.augment.step_px}; expected at most "
                f"detector.patch_px, {self.detector.patch_px}"
            )
        return self


def load_recipe(name_or_path: str) -> Recipe:
    """A recipe by the name of one in models/recipes, or by path. Raises DataError, one line."""
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
    """The recipe as a file that load_recipe reads to the same recipe."""
    values = recipe.model_dump(mode="json", exclude_none=True)
    lines = [_line(key, value) for key, value in values.items() if not isinstance(value, dict)]
    for name, section in values.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]", *(_line(key, value) for key, value in section.items())]
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any) -> str:
    # JSON's strings, numbers and truths are TOML's too, but for its pairs of surrogates.
    return f"{json.dumps(key, ensure_ascii=False)} = {json.dumps(value, ensure_ascii=False)}"
