"""The sections of a recipe for the methods other than regression."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class RecipeSection(BaseModel):
    """A section of a recipe. Unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BackboneRecipe(RecipeSection):
    """The key of methods that use features of a network trained on ImageNet.

    backbone: that network, EfficientNet-Lite0, Lite1 or Lite2. Lite1 is deeper than Lite0, and
    Lite2 is also wider (docs/decisions/0053).
    """

    backbone: Literal["lite0", "lite1", "lite2"] = "lite0"


class AutoencoderRecipe(RecipeSection):
    """The autoencoder of good parts and its training (models/methods/autoencoder).

    reduction: the network first averages the picture over squares of this side in px, for speed.
    width, latent, depth, skip: its shape. error_px, window_px, expected: the computation of
    severity from its error (models/methods/autoencoder/network.py). steps × batch: number of
    training patches, of patch_px a side. loss: of the reconstruction, l1 or l2. synthetic_share,
    noise_sigma: synthetic defects and noise in the patches, which the network must remove
    (models/augmentation/corruption.py). discrimination_weight: weight, in the loss, of the
    distinction between synthetic defects and sound surface; it needs `expected`. flip, rotate_deg,
    brightness, contrast, rim_share: random changes of good parts (models/augmentation/crops.py).
    ema, rounded_share, precision: as for the detector.
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
    synthetic_share: float = Field(default=0.9, ge=0, le=1)
    noise_sigma: float = Field(default=0.0, ge=0)
    discrimination_weight: float = Field(default=1.0, ge=0)
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
    """Two encoder-decoders, one behind the other (models/methods/cascade/network.py).

    width: channels of the first one at its cells of 4×4 px. depth: number of times that each halves
    the resolution below the cells. refine: width of the second one, as a share of the first.
    Training follows `labels`, `augment` and `detector`.
    """

    width: int = Field(default=24, ge=8, le=128, multiple_of=8)
    depth: int = Field(default=3, ge=1, le=3)
    refine: float = Field(default=1.0, gt=0, le=2)


class MemoryBankRecipe(BackboneRecipe):
    """Features of good parts, from a network trained on ImageNet (models/methods/memory_bank).

    backbone: EfficientNet-Lite0, Lite1 or Lite2. reduction: factor by which the resolution is
    reduced first; 1 finds finer defects at four times the cost. directions: number of directions
    along which a cell is compared with good parts. units: size of the critic. critic: its share of
    the severity; the rest is the distance from good parts. synthetic_pictures: pictures with
    synthetic defects, from which the directions and the critic are learned. cells: most cells of
    sound surface, and of synthetic defects, that are stored while learning, 0.7 KB each. steps:
    training steps of the critic.
    """

    reduction: Literal[1, 2] = 2
    directions: int = Field(default=16, ge=1, le=64)
    units: int = Field(default=32, ge=8, le=256)
    critic: float = Field(default=0.5, ge=0, le=1)
    synthetic_pictures: int = Field(default=600, ge=10, le=20_000)
    cells: int = Field(default=80_000, ge=1000, le=1_000_000)
    steps: int = Field(default=1000, ge=1)


class ReverseDistillationRecipe(BackboneRecipe):
    """A student that predicts the features of good parts (models/methods/reverse_distillation).

    backbone: the teacher, EfficientNet-Lite0, Lite1 or Lite2. width: channels of the student.
    bottleneck: channels through which it sees the teacher's deepest features. steps × batch: number
    of training crops, of crop_px a side. views: number of changed pictures that are made of each
    good part. flip, rotate_deg, brightness, contrast: these changes (models/augmentation/crops.py).
    Use rotate_deg = 180 for parts that lie in any rotation. critic: share of the critic in the
    severity; the rest is the student's. units: size of the critic. synthetic_pictures, cells,
    critic_steps: pictures with synthetic defects to train it on, most cells of either sort, 4 KB
    each, and its training steps.
    """

    width: int = Field(default=96, ge=16, le=256, multiple_of=16)
    bottleneck: int = Field(default=32, ge=4, le=256)
    steps: int = Field(default=1500, ge=1)
    batch: int = Field(default=8, ge=1)
    crop_px: int = Field(default=256, ge=64, le=1024, multiple_of=32)
    views: int = Field(default=2, ge=1, le=64)
    learning_rate: float = Field(default=2e-3, gt=0)
    flip: bool = False
    rotate_deg: float = Field(default=0.0, ge=0, le=180)
    brightness: float = Field(default=4.0, ge=0)
    contrast: float = Field(default=0.05, ge=0, le=1)
    critic: float = Field(default=0.5, ge=0, le=1)
    units: int = Field(default=48, ge=8, le=256, multiple_of=2)
    synthetic_pictures: int = Field(default=300, ge=10, le=20_000)
    cells: int = Field(default=40_000, ge=1000, le=1_000_000)
    critic_steps: int = Field(default=600, ge=1)


class PictureTrainingRecipe(BackboneRecipe):
    """The keys of a training on whole pictures, with features of a backbone."""

    steps: int = Field(default=800, ge=1)
    batch: int = Field(default=8, ge=2)
    picture_px: int = Field(default=256, ge=32, le=2048)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-5, ge=0)
    ema: float = Field(default=0.99, ge=0, lt=1)
    flip: bool = True
    rotate_deg: float = Field(default=0.0, ge=0, le=180)
    brightness: float = Field(default=10.0, ge=0)
    contrast: float = Field(default=0.1, ge=0, le=1)


class FeatureNoiseRecipe(PictureTrainingRecipe):
    """The keys of both `simplenet` and `supersimplenet`."""

    width: int = Field(default=128, ge=8, le=1024)
    noise: float = Field(default=0.3, gt=0)


class SimpleNetRecipe(FeatureNoiseRecipe):
    """SimpleNet and its training (models/methods/simplenet). A reference method.

    backbone: EfficientNet-Lite0, Lite1 or Lite2. width: channels of the hidden layer of the
    discriminator. noise: standard deviation of the noise that stands for a defect, in standard
    deviations of the features. steps × batch: number of training pictures, of picture_px a side; of
    larger ones a batch has fewer. learning_rate, weight_decay, ema: as for the detector. flip,
    rotate_deg, brightness, contrast: random changes of the pictures (models/augmentation/crops.py).
    """


class SuperSimpleNetRecipe(FeatureNoiseRecipe):
    """SuperSimpleNet and its training (models/methods/supersimplenet).

    backbone: EfficientNet-Lite0, Lite1 or Lite2. width: channels of the hidden layer of the map.
    noise: standard deviation of the noise that makes anomalies, in standard deviations of the
    features. steps × batch: number of training pictures, of picture_px a side; of larger ones a
    batch has fewer. learning_rate, weight_decay, ema: as for the detector. flip, rotate_deg,
    brightness, contrast: random changes of the pictures (models/augmentation/crops.py).
    """


class EfficientADRecipe(PictureTrainingRecipe):
    """EfficientAD and its training (models/methods/efficientad). A reference method.

    backbone: the network that the teacher imitates, EfficientNet-Lite0, Lite1 or Lite2. features:
    number that the teacher returns for each cell. width: channels of teacher and student at stride
    4. bottleneck: channels of the autoencoder at stride 32. views: number of changed crops, of
    picture_px a side, on which the teacher imitates the backbone. teacher_steps × batch: number of
    these crops that it sees. hard_share: share of the differences, the largest ones, from which the
    student learns. outside: weight of generated textures, of which the student must not predict the
    features; 0 trains without them. steps × batch: number of training pictures of student and
    autoencoder, of picture_px a side; of larger ones a batch has fewer. learning_rate,
    weight_decay, ema: as for the detector. flip, rotate_deg, brightness, contrast: random changes
    of the pictures (models/augmentation/crops.py).
    """

    features: int = Field(default=64, ge=2, le=80, multiple_of=2)
    width: int = Field(default=32, ge=8, le=256, multiple_of=8)
    bottleneck: int = Field(default=16, ge=1, le=256)
    views: int = Field(default=600, ge=2, le=4000)
    teacher_steps: int = Field(default=800, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    hard_share: float = Field(default=0.1, gt=0, le=1)
    outside: float = Field(default=0.0, ge=0)


class PatchCoreRecipe(BackboneRecipe):
    """A bank of features of good parts (models/methods/patchcore). A reference method.

    backbone: EfficientNet-Lite0, Lite1 or Lite2. cell_px: side of a cell. With 8 it has the
    features of two stages, as published, and with 16 those of the coarser stage alone, at a
    fraction of the time. vectors: most vectors of the bank; a vector takes 0.6 KB, or 0.45 KB with
    cells of 16 px. share: of all cells of the good parts that become vectors, as long as there are
    fewer than that. cells: most cells that are kept before vectors are chosen among them; the
    others are left out at random. projected: number of dimensions in which distances are compared
    while choosing. neighbours: b of the paper's equation 7, by which the score of a part is
    weighted; with 1 the score is the largest distance.
    """

    cell_px: Literal[8, 16] = 8
    vectors: int = Field(default=16_000, ge=2, le=200_000)
    share: float = Field(default=0.1, gt=0, le=1)
    cells: int = Field(default=200_000, ge=100, le=2_000_000)
    projected: int = Field(default=128, ge=2, le=168)
    neighbours: int = Field(default=9, ge=1, le=100)


class PaDiMRecipe(BackboneRecipe):
    """A Gaussian of the features of good parts at each place (models/methods/padim).

    backbone: EfficientNet-Lite0, Lite1 or Lite2. reduction: factor by which the resolution is
    reduced first. Places lie 4 px times the reduction apart. dimensions: number of features, which
    are drawn from 176, or from 192 of Lite2; a place takes 4 B times its square. ridge: added to
    the variance of each feature, whose largest value on good parts is near 1.
    """

    reduction: Literal[1, 2, 4] = 2
    dimensions: int = Field(default=100, ge=1, le=176)
    ridge: float = Field(default=0.01, gt=0)


class TextureRecipe(RecipeSection):
    """Texture statistics of overlapping blocks, compared with good parts (models/methods/texture).

    step_px: side of a cell. block_px: side of the block around it that is described, an odd
    multiple of step_px. features: "patterns" (histograms of local binary patterns), "gradient",
    "grey" (spread, skewness, extremes) and "level" (the mean grey, which depends on the light).
    points, radii_px: neighbours and radii of the patterns, one histogram for each radius. margin:
    a neighbour counts as brighter from this many grey levels on. colour: "grey" describes the grey
    picture, "each" every channel apart. compare: "good" compares a block with good parts, "picture"
    first with the rest of its own picture. components: number of principal components; a value
    below 1 is the share of the variance to keep. blocks: number of blocks of good parts to learn
    from. model: "svm" (one-class support vector machine) or "forest" (isolation forest). nu: share
    of good blocks that the svm leaves outside. gamma: of its kernel, in 1 / the summed variance of
    the components. trees, samples: trees of the forest, and blocks that each is grown on.
    smooth_cells: a score is the mean over a square of so many cells a side.
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
    """Difference from golden images (models/methods/template).

    references: number of golden images, one for each variant of the part. combine: "best" compares
    with the golden image that matches best, "minimum" takes the least difference from all that
    match. registration: find the place of each part; false expects it where the golden image has
    it. max_rotation_deg, max_shift_share (of the longer side), max_scale: limits of the place, in
    both directions. min_match: a picture with a smaller share of edges in place is another part and
    is rejected. illumination: correct light that varies slowly over the part. tolerance_px:
    distance by which an edge of a good part may be off. edge_px, noise_grey: expected spread at an
    edge in px, and noise of the camera in grey levels. With one good part only these two are known;
    the more good parts there are, the less they count. smooth_px: side of the square over which
    differences are averaged. noise_limit: differences of a picture that is up to so many times
    noisier than good parts are divided by that factor; 1 turns this off.
    """

    references: int = Field(default=1, ge=1, le=16)
    combine: Literal["best", "minimum"] = "best"
    registration: bool = True
    max_rotation_deg: float = Field(default=5.0, ge=0, le=180)
    max_shift_share: float = Field(default=0.06, ge=0, le=0.5)
    max_scale: float = Field(default=0.03, ge=0, le=0.2)
    min_match: float = Field(default=0.5, gt=0, lt=1)
    illumination: bool = True
    tolerance_px: int = Field(default=1, ge=0, le=8)
    edge_px: float = Field(default=0.5, ge=0, le=8)
    noise_grey: float = Field(default=2.0, ge=0.25, le=30)
    smooth_px: int = Field(default=3, ge=1, le=31)
    noise_limit: float = Field(default=3.0, ge=1, le=10)


class ThresholdRecipe(RecipeSection):
    """Distance from the background (models/methods/threshold; edge/chain/threshold/file.py
    describes each key).

    "auto", and 0 px, are searched: training tries several values and keeps those that find
    the defects of the training pictures best. Without annotated defects it uses synthetic ones.
    search_parts: number of pictures for the search, half of them good. denoise = "nlmeans" takes a
    hundred times as long as the others and is not part of the search. noise_limit: as for the
    template.
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
    noise_limit: float = Field(default=3.0, ge=1, le=10)
    search_parts: int = Field(default=24, ge=2)

    @field_validator("denoise_px", "window_px", "open_px", "close_px")
    @classmethod
    def _odd(cls, side_px: int) -> int:
        """Refuse an even side: a square around a pixel has an odd one."""
        if side_px and side_px % 2 == 0:
            raise ValueError("expected 0, or an odd number")
        return side_px

    @field_validator("window_px")
    @classmethod
    def _surroundings(cls, window_px: int) -> int:
        """Refuse a window of one pixel, which has no surroundings."""
        if window_px == 1:
            raise ValueError("expected 0, or 3 and more")
        return window_px
