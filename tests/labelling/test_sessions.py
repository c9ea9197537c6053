"""Pictures that people have open."""

from edge.labelling.sessions import LEASE_S, MOST_SESSIONS, Sessions


class Now:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_page_holds_one_picture_until_it_leaves() -> None:
    sessions = Sessions(Now())
    sessions.hold("a", "Ada", "1.png")
    assert sessions.others("b") == {"1.png": "Ada"}
    assert sessions.others("a") == {}
    sessions.hold("a", "Ada", "2.png")
    assert sessions.others("b") == {"2.png": "Ada"}
    sessions.release("a")
    assert sessions.others("b") == {}


def test_a_page_that_does_not_report_loses_its_picture() -> None:
    now = Now()
    sessions = Sessions(now)
    sessions.hold("a", "Ada", "1.png")
    now.s = LEASE_S
    assert sessions.others("b") == {"1.png": "Ada"}
    sessions.hold("a", "Ada", "1.png")
    now.s += LEASE_S
    assert sessions.others("b") == {"1.png": "Ada"}
    now.s += 0.1
    assert sessions.others("b") == {}


def test_the_number_of_pages_is_bounded() -> None:
    now = Now()
    sessions = Sessions(now)
    for number in range(MOST_SESSIONS + 1):
        now.s = number / 1000
        sessions.hold(str(number), "Ada", f"{number}.png")
    held = sessions.others("")
    assert len(held) == MOST_SESSIONS
    assert "0.png" not in held
