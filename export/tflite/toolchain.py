"""Conversion of detector and classifier to TFLite files, in the environment of the tool chain.

The tool chain takes two gigabytes and needs other versions of libraries than a station. Therefore
`make export` builds the virtual environment .venv-tflite for it. worker.py runs there. It reads
each network as a program of torch.export, with the calibration frames in one file, and writes a
.tflite file.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ConfigDict, TypeAdapter, with_config

from edge.bundle.manifest import Precision
from export.errors import ExportError
from export.tflite.program import export_program, layer_paths
from models.networks import (
    PIXEL_SCALE,
    PIXEL_ZERO_POINT,
    SEVERITY_MAX,
    BlockClassifier,
    DetectorNetwork,
)

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-tflite"
# Names another Python with the tool chain of requirements.txt.
PYTHON_VARIABLE = "OUTFEED_TFLITE_PYTHON"
WORKER = Path(__file__).with_name("worker.py")
# The range of logits in int8. At ±8 the logistic is within 0.004 severity of its ends.
LOGIT_RANGE = (-8.0, 8.0)
# The range of a row of severity / 12, as of a logistic. The frames may not reach its ends.
ROW_RANGE = (0.0, 255 / 256)
PIXEL_RANGE = (-PIXEL_ZERO_POINT * PIXEL_SCALE, (255 - PIXEL_ZERO_POINT) * PIXEL_SCALE)
INT8_OFFSET = 128  # uint8 value = int8 value of the file + 128


@dataclass(frozen=True, slots=True)
class TfliteJob:
    """A network to convert, at one static shape.

    Jobs with the same network and shape share one conversion. Jobs with the same calibration object
    share one pass over it.

    Attributes:
        network: the network.
        channels: number of channels of its input, C.
        height: height of its input in pixels.
        width: width of its input in pixels.
        batch: number of inputs in one run.
        calibration: uint8 H×W or H×W×C, all height × width, read once and one at a time. Empty for
            float32.
        precision: "int8" or "float32".
        percentile: percentage of each tensor's values inside its range; None includes all.
        corrected: correct the biases for the rounding of the weights (decision 11).
        keep_float: layers that stay in float: the path of their module, or of a module that
            contains them ("head", "backbone.stages.0").
    """

    network: DetectorNetwork | BlockClassifier
    channels: int
    height: int
    width: int
    batch: int = 1
    calibration: Iterable[npt.NDArray[np.uint8]] = ()
    precision: Precision = "int8"
    percentile: float | None = None
    corrected: bool = True
    keep_float: tuple[str, ...] = ()


@with_config(ConfigDict(ser_json_bytes="base64", val_json_bytes="base64"))
@dataclass(frozen=True, slots=True)
class TfliteFile:
    """A TFLite file. Its input is int8 N×H×W×C: each pixel minus 128.

    Attributes:
        data: the bytes of the file. The output is N×h×w×1 severity or N×K logits, in int8, or in
            float32 for the precision float32.
        scale: severity or logit = scale * (value - zero_point). An int8 value is shifted by 128 to
            uint8 first.
        zero_point: see scale.
        floats: the operators that are computed in float.
    """

    data: bytes
    scale: float
    zero_point: int
    floats: tuple[str, ...]


FILES = TypeAdapter(dict[str, TfliteFile])  # the form in which converted files are kept


def convert(jobs: Mapping[str, TfliteJob]) -> dict[str, TfliteFile]:
    """Convert all jobs in one process of the other environment.

    Blocks for 4 s, and 10 s for each network. The same jobs give the same bytes. Raises ExportError
    where the environment is missing, the worker fails, or a file is not as requested.
    """
    python = tflite_python()
    with tempfile.TemporaryDirectory(prefix="outfeed-tflite-") as name:
        folder = Path(name)
        _write(folder, jobs)
        _work(python, folder)
        result = json.loads((folder / "result.json").read_text())
        return {
            name: _checked(name, job, result[name], (folder / f"{name}.tflite").read_bytes())
            for name, job in jobs.items()
        }


def tflite_python() -> Path:
    """Return the Python of the tool chain. Raises ExportError where it does not exist."""
    given = os.environ.get(PYTHON_VARIABLE)
    python = Path(given) if given else ENVIRONMENT / "bin" / "python"
    # An interrupted installation has no file .ready.
    if not python.is_file() or not (given or (ENVIRONMENT / ".ready").is_file()):
        raise ExportError(
            f"{python}: the TFLite tool chain is missing; `make export` builds it, or set "
            f"{PYTHON_VARIABLE} to a Python that has it"
        )
    return python


def _write(folder: Path, jobs: Mapping[str, TfliteJob]) -> None:
    programs: dict[tuple[Any, ...], str] = {}
    frames: dict[tuple[Any, ...], str] = {}
    networks = {}
    for name, job in jobs.items():
        int8 = job.precision == "int8"
        shape = (job.height, job.width, job.channels)
        pictures = (id(job.calibration), *shape)
        key = (id(job.network), *shape, job.batch, _clamped_by_range(job))
        if key not in programs:
            programs[key] = f"{len(programs)}.pt2"
            program = export_program(
                job.network,
                job.channels,
                job.height,
                job.width,
                job.batch,
                raw_severity=_clamped_by_range(job),
            )
            torch.export.save(program, folder / programs[key])
        if int8 and pictures not in frames:
            frames[pictures] = f"{len(frames)}.frames"
            _write_frames(folder / frames[pictures], job, shape, name)
        networks[name] = {
            "program": programs[key],
            "layers": layer_paths(job.network),
            "frames": frames[pictures] if int8 else None,
            "precision": job.precision,
            "percentile": job.percentile,
            "corrected": job.corrected,
            "keep_float": _float_layers(name, job),
            "raw_range": _raw_range(job),
            "row_range": ROW_RANGE if _is_row(job) else None,
        }
    description = {
        "torch": torch.__version__.partition("+")[0],
        "pixels": {"scale": PIXEL_SCALE, "zero_point": PIXEL_ZERO_POINT, "range": PIXEL_RANGE},
        "networks": networks,
    }
    (folder / "job.json").write_text(json.dumps(description))


def _write_frames(path: Path, job: TfliteJob, shape: tuple[int, ...], name: str) -> None:
    with path.open("wb") as file:
        for frame in job.calibration:
            if frame.dtype != np.uint8 or frame.size != np.prod(shape):
                raise ExportError(
                    f"{name}: a calibration frame is {frame.dtype} {frame.shape}; "
                    f"expected uint8 {shape}"
                )
            file.write(np.ascontiguousarray(frame).data)


def _float_layers(name: str, job: TfliteJob) -> list[str]:
    """Return the layers below the paths of keep_float. Raises ExportError for an unknown path."""
    layers, chosen = layer_paths(job.network), []
    for path in job.keep_float:
        under = [layer for layer in layers if f"{layer}.".startswith(f"{path}.")]
        if not under:
            raise ExportError(
                f"{name}: keep_float: no layer {path!r}; expected one of {', '.join(layers)}"
            )
        chosen += under
    return chosen


def _raw_range(job: TfliteJob) -> tuple[float, float] | None:
    if isinstance(job.network, BlockClassifier):
        return None
    return LOGIT_RANGE if job.network.logistic else (0.0, SEVERITY_MAX)


def _is_row(job: TfliteJob) -> bool:
    """Return true where the output is the row of a network with a decision head."""
    return isinstance(job.network, DetectorNetwork) and job.network.decides


def _clamped_by_range(job: TfliteJob) -> bool:
    """Return true where the range of the int8 output limits severity to 0 to 12."""
    network = job.network
    return job.precision == "int8" and isinstance(network, DetectorNetwork) and not network.logistic


def _work(python: Path, folder: Path) -> None:
    # -I excludes this project and the user's packages. -W hides deprecations in the libraries.
    command = [str(python), "-I", "-W", "ignore", str(WORKER), str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ExportError(f"{python}: {error.strerror}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        last = lines[-1].strip() if lines else f"exited with status {done.returncode}"
        raise ExportError(f"TFLite tool chain: {last}")


def _checked(name: str, job: TfliteJob, result: dict[str, Any], data: bytes) -> TfliteFile:
    """Return the file where it is as requested. Raises ExportError."""
    given, made = result["input"], result["output"]
    shape = [job.batch, job.height, job.width, job.channels]
    pixels = {
        "type": "INT8",
        "shape": shape,
        "scale": PIXEL_SCALE,
        "zero_point": PIXEL_ZERO_POINT - INT8_OFFSET,
    }
    if given != pixels:
        raise ExportError(f"{name}.tflite takes {given}; expected {pixels}")
    wanted = "INT8" if job.precision == "int8" else "FLOAT32"
    if made["type"] != wanted:
        raise ExportError(f"{name}.tflite gives {made['type']}; expected {wanted}")
    floats = tuple(result["floats"])
    if job.precision == "int8" and result["stray"]:
        raise ExportError(f"{name}.tflite is not all int8: {', '.join(result['stray'])}")
    detector = isinstance(job.network, DetectorNetwork)
    unit = SEVERITY_MAX if detector and not _clamped_by_range(job) else 1.0
    if job.precision == "float32":
        return TfliteFile(data, unit, 0, floats)
    return TfliteFile(data, unit * made["scale"], made["zero_point"] + INT8_OFFSET, floats)
