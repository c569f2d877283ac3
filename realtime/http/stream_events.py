"""A page of a stream's events as JSON. The data of the events is sent as the log stores it, without parsing."""

from typing import Annotated, Any

from django.http import HttpResponse
from ninja import Schema
from pydantic import ConfigDict, Field
from pydantic_core import to_json

from realtime.http.problem import HttpProblem
from realtime.log import replay
from realtime.log.types import LogEvent
from realtime.publishing.after_commit import numbered_head
from realtime.subscription.start_position import FromCursor, start_position
from realtime.wire.requests import Replay, Subscribe

MAX_SEQ = 2**63 - 1
After = Annotated[int, Field(ge=0, le=MAX_SEQ, description="The last seq that you have; 0 for the whole history.")]
Epoch = Annotated[str | None, Field(max_length=32, description="The epoch that you had it with.")]


class EventOut(Schema):
    seq: int
    method: str = Field(description="As on the socket: `graph_execution_event`, `node_execution_event` …")
    data: Any
    id: str | None = Field(None, description="Of a notification: its id.")


class EventPage(Schema):
    """A page of a stream, complete from `after` on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "epoch": "k3Jx0cE1q6RrYb2W",
                    "head": 42,
                    "floor": 0,
                    "events": [{"seq": 42, "method": "graph_execution_event", "data": {"status": "COMPLETED"}}],
                }
            ]
        }
    )

    epoch: str
    head: int = Field(description="The last seq of the stream; ask again while it is above the last one that you got.")
    floor: int = Field(description="Events up to this seq may have been removed.")
    events: list[EventOut] = Field(description="In the order of `seq`, without holes.")


def stream_page(key: str, after: int, epoch: str | None) -> HttpResponse:
    """The events of this stream that follow `after`, as the JSON of an EventPage. Raises HttpProblem: 404 if the stream
    is gone, 409 if events after the cursor were removed or the epoch is another one."""
    page = replay.read_after(numbered_head(key).id, after)
    if page is None:
        raise HttpProblem(404, "not_found", "Stream not found", hint="Check the id, and whose it is.")
    options = Subscribe(after=after, epoch=epoch, replay=Replay.ALL)
    if not isinstance(start_position(options, page), FromCursor):
        raise HttpProblem(
            409,
            "not_recoverable",
            f"What follows {after} cannot be told completely: the history holds {page.floor + 1} to {page.head}, "
            f"epoch {page.epoch}.",
            path="after",
            hint="Read the state again, and go on with its head and epoch.",
        )
    events = ",".join(map(_event_json, page.events))
    body = f'{{"epoch":{_json(page.epoch)},"head":{page.head},"floor":{page.floor},"events":[{events}]}}'
    return HttpResponse(body, content_type="application/json; charset=utf-8")


def _event_json(event: LogEvent) -> str:
    id = f',"id":{_json(event.id)}' if event.id else ""
    return f'{{"seq":{event.seq},"method":{_json(event.method)},"data":{event.data}{id}}}'


def _json(text: str) -> str:
    return to_json(text).decode()
