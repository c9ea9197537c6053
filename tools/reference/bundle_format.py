"""The page of the bundle's format: file, seal, and every key of the manifest."""

from __future__ import annotations

import inspect
from typing import Any

from edge.bundle.manifest import Manifest
from tools.reference.markdown import default_text, generated, table, type_text

_INTRODUCTION = """\
A bundle, `NAME.outfeed`, holds everything that a station needs to judge parts: networks,
thresholds, kinds of defects, golden frames and a certificate. It is one file. `make export` writes
it, and `outfeed bundle show` prints what it holds.

## The file

A bundle is a zip archive in one fixed form. Files are stored without compression, one behind the
other, `manifest.json` first and the others by name, with fixed time stamps and modes. A file that
differs from this form in one byte is refused, so there is no place for hidden data. Any zip tool
reads it.

The last 256 characters are the seal:

| characters | content |
| --- | --- |
| 1 to 64 | SHA-256 of every byte before the seal, in hex digits |
| 65 to 128 | the signer's public key (Ed25519); dashes in an unsigned bundle |
| 129 to 256 | the Ed25519 signature (RFC 8032) over a prefix and all before; or dashes |

Signing changes nothing else, and the bundle keeps its id. Both are verified before anything is
parsed. See [decision 13](../decisions/0013-signed-bundles.md).

## The files inside

| file | content |
| --- | --- |
| `manifest.json` | everything the bundle states about itself; the keys are below |
| `.onnx`, `.tflite` | the same networks as builds for different engines, int8 or float32 |
| `certificate.json` | how each build of this bundle compares with torch |
| `golden/*.png` | golden frames, which a station must reproduce |
| `reference.json` | numbers of the training pictures, by which a station notices drift |

## The manifest

The manifest is JSON in one canonical form: sorted keys, each once, indented by one space, no NaN.
"""


def page() -> str:
    """Return the page as Markdown."""
    schema = Manifest.model_json_schema(mode="validation")
    definitions: dict[str, Any] = schema.get("$defs", {})
    parts = [generated("Bundle format", _INTRODUCTION)]
    parts.append(f"### Manifest\n\n{_section(schema, definitions, Manifest.__doc__)}")
    for name in sorted(definitions):
        part = definitions[name]
        if part.get("type") == "object":
            section = _section(part, definitions, part.get("description"))
            parts.append(f"### {name}\n\n{section}")
    return "\n".join(parts)


def _section(schema: dict[str, Any], definitions: dict[str, Any], text: str | None) -> str:
    required = schema.get("required", [])
    rows = [
        [f"`{key}`", _type(field, definitions), default_text(field, required=key in required)]
        for key, field in schema["properties"].items()
    ]
    words = inspect.cleandoc(text or "")
    return f"{words}\n\n{table(['key', 'type and limits', 'default'], rows)}"


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the type; an object of the manifest by its name, which is a heading of the page."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        is_object = definitions[name].get("type") == "object"
        return f"`{name}`" if is_object else type_text(field, definitions)
    if "anyOf" in field:
        return " or ".join(
            "none" if one.get("type") == "null" else _type(one, definitions)
            for one in field["anyOf"]
        )
    if field.get("type") == "array" and "items" in field:
        return f"list of {_type(field['items'], definitions)}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"table of {_type(field['additionalProperties'], definitions)}"
    return type_text(field, definitions)
