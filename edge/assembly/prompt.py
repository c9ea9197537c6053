"""The person at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Terminal:
    """Asks on standard output, reads standard input. Its end is an answer too: nobody is there any
    more, and nobody is asked again. agrees: --yes, which confirms without asking."""

    def __init__(self, *, agrees: bool = False, read: Callable[[str], str] = input) -> None:
        self.present = True
        self._agrees = agrees
        self._read = read

    def confirm(self, text: str) -> bool:
        if self._agrees:
            return True
        answer = self._ask(f"{text} [Enter, or n] ")
        return answer is not None and answer not in ("n", "no")

    def choose(self, text: str, answers: Sequence[str]) -> str | None:
        """An unambiguous beginning of an answer is that answer."""
        while (given := self._ask(f"{text} [{'/'.join(answers)}] ")) is not None:
            meant = [answer for answer in answers if given and answer.startswith(given)]
            if len(meant) == 1:
                return meant[0]
        return None

    def _ask(self, text: str) -> str | None:
        if not self.present:
            return None
        try:
            return self._read(text).strip().lower()
        except EOFError:
            self.present = False
            return None
