"""The cache of the newest frames."""

from realtime.server.frame_cache import MAX_BYTES, Content, FrameCache


class Builder:
    def __init__(self) -> None:
        self.built: list[Content] = []

    def __call__(self, content: Content) -> bytes:
        self.built.append(content)
        return content if isinstance(content, bytes) else content.encode()


def text(letter: str, length: int = 100) -> str:
    return "".join([letter] * length)  # a new object for each call


def test_a_frame_is_built_once_even_if_other_texts_come_in_between() -> None:
    build = Builder()
    frames = FrameCache(build)
    first, second = text("a"), text("b")
    for _ in range(3):
        assert frames.get_frame(first) == first.encode()
        assert frames.get_frame(second) == second.encode()
    assert build.built == [first, second]


def test_a_new_text_does_not_get_the_frame_of_a_deleted_one() -> None:
    build = Builder()
    frames = FrameCache(build)
    for number in range(1_000):
        content = text(chr(ord("a") + number % 26))
        assert frames.get_frame(content) == content.encode()
        del content


def test_the_size_of_the_cache_is_bounded() -> None:
    build = Builder()
    frames = FrameCache(build)
    first = text("a")
    frames.get_frame(first)
    large = text("b", MAX_BYTES)
    assert frames.get_frame(large) == large.encode()
    frames.get_frame(large)
    assert build.built == [first, large]
    frames.get_frame(first)
    assert build.built == [first, large, first]
