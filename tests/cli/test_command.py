"""The command itself: help, what it loads, exit statuses, logging."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel

import edge
from edge import __main__ as command
from edge.config.camera import CameraConfig
from edge.config.ejector_eye import EjectorEyeConfig
from edge.config.encoder import EncoderConfig
from edge.config.output import OutputConfig
from edge.config.section import ConfigSection
from edge.config.station import StationConfig, load_config
from edge.config.trigger import TriggerConfig
from tests.cli.conftest import Outfeed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(edge.__file__).parents[1]
EXAMPLE = ROOT / "firmware-config/station.toml"


def _commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command and group below this one, by the words that call it."""
    for name, below in getattr(command, "commands", {}).items():
        yield f"{path}{name}", below
        yield from _commands(below, f"{path}{name} ")


COMMANDS = dict(_commands(typer.main.get_command(command.app)))
OPTIONS = [
    pytest.param(path, option, id=f"{path} {option.opts[0]}".strip())
    for path, below in {"": typer.main.get_command(command.app), **COMMANDS}.items()
    for option in below.params
    if not option.hidden
]


def test_help_names_every_command(outfeed: Outfeed) -> None:
    names = [path for path in COMMANDS if " " not in path]
    assert len(names) == 19
    result = outfeed("--help")
    assert result.status == 0
    for name in names:
        assert re.search(rf"^\W*{name} ", result.out, re.MULTILINE)


@pytest.mark.parametrize("path", COMMANDS)
def test_each_command_has_help(outfeed: Outfeed, path: str) -> None:
    assert COMMANDS[path].help
    result = outfeed(*path.split(), "--help")
    assert result.status == 0
    assert f"Usage: outfeed {path}" in " ".join(result.out.split())


@pytest.mark.parametrize(("path", "option"), OPTIONS)
def test_each_option_and_argument_has_help(path: str, option: Any) -> None:
    assert (option.help or "").strip(), f"outfeed {path}: {option.opts[0]} has no help"


def test_version(outfeed: Outfeed) -> None:
    assert outfeed("--version").out == f"outfeed {edge.__version__}\n"


def test_help_loads_no_engine_and_nothing_of_the_workstation() -> None:
    code = (
        "import sys\nfrom edge.__main__ import main\nmain(['--help'])\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(said.stdout.splitlines()[-1].split())
    heavy = {"torch", "onnx", "pandas", "sklearn", "scipy", "matplotlib", "models", "export"}
    assert not loaded & (heavy | {"cv2", "numpy", "onnxruntime", "paho", "pydantic", "sqlite3"})


def test_a_station_loads_nothing_of_the_workstation() -> None:
    code = (
        "import sys, edge.assembly.station, edge.inspection.run\n"
        "import edge.benchmark.timing, edge.demo.run\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = {"torch", "onnx", "pandas", "sklearn", "scipy", "matplotlib", "models", "export"}
    assert not set(said.stdout.split()) & heavy


def test_usage_is_status_2(outfeed: Outfeed) -> None:
    assert outfeed("no-such-command").status == 2
    assert outfeed("inspect", "--no-such-option").status == 2
    both = outfeed("--verbose", "--quiet", "bundle", "show", "x")
    assert (both.status, "exclude each other" in both.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ((), logging.WARNING),
        (("--verbose",), logging.DEBUG),
        (("--quiet",), logging.ERROR),
    ],
)
def test_logging_follows_the_options(
    outfeed: Outfeed, bundle: Path, options: tuple[str, ...], level: int
) -> None:
    assert outfeed(*options, "bundle", "verify", bundle).status == 0
    assert logging.getLogger().level == level
    assert [h.name for h in logging.getLogger().handlers].count("outfeed") == 1


def test_a_service_logs_what_it_does(outfeed: Outfeed, tmp_path: Path) -> None:
    assert outfeed("run", "--config", tmp_path / "absent.toml").status == 78
    assert logging.getLogger().level == logging.INFO


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch, bundle: Path) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("edge.cli.bundle_table.manifest_table", broken)
    with pytest.raises(ZeroDivisionError):
        command.main(["bundle", "show", str(bundle)])


def test_an_error_stays_one_line(outfeed: Outfeed, tmp_path: Path) -> None:
    name = tmp_path / "two\nlines.outfeed"
    assert "two lines.outfeed" in outfeed("bundle", "verify", name).line


def test_the_example_configuration_is_valid() -> None:
    config = load_config(EXAMPLE)
    assert config.state_dir == Path("/var/lib/outfeed")
    assert config.bundle == EXAMPLE.parent / "tiles-1.4.outfeed"


def test_the_example_configuration_names_every_key_with_its_default() -> None:
    """With every commented key switched on, it is still a configuration, and lacks none: once with
    the keys in milliseconds, once with those in counts that replace them."""
    text = EXAMPLE.read_text(encoding="utf-8")
    text = re.sub(r"^# ((?:\w+ = .*)|\[\w+\])$", r"\1", text, flags=re.M)
    by_time = tomllib.loads(text)
    text = re.sub(r"^(travel|min_spacing|to_ejector|tolerance)_ms = .*$", "", text, flags=re.M)
    text = re.sub(r"^purge_at_start = .*$", "", text, flags=re.M)  # [encoder] has its own
    by_counts = tomllib.loads(re.sub(r"^## (.*)$", r"\1", text, flags=re.M))
    optional = {"parts", "chip", "line", "device", "url", "width", "height", "pixel_format"}
    optional |= {"line_a", "line_b", "ejector_at"}
    optional |= {"camera.rate_hz", "exposure_us", "gain", "latency_ms", "exposed_within_ms"}
    optional |= {"path", "username", "password_file", "tls_ca", "tls_cert", "tls_key"}
    optional |= {"precision", "threads", "providers", "keys", "operator_keys", "loop"}
    optional |= {"record", "accept"}
    optional |= {"parts_per_month", "uplink.state_dir", "people", "page.state_dir"}
    optional |= {f"{key}_{unit}" for key in ("travel", "min_spacing") for unit in ("ms", "counts")}
    optional |= {
        f"{key}_{unit}" for key in ("to_ejector", "tolerance") for unit in ("ms", "counts")
    }
    for written in (by_time, by_counts):
        config = StationConfig.model_validate(plain(written))
        for name in StationConfig.model_fields:
            section = getattr(config, name)
            if not isinstance(section, BaseModel):
                assert name in written or (name, written) == ("encoder", by_time)
                continue
            both = {*by_time.get(name, ()), *by_counts[name]}
            assert both == set(type(section).model_fields), name
            for key, inner in type(section).model_fields.items():
                if not {key, f"{name}.{key}"} & optional and not inner.is_required():
                    is_list = key in ("colour_gains", "measures", "shifts")
                    default = list(inner.default) if is_list else inner.default
                    assert both_of(by_time, by_counts, name)[key] == default, f"{name}.{key}"
        # A section with kinds is one for each of them, with the keys that it has.
        for kind in get_args(CameraConfig.model_fields["kind"].annotation):
            camera = of_kind(written["camera"], CameraConfig, kind)
            StationConfig.model_validate({**plain(written), "camera": camera})
        for kind in get_args(OutputConfig.model_fields["kind"].annotation):
            output = of_kind(written["output"], OutputConfig, kind)
            StationConfig.model_validate({**plain(written), "output": output})
        wired = {"trigger": of_kind(written["trigger"], TriggerConfig, "gpio")}
        for name, section in BELT_SECTIONS.items():
            if name in written:
                wired[name] = of_kind(written[name], section, "gpio")
        StationConfig.model_validate({**plain(written), **wired})


BELT_SECTIONS = {"encoder": EncoderConfig, "ejector_eye": EjectorEyeConfig}


def both_of(by_time: dict[str, Any], by_counts: dict[str, Any], name: str) -> dict[str, Any]:
    """A section's keys in either form."""
    return {**by_time.get(name, {}), **by_counts[name]}


def of_kind(written: dict[str, Any], section: type[ConfigSection], kind: str) -> dict[str, Any]:
    """The keys of a section that this kind has."""
    keys = {
        key: value for key, value in written.items() if kind in section.only.get(key, kind).split()
    }
    return {**keys, "kind": kind}


def plain(written: dict[str, Any]) -> dict[str, Any]:
    """With the first kind of each section that has kinds."""
    sections = dict(written)
    for name, section in BELT_SECTIONS.items():
        if name in written:
            sections[name] = of_kind(written[name], section, "simulated")
    sections["camera"] = of_kind(written["camera"], CameraConfig, "files")
    sections["trigger"] = of_kind(written["trigger"], TriggerConfig, "belt")
    sections["output"] = of_kind(written["output"], OutputConfig, "simulated")
    return sections


@pytest.mark.parametrize("value", ["nan", "-nan", "inf", "-inf", "1e300", "1e13"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("bench", "-b", "x", "--seconds"),
        ("doctor", "-c", "x", "--timeout-s"),
        ("commission", "-c", "x", "--wait-s"),
        ("commission", "-c", "x", "--rate-hz"),
        ("disk-usage", "-c", "x", "--tbw"),
        ("inspect", ".", "-b", "x", "--threshold"),
        ("demo", ".", "--rate"),
    ],
)
def test_numbers_that_no_clock_can_wait_for(
    outfeed: Outfeed, arguments: tuple[str, ...], value: str
) -> None:
    result = outfeed(*arguments, value)
    assert result.status == 2
    assert "Traceback" not in result.err
    assert arguments[-1] in result.err
