"""Forms and uploads, through the URLs of the pages: a page, a redirect or a refusal, and never 500."""

from urllib.parse import quote_plus, urlencode

import pytest
from django.http import HttpResponse
from hypothesis import given
from hypothesis import strategies as st

from executions.models import GraphExecution
from tests.fuzz.inputs import HOSTILE_TEXTS, spliced, texts
from tests.fuzz.oracles import LONG_REPR, SLOW, no_logged_errors, rolled_back
from tests.fuzz.world import World, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(180), LONG_REPR]

TYPES = [
    *("multipart/form-data; boundary=b", "multipart/form-data; boundary=b; charset=utf-16", "multipart/form-data"),
    *('multipart/form-data; boundary="b"', "multipart/form-data; boundary=" + "b" * 300, "multipart/mixed; boundary=b"),
    *("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-7", "text/plain", ""),
]
FIELDS = ["graph", "input-text", "input-text-file", "next", "id", "username", "password", "csrfmiddlewaretoken"]
PARTS = [
    *('name="graph"', 'name="input-text"', 'name="input-text-file"; filename="a.txt"', 'name="id"', 'name="next"'),
    *(
        'name="input-text-file"; filename="../../a\\0"',
        "name=",
        'filename="a"',
        "name*=utf-8''graph",
        'name="a"; name="b"',
    ),
    *("name*=x'y'%ff", "name*0=a; name*1=b", "name=\"input-text-file\"; filename*=utf-8''%00%ff"),
]
VALUES = [b"", b"GRAPH", b"One. Two.", b"\xff\xfe", b"\0", b"\xef\xbb\xbftext", b"a" * 70_000, b"--b", b"\r\n--b--\r\n"]
MORE = [
    b"",
    b"Content-Type: text/plain\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Type: multipart/mixed\r\n",
]


def _part(field: str, more: bytes, value: bytes) -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + field.encode() + b"\r\n" + more + b"\r\n" + value + b"\r\n"


parts = st.builds(
    _part, st.sampled_from(PARTS), st.sampled_from(MORE), st.sampled_from(VALUES) | st.binary(max_size=30)
)
multipart = st.lists(parts, max_size=4).map(lambda each: b"".join(each) + b"--b--\r\n")
pairs = st.tuples(st.sampled_from(FIELDS), st.sampled_from(["GRAPH", "One.", *HOSTILE_TEXTS]) | texts)
urlencoded = st.lists(pairs, max_size=5).map(lambda each: urlencode(each, errors="surrogatepass").encode())
PATHS = [
    *("/executions/start/", "/executions/start/", "/executions/start/", "/notifications/read/", "/login/"),
    "/executions/EXECUTION/terminate/",
]


def post(world: World, path: str, content_type: str, body: bytes) -> HttpResponse:
    return world.person().generic(
        "POST",
        path.replace("EXECUTION", str(world.execution.pk)),
        body.replace(b"GRAPH", str(world.graph.pk).encode()),
        content_type=content_type,
    )


@SLOW
@given(
    st.sampled_from(PATHS),
    st.one_of(
        st.tuples(st.just(TYPES[0]), multipart | spliced(multipart)),
        st.tuples(st.just(TYPES[6]), urlencoded | spliced(urlencoded)),
        st.tuples(st.sampled_from(TYPES), st.one_of(multipart, urlencoded, st.binary(max_size=50))),
    ),
)
def test_a_form_has_an_answer(path: str, sent: tuple[str, bytes]) -> None:
    with no_logged_errors(), rolled_back():
        world = make_world()
        answers = []
        for _ in range(2):
            with rolled_back():
                before = GraphExecution.objects.count()
                answer = post(world, path, *sent)
                assert answer.status_code < 500
                assert len(answer.content) < 2**20
                made = GraphExecution.objects.count() - before
                assert made == (1 if path == "/executions/start/" and answer.status_code == 302 else 0)
                answers.append(answer.status_code)
        assert answers[0] == answers[1]


@SLOW
@given(
    st.sampled_from(["", "rows/", "EXECUTION/", "EXECUTION/results/", "start/"]),
    st.dictionaries(st.sampled_from(["page", "nodes", "graph", "next"]), texts, max_size=2),
    texts,
)
def test_a_page_has_an_answer(path: str, parameters: dict[str, str], other: str) -> None:
    query = urlencode(parameters, errors="surrogatepass")
    with no_logged_errors(), rolled_back():
        world = make_world()
        client = world.person()
        for each in (str(world.execution.pk), quote_plus(other.encode("utf-8", "surrogatepass"))):
            answer = client.get(f"/executions/{path.replace('EXECUTION', each)}?{query}")
            assert answer.status_code < 500
