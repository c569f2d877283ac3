"""Limits uploads: keeps up to MAX_UPLOAD_BYTES of the files of a request, and the full size of each file.

Chunks beyond the limit are counted and dropped, so an upload cannot fill the memory. The form can still report the size
of the file and the allowed size.
"""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

MAX_UPLOAD_BYTES = 1024 * 1024
"""For all files of one request together; more than the longest text that a block takes."""


class BoundedUploadHandler(FileUploadHandler):
    """The only upload handler of the project. `size` of a file is its full length, even if the content is cut."""

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
