"""The runs of a benchmark: each fold with each recipe and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.jobs import Job
from bench.public_sets.fold import Fold, Protocol, Supervision
from bench.public_sets.training_folder import with_marked, write_training_folder
from edge.files import write_atomically
from models.data.dataset import DataError
from models.methods.registry import METHODS
from models.runs.run import RECORD
from models.training import auto
from models.training.recipe import Recipe, as_toml, load_recipe

AUTO_SEED = 0  # the recipe that auto chooses has its own seed
USUAL_RECIPES: dict[Supervision, str] = {
    "good": "reverse-distillation",
    "masks": "lean",
    "marks": "lean-decision",
}


@dataclass(frozen=True, slots=True)
class FoldRun:
    """A recipe on a fold with one seed.

    marked: number of defective pictures in training; None is all.
    """

    fold: Fold
    recipe: str
    supervision: Supervision
    seed: int
    marked: int | None
    job: Job


def plan(
    protocol: Protocol,
    data: Path,
    recipes: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    supervision: Supervision | None = None,
    categories: Sequence[str] = (),
    marked: Sequence[int] = (),
) -> list[FoldRun]:
    """Return every fold, recipe and seed; write the training sides and recipes below ``out``.

    recipes: names, "auto" as in `make train`, or .toml files; the usual one of the set if empty.
    supervision: None for what each recipe can use. categories: only folds of these names.
    marked: numbers of defective pictures in training, chosen by the seed; all of them if empty.
    Raises DataError.
    """
    chosen = recipes or [USUAL_RECIPES[supervision or protocol.supervisions[0]]]
    loaded = [(Path(name).stem, _recipe(name, seeds)) for name in chosen]
    (out / "recipes").mkdir(parents=True, exist_ok=True)
    cells: list[FoldRun] = []
    for fold in chosen_folds(protocol, data, categories):
        for name, recipe in loaded:
            learns_from = _supervision(protocol, recipe, supervision)
            for count, seed in product(marked or (None,), seeds):
                folder = _training_side(fold, learns_from, count, seed, out / "data")
                number = "" if count is None else f"marked-{count}"
                words = (fold.name, name, learns_from, number, f"seed-{seed}")
                run = "-".join(filter(None, words)).replace("_", "-")
                job = _job(out, run, folder, recipe and _seeded(protocol, recipe, seed))
                cells.append(FoldRun(fold, name, learns_from, seed, count, job))
    names = [cell.job.folder.name for cell in cells]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{min(twice)}: two recipes or two seeds have one name")
    return cells


def _training_side(
    fold: Fold, learns_from: Supervision, marked: int | None, seed: int, data: Path
) -> Path:
    """Write the training side of a run, unless it is there, and return its folder."""
    words = [fold.name, learns_from]
    samples = fold.train()
    if marked is not None:
        samples = with_marked(samples, marked, seed)
        words += [f"marked-{marked}", f"seed-{seed}"]
    folder = data / "-".join(filter(None, words))
    folder.parent.mkdir(parents=True, exist_ok=True)
    return write_training_folder(fold.root, samples, learns_from, folder)


def _recipe(name: str, seeds: Sequence[int]) -> Recipe | None:
    """Return a recipe, or None for auto. Raises DataError."""
    if name != auto.NAME:
        return load_recipe(name)
    if list(seeds) != [AUTO_SEED]:
        raise DataError(f"recipe auto: has no seed; expected --seed {AUTO_SEED} alone")
    return None


def chosen_folds(protocol: Protocol, data: Path, categories: Sequence[str]) -> tuple[Fold, ...]:
    """Return the folds of these names, all of them if empty. Raises DataError."""
    folds = protocol.folds(data)
    there = sorted(fold.name for fold in folds)
    if missing := sorted(set(categories) - set(there)):
        raise DataError(f"category {missing[0]}: is not in {data}; it has {', '.join(there)}")
    return tuple(fold for fold in folds if not categories or fold.name in categories)


def _supervision(
    protocol: Protocol, recipe: Recipe | None, given: Supervision | None
) -> Supervision:
    """Return what a recipe learns from. Raises DataError where the set does not offer it."""
    offered = protocol.supervisions
    good_only = recipe is not None and METHODS[recipe.method].good_only and not recipe.learns_all
    wanted = given or ("good" if good_only else offered[0])
    if wanted not in offered:
        raise DataError(
            f"{protocol.name}: its training side offers {' and '.join(offered)}; {wanted} was asked"
        )
    return wanted


def _seeded(protocol: Protocol, recipe: Recipe, seed: int) -> Recipe:
    """Return a recipe with a seed, and with the operating point of the set."""
    split, chain = recipe.split.model_copy(update={"seed": seed}), recipe.chain
    if protocol.balanced and chain.max_false_rejects is None:
        chain = chain.model_copy(update={"operating_point": "balanced"})
    return recipe.model_copy(update={"seed": seed, "split": split, "chain": chain})


def _job(out: Path, run: str, folder: Path, recipe: Recipe | None) -> Job:
    """Return the job of a run, and write its recipe.

    recipe: None for auto. Raises DataError where the run was begun with another recipe.
    """
    if recipe is None:
        return Job(out / run, Path(auto.NAME), folder, inspect=False)
    job, text = (
        Job(out / run, out / "recipes" / f"{run}.toml", folder, inspect=False),
        as_toml(recipe),
    )
    if (job.folder / RECORD).exists() and job.recipe.read_text(encoding="utf-8") != text:
        raise DataError(
            f"{job.folder}: was begun with another version of the recipe; delete it or name "
            "another OUT"
        )
    write_atomically(job.recipe, text)
    return job
