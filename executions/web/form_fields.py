"""The form fields for one input of a run: a text area, a file, a folder, a line, a number, a checkbox."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from executions.blocks.project_files import folders
from executions.blocks.registry import Field, Folder, LongText

FILE = "-file"
"""The suffix of the field for a file that replaces the pasted text."""

_PLAIN: dict[type, Callable[..., forms.Field]] = {
    str: forms.CharField,
    int: forms.IntegerField,
    float: forms.FloatField,
    bool: forms.BooleanField,
}


class LongTextField(forms.CharField):
    """A text area. The text is kept unchanged, except its line ends, which become LF."""

    def __init__(self, mark: LongText, **kwargs: Any) -> None:
        super().__init__(
            required=False, strip=False, widget=forms.Textarea({"rows": 14, "spellcheck": "false"}), **kwargs
        )
        self._mark = mark

    def clean(self, value: Any) -> str:
        # Browsers send every line end as CR LF.
        text = str(super().clean(value)).replace("\r\n", "\n")
        _check_size(len(text.encode(errors="surrogatepass")), self._mark)
        return text


class TextFileField(forms.FileField):
    """The text of an uploaded file; empty without a file. The size is checked before the content is read."""

    def __init__(self, mark: LongText, **kwargs: Any) -> None:
        help_text = f"Takes the place of the text above. UTF-8, at most {mark.max_bytes // 1024} KB."
        widget = forms.FileInput({"accept": mark.accept})
        super().__init__(required=False, allow_empty_file=True, help_text=help_text, widget=widget, **kwargs)
        self._mark = mark

    def clean(self, value: Any, initial: Any = None) -> str:
        file: UploadedFile[Any] | None = super().clean(value, initial)
        if file is None:
            return ""
        _check_size(file.size or 0, self._mark)
        content: bytes = file.read()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise forms.ValidationError(f"This file is not a text in UTF-8: line {line} holds other bytes.") from None
        if "\x00" in text:
            raise forms.ValidationError("This file is not a text: it contains null characters.")
        if not text.strip():
            raise forms.ValidationError("This file is empty.")
        return text.replace("\r\n", "\n")


def form_fields(name: str, field: Field, initial: Any) -> dict[str, forms.Field]:
    """The form fields for an input, by name. Empty for an input that no form field can hold."""
    options: dict[str, Any] = {"label": field.title, "initial": initial, "help_text": field.description}
    match field.kind:
        case LongText() as mark:
            return {name: LongTextField(mark, **options), f"{name}{FILE}": TextFileField(mark, label="Or a file")}
        case Folder():
            choices = [(path, "The whole project" if path == "." else path) for path in folders()]
            message = "Choose one of the folders of this project."
            return {name: forms.ChoiceField(choices=choices, error_messages={"invalid_choice": message}, **options)}
        case type() as plain:
            return {name: _PLAIN[plain](required=field.is_required and plain is not bool, **options)}
    return {}


def _check_size(size: int, mark: LongText) -> None:
    if size > mark.max_bytes:
        raise forms.ValidationError(f"This is {size / 1024:,.0f} KB long; {mark.max_bytes // 1024} KB are the most.")
