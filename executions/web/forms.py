"""The form that starts a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.forms.boundfield import BoundField

from executions.access import as_uuid, graphs_visible_to
from executions.blocks.registry import Field, LongText
from executions.blocks.run_inputs import run_fields
from executions.graphs import parse_graph
from executions.models import Graph
from executions.samples import example_of
from executions.web.form_fields import FILE, form_fields


class GraphField(forms.ModelChoiceField[Graph] if TYPE_CHECKING else forms.ModelChoiceField):  # type: ignore[misc]
    """A choice of graphs. The label of a graph of another user names its owner."""

    user: Any = None

    def to_python(self, value: Any) -> Graph | None:
        if value and as_uuid(value) is None:
            raise forms.ValidationError(self.error_messages["invalid_choice"], code="invalid_choice")
        graph: Graph | None = super().to_python(value)
        return graph

    def label_from_instance(self, graph: Graph) -> str:
        return graph.name if graph.owner_id == self.user.pk else f"{graph.name} (of {graph.owner.get_username()})"


class StartForm(forms.Form):
    """A graph, and a field for each input of its run. When the form is valid, `inputs` has the inputs of the run.

    The fields depend on the graph: the posted one, else the one with the id `graph_id`, else the user's oldest graph,
    else the oldest visible graph. Among the samples that is the first.
    """

    graph = GraphField(
        Graph.objects.none(), empty_label=None, error_messages={"invalid_choice": "Choose one of your graphs."}
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, files: Any = None, *, user: Any, graph_id: Any = ""
    ) -> None:
        super().__init__(data, files)
        # Without definitions: those of all graphs of a user may be gigabytes.
        self.graphs = graphs_visible_to(user).select_related("owner").defer("nodes", "links")
        field = cast(GraphField, self.fields["graph"])
        field.user, field.queryset = user, self.graphs.order_by("name", "created_at")
        self.chosen = self._find(graph_id if data is None else data.get("graph"))
        if data is None and self.chosen is None:
            by_age = self.graphs.defer(None).order_by("created_at")
            self.chosen = by_age.filter(owner=user).first() or by_age.first()
        self.initial["graph"] = self.chosen and self.chosen.pk
        self._inputs: dict[str, Field] = {}  # name of the form field → input
        if self.chosen:
            fields = run_fields(parse_graph(self.chosen.nodes, self.chosen.links))
            self._inputs = {f"input-{name}": field for name, field in fields.items()}
            # Only the garbage collector frees a form, and these are large.
            for name in ("nodes", "links"):
                del self.chosen.__dict__[name]
        for name, input_field in self._inputs.items():
            self.fields.update(form_fields(name, input_field, example_of(input_field)))

    @property
    def questions(self) -> list[BoundField]:
        """The fields for the inputs."""
        return [self[name] for name in self.fields if name != "graph"]

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of the run. Empty fields are left out, so that the block uses its default."""
        values = {field.name: self._value_of(name) for name, field in self._inputs.items() if name in self.fields}
        return {name: value for name, value in values.items() if value not in (None, "")}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        required = {name: field for name, field in self._inputs.items() if field.is_required}
        unasked = [field.name for name, field in required.items() if field.kind is None]
        if unasked:
            self.add_error("graph", f"This graph also needs {', '.join(unasked)}, which this form does not ask for.")
        for name, field in required.items():
            has_error = {name, f"{name}{FILE}"} & self.errors.keys()
            if isinstance(field.kind, LongText) and not has_error and not self._value_of(name).strip():
                self.add_error(name, "Paste a text, or choose a file.")
        return data

    def _value_of(self, name: str) -> Any:
        return self.cleaned_data.get(f"{name}{FILE}") or self.cleaned_data.get(name)

    def _find(self, pk: Any) -> Graph | None:
        return self.graphs.defer(None).filter(pk=pk).first() if as_uuid(pk) else None
