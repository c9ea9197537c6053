"""The sections [alarms] and [backup] of central.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from central.backup.service import DrillService
from central.config.central import CentralConfig, parse_central
from central.service import ServiceParts, start_service
from edge.errors import ConfigError
from edge.watchdog import SILENT
from tests.support.brokers import free_port, wait_for


def parse(text: str) -> CentralConfig:
    return parse_central(text, Path("/etc/outfeed/central.toml"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('webhook_url = "ftp://example.com"', "webhook_url"),
        ('webhook_url = "https://"', "webhook_url"),
        ('webhook_url = "http://a b"', "webhook_url"),
        ('webhook_secret_file = "x"', "needs webhook_url"),
        ('mail_to = ["ada@example.com"]', "need mail_host"),
        ('escalate_to = ["ada@example.com"]', "need mail_host"),
        ('mail_host = "m"', "needs mail_to"),
        ('mail_host = "m"\nmail_to = ["ada"]', "mail_to"),
        ('mail_host = "m"\nmail_to = ["a@b, c@d"]', "mail_to"),
        ('mail_host = "m"\nmail_to = ["a@b"]\nmail_from = "x"', "mail_from"),
        ('mail_host = "m"\nmail_to = ["a@b"]\nmail_username = "x"', "need each other"),
        ('mail_host = "m"\nmail_to = ["a@b"]\nmail_tls = "ssl"', "mail_tls"),
        ("mail_port = 0", "mail_port"),
        ("interval_s = 0", "interval_s"),
    ],
)
def test_a_wrong_key_of_alarms_is_named(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as error:
        parse(f"[alarms]\n{text}\n")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("/etc/outfeed/central.toml: ")


def test_paths_begin_at_the_folder_of_the_file() -> None:
    config = parse(
        '[alarms]\nwebhook_url = "https://a.example"\nwebhook_secret_file = "w"\nmail_host = "m"\n'
        'mail_to = ["a@b"]\nmail_username = "u"\nmail_password_file = "p"\n'
        '[backup]\nfolder = "copies"\nhourly = 0\ndaily = 30\n'
    )
    folder = Path("/etc/outfeed")
    assert config.alarms.webhook_secret_file == folder / "w"
    assert config.alarms.mail_password_file == folder / "p"
    assert config.backup.folder == folder / "copies"
    assert (config.backup.hourly, config.backup.daily) == (0, 30)


@pytest.mark.parametrize(
    "text", ["hourly = -1", "daily = 0", "daily = 400", 'folder = ["x"]', "drill_hours = -1"]
)
def test_a_wrong_key_of_backups_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=text.split(" ")[0]):
        parse(f"[backup]\n{text}\n")


def test_backups_are_of_sqlite() -> None:
    with pytest.raises(ConfigError, match=r"backup\.folder is for database\.kind sqlite"):
        parse('[database]\nkind = "postgresql"\n[backup]\nfolder = "copies"\n')
    with pytest.raises(ConfigError, match=r"backup\.pgbackrest_stanza is for .* postgresql"):
        parse('[backup]\npgbackrest_stanza = "outfeed"\n')
    with pytest.raises(ConfigError, match="pgbackrest_config needs pgbackrest_stanza"):
        parse('[backup]\npgbackrest_config = "pgbackrest.conf"\n')
    own = parse(
        '[database]\nkind = "postgresql"\n[backup]\npgbackrest_stanza = "outfeed"\n'
        'pgbackrest_config = "p.conf"\ndrill_folder = "scratch"\n'
    ).backup
    folder = Path("/etc/outfeed")
    assert own.pgbackrest_stanza == "outfeed"
    assert (own.pgbackrest_config, own.drill_folder) == (folder / "p.conf", folder / "scratch")


def test_drills_are_expected_where_there_are_backups() -> None:
    assert not parse("").backup.expects_drills
    assert parse('[backup]\nfolder = "copies"\n').backup.expects_drills
    assert not parse('[backup]\nfolder = "copies"\ndrill_hours = 0\n').backup.expects_drills
    kind = '[database]\nkind = "postgresql"\n'
    assert parse(f'{kind}[backup]\npgbackrest_stanza = "outfeed"\n').backup.expects_drills


def test_the_service_runs_alarms_backups_and_drills(tmp_path: Path) -> None:
    config = parse_central(
        f'[broker]\nport = {free_port()}\n[database]\npath = "central.db"\n'
        '[web]\nport = 0\naccounts = "off"\n[alarms]\ninterval_s = 0.2\n'
        '[backup]\nfolder = "copies"\n',
        tmp_path / "central.toml",
    )
    with start_service(config, ServiceParts(), SILENT) as service:
        copies = tmp_path / "copies"
        wait_for(lambda: len(list(copies.glob("central-*.db"))) == 2, "two copies", 60)
        drill = service.parts["drill"]
        assert isinstance(drill, DrillService)
        assert drill.is_running
        entry = drill.step()
        assert entry is not None
        assert entry.state == "good", entry.reason


def test_the_service_runs_no_drill_where_none_is_wanted(tmp_path: Path) -> None:
    config = parse_central(
        f'[broker]\nport = {free_port()}\n[web]\nport = 0\naccounts = "off"\n'
        '[backup]\nfolder = "copies"\ndrill_hours = 0\n',
        tmp_path / "central.toml",
    )
    with start_service(config, ServiceParts(), SILENT) as service:
        assert set(service.parts) == {"alarms", "backup"}
