"""Of a long upload only the first part is kept, and its full size is known."""

import tracemalloc
from collections.abc import Iterator
from io import BytesIO, RawIOBase
from typing import Any

import pytest
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser

from executions.web.uploads import MAX_UPLOAD_BYTES, BoundedUploadHandler

HEAD = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="../../<b>.csv"\r\nContent-Type: text/csv\r\n\r\n'
END = b"\r\n--x--\r\n"


class Endless(RawIOBase):
    """A request body that is generated while it is read."""

    def __init__(self, name: bytes, size: int) -> None:
        self._parts = self._generate(name, size)
        self._rest = b""

    def _generate(self, name: bytes, size: int) -> Iterator[bytes]:
        yield HEAD % name
        for _ in range(size // 65536):
            yield b"a" * 65536
        yield END

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (part := next(self._parts, b"")):
            self._rest += part
        answer, self._rest = self._rest[:size], self._rest[size:]
        return answer


def parse(body: Any, length: int) -> Any:
    meta = {"CONTENT_TYPE": "multipart/form-data; boundary=x", "CONTENT_LENGTH": str(length)}
    _, files = MultiPartParser(meta, body, [BoundedUploadHandler(HttpRequest())], "utf-8").parse()
    return files


def test_a_file_below_the_limit_is_complete() -> None:
    files = parse(BytesIO(HEAD % b"file" + b"a,b" + END), 200)

    file: UploadedFile[Any] = files["file"]
    assert (file.read(), file.size, file.name) == (b"a,b", 3, "<b>.csv")


def test_a_long_file_is_cut_and_its_size_is_known() -> None:
    size = 64 * 1024 * 1024
    tracemalloc.start()
    try:
        file = parse(Endless(b"file", size), size + 200)["file"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert file.size == size
    assert len(file.read()) == MAX_UPLOAD_BYTES
    assert peak < 8 * MAX_UPLOAD_BYTES


def test_the_limit_is_for_all_files_of_a_request_together() -> None:
    part = b"a" * (MAX_UPLOAD_BYTES * 3 // 4)
    files = parse(BytesIO(HEAD % b"one" + part + b"\r\n" + HEAD % b"two" + part + END), 2 * MAX_UPLOAD_BYTES)

    kept = [len(files[name].read()) for name in ("one", "two")]
    assert kept == [len(part), MAX_UPLOAD_BYTES - len(part)]
    assert [files[name].size for name in ("one", "two")] == [len(part)] * 2


@pytest.mark.parametrize("content", [b"", b"\0\xff"])
def test_the_content_of_a_file_does_not_matter(content: bytes) -> None:
    assert parse(BytesIO(HEAD % b"file" + content + END), 200)["file"].read() == content
