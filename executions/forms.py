"""What a person says to start a run."""

from typing import TYPE_CHECKING, Any, cast

from django import forms

from executions.access import as_uuid, graphs_visible_to
from executions.blocks.text import MAX_TEXT_BYTES
from executions.graphs import parse_graph
from executions.models import Graph
from executions.samples import default_text
from executions.topology import run_fields

TEXT = "text"
"""The one input that the form asks for; a graph that needs others is started by a program."""


class GraphField(forms.ModelChoiceField[Graph] if TYPE_CHECKING else forms.ModelChoiceField):  # type: ignore[misc]
    """Says whose a graph is, where it is not the person's own."""

    user: Any = None

    def to_python(self, value: Any) -> Graph | None:
        if value and as_uuid(value) is None:
            raise forms.ValidationError(self.error_messages["invalid_choice"], code="invalid_choice")
        graph: Graph | None = super().to_python(value)
        return graph

    def label_from_instance(self, graph: Graph) -> str:
        return graph.name if graph.owner_id == self.user.pk else f"{graph.name} (of {graph.owner.get_username()})"


class StartForm(forms.Form):
    """A graph and a text, pasted or uploaded. `inputs` are the run's, once the form is valid."""

    graph = GraphField(
        Graph.objects.none(), empty_label=None, error_messages={"invalid_choice": "Choose one of your graphs."}
    )
    text = forms.CharField(
        required=False, strip=False, label="Text", initial=default_text, widget=forms.Textarea({"rows": 14})
    )
    file = forms.FileField(
        required=False,
        allow_empty_file=True,
        label="Or a text file",
        help_text=f"Takes the place of the text above. UTF-8, at most {MAX_TEXT_BYTES // 1024} KB.",
        widget=forms.FileInput({"accept": "text/*,.md,.markdown,.rst"}),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.graphs = graphs_visible_to(user).select_related("owner").order_by("name", "created_at")
        field = cast(GraphField, self.fields["graph"])
        field.user, field.queryset = user, self.graphs

    @property
    def inputs(self) -> dict[str, str]:
        """What the run gets."""
        text = self.cleaned_data["file"] or self.cleaned_data["text"]
        return {TEXT: text} if TEXT in self._fields() else {}

    def clean_text(self) -> str:
        # Browsers send a line's end as CR LF, whatever it was.
        return _bounded(self.cleaned_data["text"].replace("\r\n", "\n"))

    def clean_file(self) -> str:
        """The file's text; empty where none was given."""
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        if file.size is None or file.size > MAX_TEXT_BYTES:
            raise forms.ValidationError(_too_long(file.size or 0))
        try:
            text: str = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError("This file is not a text in UTF-8.") from None
        if "\x00" in text:
            raise forms.ValidationError("This file is not a text: it contains null characters.")
        if not text.strip():
            raise forms.ValidationError("This file is empty.")
        return text

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return data
        fields = self._fields()
        unasked = [name for name, field in fields.items() if field.is_required and name != TEXT]
        if unasked:
            self.add_error("graph", f"This graph also needs {', '.join(unasked)}, which this form does not ask for.")
        elif TEXT in fields and not data["file"] and not data["text"].strip():
            self.add_error("text", "Paste a text, or choose a file.")
        return data

    def _fields(self) -> dict[str, Any]:
        graph: Graph = self.cleaned_data["graph"]
        return run_fields(parse_graph(graph.nodes, graph.links))


def _bounded(text: str) -> str:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise forms.ValidationError(_too_long(size))
    return text


def _too_long(size: int) -> str:
    return f"This is {size / 1024:,.0f} KB long; {MAX_TEXT_BYTES // 1024} KB are the most."
