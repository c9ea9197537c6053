"""station.toml: every key, and one line that names file and key for everything that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from edge.bundle import COMPATIBLE
from edge.config.station import StationConfig, load_config
from edge.errors import (
    BundleError,
    ConfigError,
    DeviceError,
    FrameError,
    InboxError,
    JournalError,
    OutfeedError,
    PictureError,
    StalledError,
    UsageError,
)
from tests.support.configurations import (
    BELT_OPTIONS,
    DRIFT_OPTIONS,
    PI,
    PICTURE_OPTIONS,
    REQUIRED,
    SMALLEST,
    STREAM,
    V4L2,
    load,
    with_section,
)
from tests.support.keys import TRUST


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.toml"


def refusal(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def test_the_smallest_file(path: Path) -> None:
    config = load(path, SMALLEST)
    assert config.id == "press-1"
    assert config.line.on_unknown == "reject"  # the safe side, unasked
    assert config.output.safe_state == "inactive"
    assert config.engine.kind == "auto"
    assert config.engine.threads is None
    assert config.uplink.start is True


def test_nothing_is_trusted_unasked(path: Path) -> None:
    trust = load(path, SMALLEST).trust
    assert (trust.keys, trust.allow_downgrade) == ((), False)
    assert trust.compatible == COMPATIBLE


def test_relative_paths_begin_at_the_files_folder(path: Path, tmp_path: Path) -> None:
    text = SMALLEST + f'[trust]\nkeys = ["keys/zoo.pub", "{TRUST}"]\n'
    text += '[uplink]\nusername = "a"\npassword_file = "secret"\ntls_ca = "/etc/ca.pem"\n'
    config = load(path, text)
    assert config.bundle == tmp_path / "models/tiles.outfeed"
    assert config.state_dir == tmp_path / "state"
    assert config.camera.path == tmp_path / "frames"
    assert config.paths.journal == tmp_path / "state" / "journal.sqlite"
    assert config.paths.cursor == tmp_path / "state" / "uplink.json"
    assert config.paths.pictures == tmp_path / "state" / "pictures"
    assert config.paths.bundles == tmp_path / "state" / "bundles"
    assert config.paths.inbox == tmp_path / "state" / "inbox"
    assert config.paths.accepted_bundles == tmp_path / "state" / "bundles.json"
    assert config.trust.keys == (tmp_path / "keys/zoo.pub", TRUST)
    assert config.uplink.password_file == tmp_path / "secret"
    assert config.uplink.tls_ca == Path("/etc/ca.pem")
    assert config.uplink.tls_cert is None


# Section, key, TOML value, what the model then holds; every key that is not in SMALLEST.
OPTIONS: list[tuple[str, str, str, Any]] = [
    ("camera", "loop", "true", True),
    ("line", "pulse_ms", "5.5", 5.5),
    ("line", "debounce_ms", "3", 3.0),
    ("line", "on_unknown", '"pass"', "pass"),
    ("line", "purge_at_start", "false", False),
    ("line", "require_commission", "true", True),
    ("trust", "keys", f'["{TRUST}", "/a/b.pub"]', (TRUST, Path("/a/b.pub"))),
    ("trust", "compatible", '"press-line"', "press-line"),
    ("trust", "allow_downgrade", "true", True),
    ("trigger", "kind", '"belt"', "belt"),
    ("trigger", "rate_hz", "25", 25.0),
    ("trigger", "jitter", "0.2", 0.2),
    ("trigger", "parts", "12", 12),
    ("trigger", "seed", "3", 3),
    ("trigger", "ejector_at", "510", 510.0),
    ("engine", "kind", '"openvino"', "openvino"),
    ("engine", "precision", '"float32"', "float32"),
    ("engine", "providers", '["CUDAExecutionProvider"]', ("CUDAExecutionProvider",)),
    ("engine", "threads", "4", 4),
    ("output", "kind", '"simulated"', "simulated"),
    ("output", "safe_state", '"active"', "active"),
    ("output", "realtime_priority", "0", 0),
    ("output", "silence_ms", "800", 800),
    ("output", "record", '"/var/tmp/edges"', Path("/var/tmp/edges")),
    ("watchdog", "stage_s", "1.5", 1.5),
    ("watchdog", "journal_s", "60", 60.0),
    ("journal", "commit_interval_ms", "200", 200.0),
    ("journal", "max_mb", "1.5", 1.5),
    ("uplink", "start", "false", False),
    ("uplink", "host", '"broker.example"', "broker.example"),
    ("uplink", "port", "8883", 8883),
    ("uplink", "protocol", '"3.1.1"', "3.1.1"),
    ("uplink", "keepalive_s", "60", 60),
    ("uplink", "topic_prefix", '"plant/a"', "plant/a"),
    ("uplink", "username", '"station"', "station"),
    ("uplink", "connect_timeout_s", "2.5", 2.5),
    ("uplink", "max_inflight", "10", 10),
    ("uplink", "retry_max_s", "3", 3.0),
]
# Keys of one kind of device: section, what the section must say besides, key, value, what is held.
GPIO = 'kind = "gpio"\nchip = "pinctrl-rp1"\nline = 17\n'
DEVICES: list[tuple[str, str, str, str, Any]] = [
    *(
        ("trigger", GPIO, key, value, held)
        for key, value, held in [
            ("chip", '"/dev/gpiochip4"', "/dev/gpiochip4"),
            ("line", '"GPIO17"', "GPIO17"),
            ("line", "17", 17),
            ("active_low", "true", True),
            ("edge", '"falling"', "falling"),
            ("bias", '"pull-up"', "pull-up"),
            ("debounce_us", "500", 500),
        ]
    ),
    *(
        ("output", GPIO, key, value, held)
        for key, value, held in [
            ("chip", '"tegra234-gpio"', "tegra234-gpio"),
            ("line", '"PQ.05"', "PQ.05"),
            ("active_low", "true", True),
            ("drive", '"open-drain"', "open-drain"),
            ("safe_state", '"active"', "active"),
        ]
    ),
    *(
        ("camera", PI, key, value, held)
        for key, value, held in [
            ("index", "1", 1),
            ("pixel_format", '"bgr"', "bgr"),
            ("colour_gains", "[2, 1.5]", (2.0, 1.5)),
        ]
    ),
    *(
        ("camera", V4L2, key, value, held)
        for key, value, held in [
            ("device", '"/dev/v4l/by-id/cam"', Path("/dev/v4l/by-id/cam")),
            ("width", "1280", 1280),
            ("height", "720", 720),
            ("pixel_format", '"mjpeg"', "mjpeg"),
            ("rate_hz", "60", 60.0),
            ("exposure_us", "250", 250),
            ("gain", "8", 8.0),
            ("triggered", "true", True),
            ("latency_ms", "3.5", 3.5),
            ("early_ms", "0.2", 0.2),
            ("exposed_within_ms", "40", 40.0),
            ("timeout_ms", "500", 500.0),
            ("retry_max_s", "60", 60.0),
        ]
    ),
    ("camera", STREAM, "least_latency_ms", "60", 60.0),
    ("camera", STREAM, "url", '"http://cam/stream.mjpg"', "http://cam/stream.mjpg"),
]
TOGETHER = {"state_dir", "password_file", "tls_ca", "tls_cert", "tls_key"}  # below


@pytest.mark.parametrize(("section", "key", "value", "held"), OPTIONS)
def test_each_key_is_taken(path: Path, section: str, key: str, value: str, held: Any) -> None:
    head = f"[{section}]\n"
    text = SMALLEST if head in SMALLEST else SMALLEST + head
    config = load(path, text.replace(head, f"{head}{key} = {value}\n"))
    assert getattr(getattr(config, section), key) == held


@pytest.mark.parametrize(("section", "kind", "key", "value", "held"), DEVICES)
def test_each_key_of_a_device_is_taken(
    path: Path, section: str, kind: str, key: str, value: str, held: Any
) -> None:
    lines = "".join(line for line in kind.splitlines(True) if not line.startswith(f"{key} ="))
    text = with_section(section, f"{lines}{key} = {value}\n")
    assert getattr(getattr(load(path, text), section), key) == held


@pytest.mark.parametrize(
    ("section", "lines", "said"),
    [
        ("camera", f"{PI}path = 'a'", "path is of kind files and video; kind is pi"),
        ("camera", f"{STREAM}gain = 1", "gain is of kind pi and v4l2; kind is stream"),
        (
            "camera",
            "kind = 'files'\npath = 'a'\nearly_ms = 1",
            "early_ms is of kind pi and v4l2 and",
        ),
        ("camera", "kind = 'files'", "kind files needs path"),
        ("camera", "kind = 'v4l2'\nwidth = 64", "kind v4l2 needs device and height"),
        ("camera", "kind = 'stream'\nurl = 'rtsp://a'", "kind stream needs latency_ms"),
        ("camera", f"{STREAM}least_latency_ms = 81", "least_latency_ms is above latency_ms"),
        (
            "camera",
            f"{PI}pixel_format = 'yuyv'",
            "pixel_format yuyv is not of kind pi: bgr or grey",
        ),
        ("camera", f"{PI}gain = 2", "of kind pi, exposure_us and gain come together"),
        ("trigger", "kind = 'gpio'\nchip = 'a'", "kind gpio needs line"),
        ("trigger", f"{GPIO}rate_hz = 5", "rate_hz is of kind belt; kind is gpio"),
        ("trigger", "edge = 'falling'", "edge is of kind gpio; kind is belt"),
        ("output", "kind = 'gpio'", "kind gpio needs chip and line"),
        ("output", "line = 3", "line is of kind gpio; kind is simulated"),
    ],
)
def test_keys_of_another_kind_and_keys_that_a_kind_needs(
    path: Path, section: str, lines: str, said: str
) -> None:
    line = refusal(path, with_section(section, f"{lines}\n"))
    assert line.startswith(f"key '{section}': {said}")
    assert "found" not in line


@pytest.mark.parametrize(("kind", "live"), [(PI, True), (V4L2, True), (STREAM, True), ("", False)])
def test_which_cameras_are_sensors(path: Path, kind: str, live: bool) -> None:
    assert load(path, with_section("camera", kind) if kind else SMALLEST).camera.live is live


def test_a_live_cameras_times_in_nanoseconds(path: Path) -> None:
    camera = load(
        path, with_section("camera", f"{PI}early_ms = 0.25\nexposed_within_ms = 40")
    ).camera
    assert (camera.early_ns, camera.within_ns) == (250_000, 40_000_000)
    assert load(path, with_section("camera", PI)).camera.within_ns is None


def test_no_key_is_left_out_above() -> None:
    told = {(section, key) for section, key, *_ in OPTIONS}
    told |= {("uplink", key) for key in TOGETHER}
    told |= {(section, key) for section, _, key, *_ in DEVICES}
    told |= {("camera", "kind"), ("camera", "path"), ("line", "budget_ms")}
    told |= {(section, key) for section, key, *_ in [*BELT_OPTIONS, *PICTURE_OPTIONS]} | REQUIRED
    told |= {("drift", key) for key, *_ in DRIFT_OPTIONS}
    held = {
        (section, key)
        for section, field in StationConfig.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields
    }
    assert held <= told


def test_the_camera_can_be_a_video(path: Path) -> None:
    text = SMALLEST.replace('kind = "files"', 'kind = "video"')
    assert load(path, text).camera.kind == "video"


def test_the_uplink_may_have_a_folder_of_its_own(path: Path, tmp_path: Path) -> None:
    assert load(path, SMALLEST).paths.uplink == tmp_path / "state"
    config = load(path, f'{SMALLEST}[uplink]\nstate_dir = "own"\n')
    assert config.paths.uplink == tmp_path / "own"
    assert config.paths.cursor == tmp_path / "own/uplink.json"
    assert config.paths.journal == tmp_path / "state/journal.sqlite"


def test_tls_and_login_in_full(path: Path, tmp_path: Path) -> None:
    keys = ["password_file", "tls_ca", "tls_cert", "tls_key"]
    lines = "".join(f'{key} = "{key}.pem"\n' for key in keys)
    uplink = load(path, f'{SMALLEST}[uplink]\nusername = "a"\n{lines}').uplink
    assert [getattr(uplink, key) for key in keys] == [tmp_path / f"{key}.pem" for key in keys]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "press-1"', "", "key 'id' is missing"),
        ("travel_ms = 500", "", "key 'line': expected travel_ms, or travel_counts"),
        ("budget_ms = 100", "budget = 100", "key 'line.budget_ms' is missing (and 1 more)"),
        ("[camera]", "[camera]\nlop = true", "unknown key 'camera.lop'"),
        ("id =", "colour = 1\nid =", "unknown key 'colour'"),
        ("[camera]", "[gpio]\n[camera]", "unknown key 'gpio'"),
        ('"press-1"', "5", "key 'id': input should be a valid string, found 5"),
        ('"press-1"', '"a/b"', "pattern '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$', found 'a/b'"),
        ('"press-1"', '"#"', "found '#'"),
        ('"press-1"', '""', "found ''"),
        ('"press-1"', f'"{"x" * 500}"', "xxx..."),
        ('bundle = "models/tiles.outfeed"', "bundle = 5", "key 'bundle': "),
        (
            "budget_ms = 100",
            'budget_ms = "100"',
            "key 'line.budget_ms': input should be a valid num",
        ),
        ("budget_ms = 100", "budget_ms = true", "key 'line.budget_ms': "),
        (
            "budget_ms = 100",
            "budget_ms = 0",
            "key 'line.budget_ms': input should be greater than or equal to 0.1",
        ),
        ("budget_ms = 100", "budget_ms = inf", "key 'line.budget_ms': input should be a finite"),
        ("budget_ms = 100", "budget_ms = nan", "key 'line.budget_ms': input should be a finite"),
        ("budget_ms = 100", "budget_ms = 500", "must be below travel_ms (500)"),
        (
            'kind = "files"',
            'kind = "gige"',
            "key 'camera.kind': input should be 'files', 'video', 'pi', 'v4l2' or 'stream'",
        ),
        ("[line]", "[engine]\nthreads = 1.5\n[line]", "key 'engine.threads': "),
        (
            "[line]",
            "[trust]\nkeys = 'zoo.pub'\n[line]",
            "key 'trust.keys': input should be a valid",
        ),
        (
            "[line]",
            "[trust]\nkeys = ['']\n[line]",
            "key 'trust.keys': a key is a text, ed25519: and",
        ),
        (
            "[line]",
            "[trust]\nkeys = [5]\n[line]",
            "key 'trust.keys': a key is a text, ed25519: and",
        ),
        (
            "[line]",
            "[trust]\nkeys = ['ed25519:12']\n[line]",
            "key 'trust.keys': a key is ed25519: and 64 hex digits, found",
        ),
        ("[line]", "[trust]\ncompatible = 'a b'\n[line]", "key 'trust.compatible': string should"),
        ("[line]", "[trust]\nallow_downgrade = 1\n[line]", "key 'trust.allow_downgrade': "),
        ("[line]", "[engine]\nthreads = 0\n[line]", "key 'engine.threads': "),
        ("[line]", "[engine]\nkind = 'tpu'\n[line]", "key 'engine.kind': input should be 'auto', "),
        ("[line]", "[engine]\nprecision = 'int4'\n[line]", "'int8' or 'float32', found 'int4'"),
        ("[line]", "[engine]\nproviders = 'CUDA'\n[line]", "key 'engine.providers': "),
        ("[line]", "[engine]\nproviders = ['CUDA']\n[line]", "key 'engine.providers.0': "),
        ("[line]", "[line]\non_unknown = 'Pass'", "'reject' or 'pass', found 'Pass'"),
        ("[line]", "[uplink]\nport = 70000\n[line]", "key 'uplink.port': "),
        ("[line]", "[output]\nsilence_ms = 100\n[line]", "key 'output.silence_ms': "),
        ("[line]", "[watchdog]\nstage_s = 0\n[line]", "key 'watchdog.stage_s': "),
        ("[line]", "[watchdog]\njournal_s = 0\n[line]", "key 'watchdog.journal_s': "),
        (
            "travel_ms = 500\nbudget_ms = 100",
            "travel_ms = 9000\nbudget_ms = 2000",
            "watchdog.stage_s must be two budgets at least",
        ),
        ("[line]", "[uplink]\ntopic_prefix = 'a/#'\n[line]", "key 'uplink.topic_prefix': "),
        ("[line]", "[trigger]\njitter = 1\n[line]", "key 'trigger.jitter': "),
        ("[line]", '"a\\nb" = 1\n[line]', "unknown key 'camera.a\\nb'"),
        ("id =", "line = 3\nid =", "is not TOML"),  # then [line] again
        ("travel_ms = 500", "travel_ms = ", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(path: Path, old: str, new: str, said: str) -> None:
    assert SMALLEST.count(old) == 1
    assert said in refusal(path, SMALLEST.replace(old, new))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("password_file = 'secret'", "key 'uplink': password_file needs a username"),
        ("tls_cert = 'a'\ntls_ca = 'b'", "key 'uplink': tls_cert and tls_key come together"),
        ("tls_key = 'a'\ntls_ca = 'b'", "key 'uplink': tls_cert and tls_key come together"),
        (
            "[engine]\nkind = 'litert'\nproviders = ['CPUExecutionProvider']",
            "key 'engine': providers are ONNX Runtime's; kind is litert",
        ),
        ("tls_cert = 'a'\ntls_key = 'b'", "key 'uplink': tls_cert needs tls_ca: there is no TLS"),
    ],
)
def test_keys_that_need_each_other(path: Path, lines: str, said: str) -> None:
    line = refusal(path, f"{SMALLEST}[uplink]\n{lines}\n")
    assert line.startswith(said)
    assert "found" not in line  # a whole section would follow


def test_a_file_that_is_no_text_no_file_or_not_there(path: Path, tmp_path: Path) -> None:
    assert refusal(path, b"id = '\xff'") == "is not UTF-8 text"
    assert refusal(path, "").endswith("(and 4 more)")
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_a_byte_order_mark_is_no_fault(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert load_config(path).id == "press-1"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OutfeedError, 1),
        (UsageError, 2),
        (ConfigError, 78),
        (BundleError, 1),
        (FrameError, 1),
        (DeviceError, 1),
        (JournalError, 1),
        (PictureError, 1),
        (InboxError, 1),
        (StalledError, 1),
    ],
)
def test_each_error_has_its_exit_status(error: type[OutfeedError], status: int) -> None:
    assert issubclass(error, OutfeedError)
    assert error.exit_status == status
