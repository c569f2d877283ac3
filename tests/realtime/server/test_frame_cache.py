"""The frames that were built a moment ago."""

from realtime.server.frame_cache import MOST_BYTES, Content, FrameCache


class Builder:
    def __init__(self) -> None:
        self.built: list[Content] = []

    def __call__(self, content: Content) -> bytes:
        self.built.append(content)
        return content if isinstance(content, bytes) else content.encode()


def text(letter: str, length: int = 100) -> str:
    return "".join([letter] * length)  # an object of its own


def test_the_same_text_is_built_once_whatever_comes_between() -> None:
    build = Builder()
    frames = FrameCache(build)
    first, second = text("a"), text("b")
    for _ in range(3):
        assert frames.of(first) == first.encode()
        assert frames.of(second) == second.encode()
    assert build.built == [first, second]


def test_texts_that_are_gone_are_not_taken_for_others() -> None:
    build = Builder()
    frames = FrameCache(build)
    for number in range(1_000):
        content = text(chr(ord("a") + number % 26))
        assert frames.of(content) == content.encode()
        del content


def test_what_it_keeps_is_bounded() -> None:
    build = Builder()
    frames = FrameCache(build)
    first = text("a")
    frames.of(first)
    large = text("b", MOST_BYTES)
    assert frames.of(large) == large.encode()
    frames.of(large)
    assert build.built == [first, large]
    frames.of(first)
    assert build.built == [first, large, first]
