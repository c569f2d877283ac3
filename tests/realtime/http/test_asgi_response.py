"""One whole answer, which no cache keeps."""

from realtime.http.asgi_response import respond


async def test_an_answer_is_whole_and_no_cache_keeps_it():
    sent = []

    async def send(message):
        sent.append(message)

    await respond(send, 503, "später\n".encode(), content_type="text/plain; charset=utf-8", headers=[(b"x-own", b"1")])
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"8"),
        (b"cache-control", b"no-store"),
        (b"x-own", b"1"),
    ]
    assert sent == [
        {"type": "http.response.start", "status": 503, "headers": headers},
        {"type": "http.response.body", "body": "später\n".encode()},
    ]
