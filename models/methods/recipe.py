"""A recipe's sections of the methods beside regression."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class RecipeSection(BaseModel):
    """A part of a recipe: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AutoencoderRecipe(RecipeSection):
    """The autoencoder of good parts (models/methods/autoencoder/training.py) and how it is trained.

    reduction: the picture is averaged over so many px each way within the network, for speed: 2
    makes 256×256 px what 128×128 is. width, latent, depth, skip, error_px, window_px, expected: its
    shape and how its error becomes severity (models/methods/autoencoder/network.py). steps × batch
    patches of patch_px a side are seen. loss: of the reconstruction, l1 or l2. flaw_share,
    noise_sigma: what is set into the patches that it has to take out
    (models/augmentation/corruption.py). judge_weight: in the loss, of telling these flaws from
    sound surface; it needs `expected`. flip, rotate_deg, brightness, contrast, rim_share: what a
    good part may look like (models/augmentation/crops.py). ema, rounded_share, precision: as of
    the detector.
    """

    reduction: Literal[1, 2, 4] = 1
    width: int = Field(default=32, ge=8, le=256, multiple_of=8)
    latent: int = Field(default=32, ge=1, le=512)
    depth: int = Field(default=2, ge=1, le=4)
    skip: int = Field(default=0, ge=0, le=128)
    error_px: float = Field(default=1.0, ge=0, le=8)
    window_px: float = Field(default=3.0, ge=0.5, le=16)
    expected: bool = True
    patch_px: int = Field(default=128, ge=32, le=1024, multiple_of=32)
    steps: int = Field(default=3000, ge=1)
    batch: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    loss: Literal["l1", "l2"] = "l1"
    flaw_share: float = Field(default=0.9, ge=0, le=1)
    noise_sigma: float = Field(default=0.0, ge=0)
    judge_weight: float = Field(default=1.0, ge=0)
    flip: bool = True
    rotate_deg: float = Field(default=0.0, ge=0, le=180)
    brightness: float = Field(default=5.0, ge=0)
    contrast: float = Field(default=0.05, ge=0, le=1)
    rim_share: float = Field(default=0.5, ge=0, le=1)
    ema: float = Field(default=0.99, ge=0, lt=1)
    rounded_share: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _patch_of_whole_cells(self) -> AutoencoderRecipe:
        multiple = 4 * self.reduction * 2**self.depth
        if self.patch_px % multiple:
            raise ValueError(
                f"patch_px is {self.patch_px}; expected a multiple of {multiple}, which "
                "4 × reduction × 2^depth is"
            )
        return self


class CascadeRecipe(RecipeSection):
    """Two autoencoders in a row (models/methods/cascade/network.py, which says what each option
    does); how they are trained is in `labels`, `augment` and `detector`."""

    width: int = Field(default=24, ge=8, le=128, multiple_of=8)
    depth: int = Field(default=3, ge=1, le=3)
    refine: float = Field(default=1.0, gt=0, le=2)


class MemoryBankRecipe(RecipeSection):
    """What good parts look like to a network taught by ImageNet
    (models/methods/memory_bank/training.py).

    reduction: on how much less of the resolution it works; 1 sees finer flaws at four times the
    cost. directions: along which a cell may deviate from good parts; units: of the critic. critic:
    its share of the severity; the rest is the distance from good parts. paintings: pictures with
    painted flaws that choose the directions and teach the critic. cells: of sound surface, and of
    flawed, that are kept while learning, 0.7 KB each. steps: of the critic.
    """

    reduction: Literal[1, 2] = 2
    directions: int = Field(default=16, ge=1, le=64)
    units: int = Field(default=32, ge=8, le=256)
    critic: float = Field(default=0.5, ge=0, le=1)
    paintings: int = Field(default=600, ge=10, le=20_000)
    cells: int = Field(default=80_000, ge=1000, le=1_000_000)
    steps: int = Field(default=1000, ge=1)


class TextureRecipe(RecipeSection):
    """Statistics of overlapping blocks, and what is unlike those of good parts
    (models/methods/texture/training.py).

    A cell of step_px is judged by the block_px around it, an odd multiple. features: any of
    "patterns" (histograms of local binary patterns: `points` neighbours on circles of radii_px, one
    histogram each; a neighbour is brighter from `margin` grey levels on), "gradient", "grey"
    (spread, skewness, extremes) and "level" (the mean grey itself, which light changes). colour: of
    the picture in "grey", or of "each" channel apart. compare: a block with those of "good" parts,
    or first with the rest of its own "picture". components: how many principal components, or where
    below 1, as many as hold that share of the variance. blocks: of good parts, how many are learned
    from. model: a one-class "svm" that leaves the share nu of good blocks outside; gamma: of its
    kernel, in 1 / the summed variance of the components; or an isolation "forest" of `trees` trees
    grown on `samples` blocks each. smooth_cells: a cell's score is the mean over that many cells
    squared.
    """

    block_px: int = Field(default=24, ge=2, le=4096)
    step_px: Literal[2, 4, 8, 16, 32] = 8
    features: tuple[Literal["patterns", "gradient", "grey", "level"], ...] = Field(
        default=("patterns", "gradient", "grey"), min_length=1, strict=False
    )
    points: Literal[8, 12, 16, 24] = 8
    radii_px: tuple[Annotated[int, Field(ge=1, le=8)], ...] = Field(
        default=(1,), min_length=1, max_length=4, strict=False
    )
    margin: float = Field(default=4.0, ge=0, le=64)
    colour: Literal["grey", "each"] = "grey"
    compare: Literal["good", "picture"] = "picture"
    components: float = Field(default=20.0, gt=0, le=256)
    blocks: int = Field(default=20_000, ge=100, le=200_000)
    model: Literal["forest", "svm"] = "svm"
    trees: int = Field(default=100, ge=1, le=1000)
    samples: int = Field(default=256, ge=2, le=4096)
    nu: float = Field(default=0.01, gt=0, le=1)
    gamma: float = Field(default=0.3, gt=0, le=100)
    smooth_cells: Literal[1, 3, 5, 7] = 1

    @model_validator(mode="after")
    def _check(self) -> TextureRecipe:
        if self.block_px % self.step_px or self.block_px // self.step_px % 2 == 0:
            raise ValueError(
                f"block_px is {self.block_px}; expected an odd multiple of step_px, {self.step_px}"
            )
        if self.components > 1 and self.components != int(self.components):
            raise ValueError(
                f"components is {self.components:g}; expected a whole number, or a share below 1"
            )
        if set(self.features) == {"level"}:
            raise ValueError('features is ["level"] alone; expected one that describes texture')
        return self


class TemplateRecipe(RecipeSection):
    """Difference from golden images (models/methods/template/training.py).

    references: golden images, one a variant that the line makes; combine: compare with the "best",
    which a part matches most, or take the "minimum" difference of all it matches. registration:
    find where each part lies, within max_rotation_deg, max_shift_share of the longer side and
    max_scale, both ways; false takes it to lie as the golden image does. min_match: the share of
    edges in place below which a picture is not this part and is rejected as such. shading: even out
    light that varies slowly over the part. tolerance_px: good edges may lie so far off; edge_px and
    noise_grey: how far they go about that, and the camera's noise, which is all there is to go by
    with one good part and counts less the more there are. smooth_px: differences are averaged over
    such a square. grain_limit: a picture that is up to so many times as noisy as those of good
    parts is taken for one of a noisier camera, and differs less by as much; 1 takes all noise for
    what the part has.
    """

    references: int = Field(default=1, ge=1, le=16)
    combine: Literal["best", "minimum"] = "best"
    registration: bool = True
    max_rotation_deg: float = Field(default=5.0, ge=0, le=180)
    max_shift_share: float = Field(default=0.06, ge=0, le=0.5)
    max_scale: float = Field(default=0.03, ge=0, le=0.2)
    min_match: float = Field(default=0.5, gt=0, lt=1)
    shading: bool = True
    tolerance_px: int = Field(default=1, ge=0, le=8)
    edge_px: float = Field(default=0.5, ge=0, le=8)
    noise_grey: float = Field(default=2.0, ge=0.25, le=30)
    smooth_px: int = Field(default=3, ge=1, le=31)
    grain_limit: float = Field(default=3.0, ge=1, le=10)


class ThresholdRecipe(RecipeSection):
    """Distance from the background (models/methods/threshold/training.py;
    edge/chain/threshold/file.py says what each does on a station).

    "auto", and 0 px, try several and keep what finds most on the training pictures: defects where
    some are drawn, else painted ones. search_parts: on so many pictures, half of them good.
    "nlmeans" takes a hundred times as long as the others and is never tried by itself. grain_limit:
    as of the template.
    """

    channel: Literal["grey", "value"] = "grey"
    denoise: Literal["auto", "none", "gaussian", "median", "nlmeans"] = "auto"
    denoise_px: int = Field(default=0, ge=0, le=31)
    nlmeans_strength: float = Field(default=10.0, gt=0, le=100)
    level: Literal["auto", "local", "otsu"] = "auto"
    background: Literal["auto", "mean", "median"] = "auto"
    window_px: int = Field(default=0, ge=0, le=511)
    polarity: Literal["auto", "dark", "bright", "both"] = "auto"
    relative: bool = True
    open_px: int = Field(default=0, ge=0, le=31)
    close_px: int = Field(default=0, ge=0, le=31)
    grain_limit: float = Field(default=3.0, ge=1, le=10)
    search_parts: int = Field(default=24, ge=2)

    @field_validator("denoise_px", "window_px", "open_px", "close_px")
    @classmethod
    def _odd(cls, side_px: int) -> int:
        """A square about a pixel."""
        if side_px and side_px % 2 == 0:
            raise ValueError("expected 0, or an odd number")
        return side_px

    @field_validator("window_px")
    @classmethod
    def _surroundings(cls, window_px: int) -> int:
        """One pixel has none."""
        if window_px == 1:
            raise ValueError("expected 0, or 3 and more")
        return window_px
