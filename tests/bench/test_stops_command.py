"""The short run of `python -m bench.stops`, and that it sees what is wrong."""

from bench import stops
from edge.rejector.outcomes import Outcomes


def test_every_part_in_an_open_ejector_is_reported(capsys):
    assert stops.main(["--stops", "5", "--who", "both", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert "unreported 0" in out
    assert "ejected overrun" in out


def test_reports_of_what_was_ordered_are_found_to_be_wrong(capsys, monkeypatch):
    monkeypatch.setattr(Outcomes, "passed", lambda self, report, now_ns: [report])
    assert stops.main(["--stops", "5", "--who", "both", "--seed", "3"]) == 1
    assert "WRONG" in capsys.readouterr().out
