"""The import contract `allowed`: a list of the modules that one package may import of another.

import-linter knows contracts that forbid modules. A new module would then be allowed until someone
adds it. This contract refuses every module of `package` that the list does not name.
"""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class AllowedContract(Contract):
    """Refuse imports of a package that the list does not name.

    source_modules: packages whose modules are checked, with all modules below them.
    package: the package that they import from.
    allowed_modules: modules of that package that they may import, with all modules below them. The
    package itself stands for its own `__init__.py` only.

    Only direct imports are checked: an allowed module may itself import any module. Imports below
    `if TYPE_CHECKING` count. An entry that no source module imports is an error, so that the list
    does not grow stale."""

    type_name = "allowed"

    source_modules = fields.SetField(subfield=fields.StringField())
    package = fields.StringField()
    allowed_modules = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Return the imports that the list does not name, and the entries that nothing needs."""
        allowed = sorted(str(name) for name in self.allowed_modules)  # type: ignore[attr-defined]
        used: set[str] = set()
        refused: list[str] = []
        for module in sorted(graph.modules):
            if not _below(module, self.source_modules):  # type: ignore[arg-type]
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(module)):
                if not _below(imported, {str(self.package)}):
                    continue
                entries = [entry for entry in allowed if self._allows(entry, imported)]
                used.update(entries)
                if not entries:
                    refused.append(f"{module} imports {imported}")
        unused = [entry for entry in allowed if entry not in used]
        return ContractCheck(
            kept=not refused and not unused, metadata={"refused": refused, "unused": unused}
        )

    def _allows(self, entry: str, imported: str) -> bool:
        if entry == str(self.package):
            return imported == entry
        return _below(imported, {entry})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each refused import and for each entry that nothing needs."""
        for line in check.metadata["refused"]:
            output.print_error(f"{line}, which is not in allowed_modules")
        for entry in check.metadata["unused"]:
            output.print_error(f"{entry} is in allowed_modules, but no source module imports it")


def _below(module: str, packages: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)
