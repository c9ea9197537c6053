"""Time that tests move."""

MS = 1_000_000


class FakeClock:
    """A clock that moves when a caller sleeps, and by hand."""

    def __init__(self) -> None:
        self.ns = 1_000 * MS

    def now_ns(self) -> int:
        return self.ns

    def sleep_until_ns(self, due_ns: int) -> None:
        self.ns = max(self.ns, due_ns)
