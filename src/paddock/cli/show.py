"""`show`: what a model is, as tables, or one part of it word for word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from paddock.cli import figures
from paddock.cli.client import Reply
from paddock.cli.surroundings import Surroundings
from paddock.errors import PaddockError

Rows = list[tuple[str, ...]]

_LONGEST_LIST = 5


class TwoSelectors(PaddockError):
    """More than one part was asked for."""

    def __init__(self) -> None:
        super().__init__(
            "only one of '--license', '--modelfile', '--parameters', '--system', or '--template' "
            "can be specified"
        )


@click.command("show", short_help="Show what a model is")
@click.argument("model")
@click.option("--license", "parts", flag_value="license", multiple=True, help="Its licence")
@click.option("--modelfile", "parts", flag_value="modelfile", multiple=True, help="Its Modelfile")
@click.option("--parameters", "parts", flag_value="parameters", multiple=True, help="Its parameters")
@click.option("--system", "parts", flag_value="system", multiple=True, help="Its system message")
@click.option("--template", "parts", flag_value="template", multiple=True, help="Its template")
@click.option("-v", "--verbose", is_flag=True, help="Its metadata and tensors as well")
@click.pass_obj
def show(here: Surroundings, model: str, parts: tuple[str, ...], verbose: bool) -> None:
    """Show what MODEL is, or one part of it as it stands."""
    if len(set(parts)) > 1:
        raise TwoSelectors
    reply = here.client.post("/api/show", {"model": model, "verbose": verbose})
    if parts:
        print(reply.get(parts[0]) or "")
    else:
        print("\n".join(_section(title, rows) for title, rows in sections(reply, verbose) if rows))


def sections(reply: Reply, verbose: bool) -> Iterator[tuple[str, Rows]]:
    """The tables in the order they are printed; an empty one is not."""
    yield "Model", _model(reply)
    yield "Capabilities", [(name,) for name in reply.get("capabilities") or ()]
    yield "Projector", _projector(reply.get("projector_info") or {})
    yield "Parameters", _parameters(reply.get("parameters") or "")
    if verbose:
        yield "Metadata", _metadata(reply.get("model_info") or {})
        yield "Tensors", [(t["name"], t["type"], str(t["shape"])) for t in reply.get("tensors") or ()]
    yield "System", _beginning(reply.get("system") or "")
    yield "License", _beginning(reply.get("license") or "")


def _section(title: str, rows: Rows) -> str:
    return f"  {title}\n{figures.table(rows, indent=4)}\n"


def _model(reply: Reply) -> Rows:
    info, details = reply.get("model_info") or {}, reply.get("details") or {}
    ours = reply.get("paddock") or {}
    family = info.get("general.architecture") or details.get("family")
    parameters = info.get("general.parameter_count")
    return _present(
        ("architecture", family),
        ("parameters", figures.count(int(parameters)) if parameters else details.get("parameter_size")),
        ("context length", info.get(f"{family}.context_length")),
        ("embedding length", info.get(f"{family}.embedding_length")),
        ("quantization", details.get("quantization_level")),
        ("requires", reply.get("requires")),
        ("renderer", ours.get("renderer")),
        ("splitter", ours.get("splitter")),
    )


def _projector(info: dict[str, Any]) -> Rows:
    parameters = info.get("general.parameter_count")
    return _present(
        ("architecture", info.get("general.architecture")),
        ("parameters", figures.count(int(parameters)) if parameters else None),
        ("embedding length", info.get("clip.vision.embedding_length")),
        ("dimensions", info.get("clip.vision.projection_dim")),
    )


def _present(*rows: tuple[str, object]) -> Rows:
    return [(label, str(value)) for label, value in rows if value not in (None, "")]


def _parameters(text: str) -> Rows:
    pairs = (line.split(None, 1) for line in text.splitlines() if line.strip())
    return [(pair[0], pair[1].strip() if len(pair) > 1 else "") for pair in pairs]


def _metadata(info: dict[str, Any]) -> Rows:
    return [(name, _value(info[name])) for name in sorted(info)]


def _value(value: object) -> str:
    if not isinstance(value, list):
        return "" if value is None else str(value)
    more = f", ...+{len(value) - _LONGEST_LIST} more" if len(value) > _LONGEST_LIST else ""
    return "[" + ", ".join(map(str, value[:_LONGEST_LIST])) + more + "]"


def _beginning(text: str) -> Rows:
    lines = [(line.strip(),) for line in text.splitlines() if line.strip()]
    return [*lines[:2], ("...",)] if len(lines) > 2 else list(lines)
