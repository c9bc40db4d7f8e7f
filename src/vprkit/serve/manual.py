"""The page `/docs`: every route with its fields and answers, made from the OpenAPI description; it needs no network."""

from collections.abc import Iterator, Mapping
from typing import Any

from vprkit.report.markup import Html, element, join, section, table


def manual(openapi: Mapping[str, Any]) -> str:
    """A whole page of HTML.

    Args:
        openapi: the description.
    """
    info = openapi["info"]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", info["title"]),
        *(element("link", rel="stylesheet", href=f"page/{name}.css") for name in ("base", "manual")),
    )
    routes = [
        _route(path, method, route, openapi["components"]["schemas"])
        for path, methods in openapi["paths"].items()
        for method, route in methods.items()
    ]
    described = element("a", "openapi.json", href="openapi.json")
    top = element("header", element("h1", info["title"]), element("p", info["description"], " ", described))
    body = element("body", element("main", top, *routes, class_="manual"))
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def _route(path: str, method: str, route: Mapping[str, Any], schemas: Mapping[str, Any]) -> Html:
    fields = [*_parameters(route), *_body(route, schemas)]
    title = join((element("span", method.upper(), class_="verb"), element("code", path)), " ")
    return section(
        title,
        element("p", route.get("description", "")),
        table("Fields", ("field", "where", "type", "default"), fields, left=4) if fields else "",
        table("Answers", ("status", "answer"), list(_answers(route, schemas)), left=2),
        level=2,
    )


def _parameters(route: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for one in route.get("parameters", ()):
        yield _row(one["name"], one["in"], one["schema"], one["required"])


def _body(route: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for kind, content in route.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content["schema"], schemas)
        for name, field in schema["properties"].items():
            yield _row(name, kind, field, name in schema.get("required", ()))


def _row(name: str, where: str, schema: Mapping[str, Any], required: bool) -> tuple[object, ...]:
    default = "required" if required else schema.get("default")
    return element("code", name), where, _kind(schema), "" if default is None else default


def _answers(route: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for status, answer in route["responses"].items():
        for kind, content in answer.get("content", {"": {}}).items():
            schema = _resolved(content.get("schema", {}), schemas)
            names = ", ".join(schema.get("properties", {}))
            told = f"{kind}: {names}" if names else kind
            yield status, join((answer["description"], told), " ") if status != "200" else told


def _kind(schema: Mapping[str, Any]) -> str:
    """A type in words: `integer or null`."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    return "file" if schema.get("format") == "binary" else str(schema.get("type", ""))


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference stands for."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = schemas[name] if name else schema
    return found
