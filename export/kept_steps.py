"""Finished steps of an export in the run's folder, so that an export that was stopped goes on.

A step is kept under the hash of all that its result follows from: weights, settings, pictures,
annotations, versions of the libraries, and the code. After a finished export nothing is left.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from edge.files import write_atomically
from models.data.dataset import Sample
from models.runs.run import Run

log = logging.getLogger(__name__)

FOLDER = "export-steps"
_ROOT = Path(__file__).resolve().parents[1]
_CODE = ("edge", "models", "export")
_LIBRARIES = ("numpy", "torch", "onnx", "onnxscript", "onnxruntime", "opencv-python-headless")
_DIGEST_BYTES = 32
_Result = TypeVar("_Result")


class KeptSteps:
    """The finished steps of an export.

    A file holds the SHA-256 of its content and then the content, and is written whole or not at
    all. One that is damaged is made again.
    """

    def __init__(self, folder: Path | None, inputs: str) -> None:
        """folder: the run's; None keeps nothing. inputs: hash of what every step follows from."""
        self._folder = None if folder is None else folder / FOLDER
        self._inputs = inputs

    def bytes_of(self, name: str, given: Iterable[object], make: Callable[[], bytes]) -> bytes:
        """Return the result of a step, from its file or made now, and keep it.

        name: of lower-case letters and hyphens. given: what the result follows from beside the
        inputs of all steps; their ``repr``, or the bytes themselves, name the file.
        """
        if self._folder is None:
            return make()
        path = self._folder / f"{name}-{self._key(given)}"
        kept = _read(path)
        if kept is not None:
            log.info("export step kept: %s", name)
            return kept
        made = make()
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, sha256(made).digest() + made)
        return made

    def of(
        self,
        name: str,
        given: Iterable[object],
        form: TypeAdapter[_Result],
        make: Callable[[], _Result],
    ) -> _Result:
        """Return the result of a step, as ``bytes_of`` does. form: how it is written as JSON."""
        if self._folder is None:
            return make()
        # By way of Python's JSON, which writes figures that are not a number.
        data = self.bytes_of(
            name, given, lambda: json.dumps(form.dump_python(make(), mode="json")).encode()
        )
        return form.validate_json(data)

    def clear(self) -> None:
        """Delete every kept step."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _key(self, given: Iterable[object]) -> str:
        digest = sha256(self._inputs.encode())
        for each in given:
            part = each if isinstance(each, bytes) else repr(each).encode()
            digest.update(sha256(part).digest())
        return digest.hexdigest()[:32]


NOTHING_KEPT = KeptSteps(None, "")


def steps_of(run: Run, samples: Iterable[Sample], settings: object) -> KeptSteps:
    """Return the kept steps of a run. Blocks for reading every picture and mask once.

    samples: all that the export may read. settings: of the export; their ``repr`` counts.
    """
    return KeptSteps(run.folder, inputs_of(run, samples, settings))


def inputs_of(run: Run, samples: Iterable[Sample], settings: object) -> str:
    """Return the SHA-256 of all that work on a run follows from, in hexadecimal digits.

    That is the run, the pictures and masks of ``samples``, the ``repr`` of the settings, the code
    and the versions of libraries. Blocks for reading every picture and mask once.
    """
    digest = sha256(repr(settings).encode())
    for part in (*_versions(), _code_sha256()):
        digest.update(part.encode())
    files = [run.record_path, run.result_path, run.detector_path, run.detector_file]
    for path in (*files, run.classifier_path, *_annotated(samples, digest.update)):
        digest.update(path.name.encode() + b"\0")
        if path.is_file():
            digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _annotated(samples: Iterable[Sample], note: Callable[[bytes], None]) -> Iterator[Path]:
    """Yield the files of samples, and note what is known of each beside its files."""
    for sample in samples:
        note(repr((sample.name, sample.kinds, sample.boxes, sample.shapes)).encode())
        yield sample.image_path
        for mask in sample.masks:
            note(repr((mask.kind, mask.colours, mask.dark, mask.nonzero)).encode())
            yield mask.path


def _versions() -> Iterator[str]:
    for name in _LIBRARIES:
        try:
            yield f"{name}={version(name)};"
        except PackageNotFoundError:
            yield f"{name};"


@cache
def _code_sha256() -> str:
    """Return the hash of the code, so that a changed program reuses nothing of the earlier one."""
    digest = sha256()
    for package in _CODE:
        for path in sorted((_ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_DIGEST_BYTES:]
    return content if sha256(content).digest() == data[:_DIGEST_BYTES] else None
