"""Create, list, read, change and delete graphs."""

from typing import Any
from uuid import UUID

from django.db.models import Sum, TextField
from django.db.models.functions import Cast, Length
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import ValidationError

from executions.access import find_graph, graphs_visible_to, may_assign, may_change_graph
from executions.api.errors import Problem, errors, forbidden, invalid, not_found
from executions.api.paging import Cursor, Limit, page_of
from executions.api.schemas import GraphDetail, GraphIn, GraphPage
from executions.blocks.registry import find_block
from executions.conf import limits
from executions.graphs import GraphDefinition, parse_graph
from executions.models import Graph
from executions.sizes import size_of
from executions.validation import MAX_ERRORS, first, path, sentences

router = Router(tags=["graphs"])


@router.get("", response={200: GraphPage, **errors(422)}, summary="List graphs", operation_id="list_graphs")
def list_graphs(request: HttpRequest, limit: Limit = None, cursor: Cursor = None) -> Any:
    """Your graphs, newest first, without their nodes and links. Staff with the permission to view graphs see all; with
    teams, members see those of their teams."""
    rows = graphs_visible_to(request.auth).defer("nodes", "links")  # type: ignore[attr-defined]
    return page_of(rows, limit=limit, cursor=cursor)._asdict()


@router.post(
    "", response={201: GraphDetail, **errors(403, 409, 415, 422)}, summary="Create a graph", operation_id="create_graph"
)
def create_graph(request: HttpRequest, data: GraphIn) -> Any:
    """A graph of yours, version 1. What cannot be run is refused, with the path of each fault: a link to a node that
    does not exist (`links[2].sink_id`), nodes that wait for each other (`links`), a block that does not exist
    (`nodes[0].block_id`), an id twice (`nodes[1].id`). So is a team that is not yours (403)."""
    graph = Graph(owner=request.auth, name=data.name, description=data.description)  # type: ignore[attr-defined]
    _assign(request, graph, data)
    _check_room(request.auth)  # type: ignore[attr-defined]
    graph.nodes, graph.links = _definition(data)
    _check_bytes(request.auth, graph.nodes, graph.links)  # type: ignore[attr-defined]
    graph.save(force_insert=True)
    return Status(201, graph)


@router.get(
    "/{uuid:graph_id}", response={200: GraphDetail, **errors(404)}, summary="Read a graph", operation_id="read_graph"
)
def read_graph(request: HttpRequest, graph_id: UUID) -> Any:
    """With its nodes and links."""
    return _find(request, graph_id)


@router.put(
    "/{uuid:graph_id}",
    response={200: GraphDetail, **errors(403, 404, 409, 415, 422)},
    summary="Change a graph",
    operation_id="change_graph",
)
def change_graph(request: HttpRequest, graph_id: UUID, data: GraphIn) -> Any:
    """The graph becomes what you send. If that changes nodes or links, it gets a new version; executions keep the one
    that they started with. They keep their team, too."""
    graph = _find(request, graph_id)
    if not may_change_graph(request.auth, graph):  # type: ignore[attr-defined]
        raise forbidden("You may see this graph, and not change it.")
    _assign(request, graph, data)
    graph.nodes, graph.links = _definition(data)
    _check_bytes(graph.owner_id, graph.nodes, graph.links, besides=graph.pk)
    graph.name, graph.description = data.name, data.description
    graph.save()
    return graph


@router.delete(
    "/{uuid:graph_id}", response={204: None, **errors(403, 404)}, summary="Delete a graph", operation_id="delete_graph"
)
def delete_graph(request: HttpRequest, graph_id: UUID) -> Any:
    """With all its executions, whatever their status."""
    graph = _find(request, graph_id)
    if not may_change_graph(request.auth, graph, "delete"):  # type: ignore[attr-defined]
        raise forbidden("You may see this graph, and not delete it.")
    graph.delete()
    return HttpResponse(status=204)


def _find(request: HttpRequest, graph_id: UUID) -> Graph:
    graph = find_graph(request.auth, graph_id)  # type: ignore[attr-defined]
    if graph is None:
        raise not_found("Graph")
    return graph


def _assign(request: HttpRequest, graph: Graph, data: GraphIn) -> None:
    """Puts the graph into the organization and the team of the request. Raises Problem if the user may not."""
    present = {"organization_id": graph.organization_id, "team_id": graph.team_id}
    wanted = present | data.model_dump(include=set(present), exclude_unset=True)
    changed = [name for name in present if wanted[name] != present[name]]
    if changed and not may_assign(request.auth, **wanted):  # type: ignore[attr-defined]
        raise Problem(
            *(403, "not_your_team", "You may not put a graph into this team."),
            path=changed[-1],
            hint="Name a team that you are in, null for none, or leave both out.",
        )
    for name in changed:
        setattr(graph, name, wanted[name])


def _check_room(owner: Any) -> None:
    most = limits.MAX_GRAPHS_OF_USER
    if Graph.objects.filter(owner=owner).order_by().values("pk")[most - 1 : most].exists():
        text = f'You have {most:,} graphs, which is the limit (EXECUTIONS["MAX_GRAPHS_OF_USER"]).'
        raise Problem(409, "too_many_graphs", text, hint="Delete some.")


def _check_bytes(owner: Any, nodes: list[Any], links: list[Any], *, besides: UUID | None = None) -> None:
    """Whether the user may store this definition with those of his other graphs. The database adds them up."""
    most = limits.MAX_GRAPH_BYTES_OF_USER
    size = size_of([nodes, links], most)
    if size <= most:
        others = Graph.objects.filter(owner=owner).exclude(pk=besides)
        size += others.aggregate(bytes=Sum(_BYTES))["bytes"] or 0
    if size > most:
        text = f"Your graphs would have more than {most / 2**20:,.0f} MB together"
        text += ', which is the limit (EXECUTIONS["MAX_GRAPH_BYTES_OF_USER"]).'
        raise Problem(409, "graphs_too_large", text, hint="Delete some, or keep large values out of their inputs.")


_BYTES = Length(Cast("nodes", TextField())) + Length(Cast("links", TextField()))


def _definition(data: GraphIn) -> tuple[list[Any], list[Any]]:
    """The nodes and links to save. Raises Problem with all faults, and the path of the first."""
    nodes, links = ([each.model_dump() for each in part] for part in (data.nodes, data.links))
    try:
        definition = parse_graph(nodes, links)
    except ValidationError as error:
        raise invalid("; ".join(sentences(error)), path(error.errors()[0]["loc"])) from None
    if data.check_blocks:
        _check_blocks(definition)
    return nodes, links


def _check_blocks(definition: GraphDefinition) -> None:
    unknown = [index for index, node in enumerate(definition.nodes) if find_block(node.block_id) is None]
    if unknown:
        messages = [
            f'nodes[{index}].block_id: there is no block "{definition.nodes[index].block_id}"'
            for index in unknown[:MAX_ERRORS]
        ]
        raise Problem(
            422,
            "unknown_block",
            "; ".join(first(messages, len(unknown))),
            path=f"nodes[{unknown[0]}].block_id",
            hint="Send check_blocks: false if a worker of yours runs this graph.",
        )
