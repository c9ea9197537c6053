"""Figures about the language and the structure of the repository: `python -m tools.language`.

The rules are those of CONTRIBUTING.md. The banned words stand in docs/reference/words.toml,
beside the glossary.
"""
