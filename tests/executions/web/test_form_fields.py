"""The form field for each kind of input."""

from typing import Any

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile

from executions.blocks.registry import Field, Folder, LongText
from executions.web.form_fields import form_fields


def fields(kind: Any, *, is_required: bool = True) -> dict[str, forms.Field]:
    asked = Field("it", "Title", "Description.", is_required, None, takes_list=kind is None, kind=kind)
    return form_fields("it", asked, "initial")


@pytest.mark.parametrize(
    ("kind", "names", "sent", "value"),
    [
        (LongText(5, ".csv"), ["it", "it-file"], "a\r\nb", "a\nb"),
        (Folder(), ["it"], "executions", "executions"),
        (str, ["it"], "a", "a"),
        (int, ["it"], "3", 3),
        (float, ["it"], "2.5", 2.5),
        (bool, ["it"], "on", True),
        (None, [], None, None),
    ],
)
def test_each_kind_of_input_has_its_own_form_fields(kind: Any, names: list[str], sent: Any, value: Any) -> None:
    asked = fields(kind)

    assert list(asked) == names
    if names:
        assert (asked["it"].label, asked["it"].help_text, asked["it"].initial) == ("Title", "Description.", "initial")
        assert asked["it"].clean(sent) == value


def test_a_checkbox_is_never_required() -> None:
    assert fields(bool)["it"].clean(None) is False


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"abcdef", "This is 0 KB long; 0 KB are the most."),
        (b"a\nb\xe9", "This file is not a text in UTF-8: line 2 holds other bytes."),
        (b"\0", "This file is not a text: it contains null characters."),
        (b" \n", "This file is empty."),
        (b"", "This file is empty."),
    ],
)
def test_a_file_without_text_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(forms.ValidationError) as caught:
        fields(LongText(5))["it-file"].clean(SimpleUploadedFile("x.csv", content))
    assert caught.value.messages == [message]


def test_a_file_is_decoded_as_text() -> None:
    assert fields(LongText(9))["it-file"].clean(SimpleUploadedFile("x.csv", b"\xef\xbb\xbfa\r\nb")) == "a\nb"
    assert fields(LongText(9))["it-file"].clean(None) == ""
