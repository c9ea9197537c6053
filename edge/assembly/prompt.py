"""Questions to the operator at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Terminal:
    """Asks on standard output and reads answers from standard input. Blocks until an answer.

    After the end of standard input there is no operator, and no further question is asked.
    """

    def __init__(self, *, agrees: bool = False, read: Callable[[str], str] = input) -> None:
        """agrees: the option --yes, which confirms every question without asking."""
        self.present = True
        self._agrees = agrees
        self._read = read

    def confirm(self, text: str) -> bool:
        """Ask for a confirmation; return whether it was given."""
        if self._agrees:
            return True
        answer = self._ask(f"{text} [Enter, or n] ")
        return answer is not None and answer not in ("n", "no")

    def choose(self, text: str, answers: Sequence[str]) -> str | None:
        """Ask for one of the answers, of which the first letters are enough. None: no operator."""
        while (given := self._ask(f"{text} [{'/'.join(answers)}] ")) is not None:
            matches = [answer for answer in answers if given and answer.startswith(given)]
            if len(matches) == 1:
                return matches[0]
        return None

    def _ask(self, text: str) -> str | None:
        if not self.present:
            return None
        try:
            return self._read(text).strip().lower()
        except EOFError:
            self.present = False
            return None
