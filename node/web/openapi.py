"""The OpenAPI 3.1 document, made from the table of operations; the routes are made from the same one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter

from node.web.downloads import FileAnswer
from node.web.operations import NDJSON, PREFIX, Operation
from node.web.problems import PROBLEM_JSON, TYPE_PREFIX

VERSION: Final = "3.1.0"
_REF: Final = "#/components/schemas/{model}"
Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]

PROBLEM: Final[Schema] = {
    "type": "object",
    "description": f"RFC 9457. `type` is {TYPE_PREFIX}<word>; `errors` names members that cannot be used.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {n: {"type": "string"} for n in ("member", "problem", "remedy")},
                "required": ["member", "problem", "remedy"],
            },
        },
    },
}


def document(operations: Sequence[Operation], version: str) -> Schema:
    """The whole document."""
    keys = list(_models(operations))
    refs, definitions = TypeAdapter.json_schemas([(i, m, a) for i, (m, a) in enumerate(keys)], ref_template=_REF)
    schemas = {(mode, id(adapter)): refs[(i, mode)] for i, (mode, adapter) in enumerate(keys)}
    paths: Schema = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Commonweave node",
            "version": version,
            "description": "For clients of one node. What is answered has passed the gate for the one who asks.",
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Problem": PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "cw_session", "description": "GET only"},
            },
        },
    }


def _models(operations: Sequence[Operation]) -> Iterator[tuple[Mode, TypeAdapter[Any]]]:
    for operation in operations:
        if operation.body is not None:
            yield "validation", operation.body_adapter
        if operation.answer not in (None, str, FileAnswer):
            yield "serialization", operation.adapter


def _operation(operation: Operation, schemas: dict[tuple[Mode, int], Schema]) -> Schema:
    out: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "x-scope": str(operation.scope),
        "parameters": [*_path_parameters(operation), *_query_parameters(operation.query)],
        "responses": {
            str(operation.status): _answer(operation, schemas),
            "default": {
                "description": "What is wrong, and what to do about it.",
                "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if operation.body is not None:
        schema = schemas[("validation", id(operation.body_adapter))]
        needed = any(f.is_required() for f in operation.body.model_fields.values())
        out["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    elif operation.raw_body is not None:
        content = {operation.raw_body: {"schema": {"type": "string"}}}
        out["requestBody"] = {"required": True, "content": content}
    return out


def _answer(operation: Operation, schemas: dict[tuple[Mode, int], Schema]) -> Schema:
    out: Schema = {"description": operation.summary}
    if operation.answer is str:
        out["content"] = {"text/plain": {"schema": {"type": "string"}}}
    elif operation.answer is FileAnswer:
        out["content"] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    elif operation.answer is not None:
        media = NDJSON if operation.streams else "application/json"
        out["content"] = {media: {"schema": schemas[("serialization", id(operation.adapter))]}}
    return out


def _path_parameters(operation: Operation) -> Iterator[Schema]:
    for name in operation.in_path:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(model: type[BaseModel] | None) -> Iterator[Schema]:
    if model is None:
        return
    schema = model.model_json_schema()
    for name, member in schema.get("properties", {}).items():
        member = {k: v for k, v in member.items() if k != "title"}  # noqa: PLW2901
        words = member.pop("description", None)
        parameter: Schema = {"name": name, "in": "query", "required": name in schema.get("required", ())}
        yield parameter | ({"description": words} if words else {}) | {"schema": member}
