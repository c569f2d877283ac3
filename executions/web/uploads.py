"""What is kept of an uploaded file: as much as an input of a run may be long, and of the rest its length alone.

The bound holds for all files of a request together. Chunks beyond it are counted as they come in and dropped, so that
nobody fills the memory, and a form can still say how long the file was and how long it may be.
"""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

MAX_UPLOAD_BYTES = 1024 * 1024
"""Of the files of one request; more than the longest text that any block takes."""


class BoundedUploadHandler(FileUploadHandler):
    """The project's only upload handler. A file's `size` is the whole length, even where its content is cut."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._left = MAX_UPLOAD_BYTES
        self._content = BytesIO()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._content = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        kept = raw_data[: self._left]
        self._left -= len(kept)
        self._content.write(kept)

    def file_complete(self, file_size: int) -> "UploadedFile[Any]":
        self._content.seek(0)
        return InMemoryUploadedFile(
            self._content, self.field_name, self.file_name or "", self.content_type or "", file_size, self.charset
        )
