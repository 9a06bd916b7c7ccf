"""Write the JSON Schema of the messages of both pages, from which `src/lib/messages.ts` is generated.

Run from the repository's root: ``python -m web_ui.scripts.schema`` writes ``web_ui/schema/pages.json``; with ``--check`` it only
compares and exits 1 when the file is out of date. Then ``npm run types`` in ``web_ui``.
"""  # noqa: INP001 - outside the import contracts

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from messaging.pages import OperatorDown, OperatorUp, SubjectDown, SubjectUp

TARGET = Path(__file__).resolve().parents[1] / "schema" / "pages.json"


def without_titles(node: Any) -> Any:
    """Drop the titles of fields: each would become a TypeScript type of its own; names of models come from ``$defs``."""
    if isinstance(node, dict):
        return {key: without_titles(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    if isinstance(node, list):
        return [without_titles(value) for value in node]
    return node


def with_type_required(definition: dict[str, Any]) -> dict[str, Any]:
    """Require the discriminator, which pydantic lists as optional because it has a default; every message on the wire has it."""
    if "type" not in definition.get("properties", {}):
        return definition
    return {**definition, "required": sorted({*definition.get("required", []), "type"})}


def pages_schema() -> dict[str, Any]:
    """One schema with all messages of both pages, as they stand on the wire (a field with a default may be absent)."""
    adapters: dict[str, TypeAdapter[Any]] = {"SubjectUp": SubjectUp, "SubjectDown": SubjectDown, "OperatorUp": OperatorUp, "OperatorDown": OperatorDown}
    unions, shared = TypeAdapter.json_schemas([(name, "serialization", adapter) for name, adapter in adapters.items()])
    definitions = {name: with_type_required(definition) for name, definition in without_titles(shared["$defs"]).items()}
    for name in adapters:
        definitions[name] = without_titles({key: value for key, value in unions[name, "serialization"].items() if key != "discriminator"})
    properties = {name: {"$ref": f"#/$defs/{name}"} for name in adapters}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "PageMessages",
        "type": "object",
        "properties": properties,
        "required": list(adapters),
        "additionalProperties": False,
        "$defs": definitions,
    }


def main() -> int:
    """Write or, with ``--check``, compare; return the exit status."""
    text = json.dumps(pages_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TARGET.name} is not what messaging/pages.py says now. Run: python -m web_ui.scripts.schema && npm --prefix web_ui run types", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
