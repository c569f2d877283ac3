"""Which SECRET_KEY is used, and how the one of the embedded default is made and kept."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import secret_key
from config.secret_key import FILE, SHORTEST, choose, kept_in
from tests.servers.process import ROOT

pytestmark = pytest.mark.once
GOOD = "k3y-of-a-test-that-is-long-enough-to-please-everyone"
AS_NOBODY = 65534


def test_a_given_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    for debug in (True, False):
        for embedded in (True, False):
            assert choose(GOOD, tmp_path, debug=debug, embedded=embedded) == GOOD
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("debug", "embedded"), [(True, True), (True, False), (False, True)])
def test_on_one_machine_a_random_key_is_made_and_kept(tmp_path: Path, debug: bool, embedded: bool) -> None:
    key = choose("", tmp_path, debug=debug, embedded=embedded)
    assert len(key) >= 50
    assert choose("", tmp_path, debug=debug, embedded=embedded) == key
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_each_folder_has_a_key_of_its_own(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    assert len({kept_in(folder / FILE) for folder in folders}) == 2


def test_where_other_machines_may_need_the_key_it_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"SECRET_KEY is not set\. With DEBUG off and .*SECRET_KEY=\$"):
        choose("", tmp_path, debug=False, embedded=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "known", ["embedded-default-for-one-machine-and-debug-only-never-for-production", f"django-insecure-{GOOD}"]
)
def test_a_publicly_known_key_is_refused(tmp_path: Path, known: str, debug: bool) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"publicly known.*SECRET_KEY=\$"):
        choose(known, tmp_path, debug=debug, embedded=True)


@pytest.mark.parametrize("weak", ["changeme", GOOD[: SHORTEST - 1], "abcd" * 20])
def test_a_key_that_can_be_guessed_is_refused_with_debug_off(tmp_path: Path, weak: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"can be guessed.*SECRET_KEY=\$"):
        choose(weak, tmp_path, debug=False, embedded=True)
    assert choose(weak, tmp_path, debug=True, embedded=True) == weak


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    """Each waits for the end of its stdin, so that all make the key at the same moment."""
    script = (
        "import sys; from pathlib import Path; from config.secret_key import kept_in; print(flush=True);"
        "sys.stdin.read(); print(kept_in(Path(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / FILE],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for each in processes:
        assert each.stdout
        each.stdout.readline()
    for each in processes:
        assert each.stdin
        each.stdin.close()
    keys = set()
    for each in processes:
        assert each.stdout
        keys.add(each.stdout.read())
        each.stdout.close()
        assert each.wait() == 0
    assert keys == {kept_in(tmp_path / FILE) + "\n"}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_process_that_was_second_takes_the_key_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / FILE
    link = os.link

    def link_too_late(draft: Path, to: Path) -> None:
        file.write_text(GOOD)
        file.chmod(0o600)
        link(draft, to)

    monkeypatch.setattr(secret_key.os, "link", link_too_late)
    assert kept_in(file) == GOOD
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to become another user")
def test_a_folder_that_cannot_be_written_is_an_error_with_the_cure(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from config.secret_key import kept_in;"
        f"os.setegid({AS_NOBODY}); os.seteuid({AS_NOBODY}); kept_in(Path(sys.argv[1]))"
    )
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    result = subprocess.run([sys.executable, "-c", script, tmp_path / FILE], cwd=ROOT, capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert "a random one cannot be kept in" in last
    assert "Permission denied. Let this user read and write there, or set SECRET_KEY." in last
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"No such file or directory\. Let this user .* or set SECRET_KEY"):
        kept_in(tmp_path / "nowhere" / FILE)


@pytest.mark.skipif(os.name != "posix", reason="needs the modes of files")
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_an_error_with_the_cure(tmp_path: Path, mode: int) -> None:
    kept_in(tmp_path / FILE)
    (tmp_path / FILE).chmod(mode)
    with pytest.raises(ImproperlyConfigured, match=r"Others may read .* Run: chmod 600 '"):
        kept_in(tmp_path / FILE)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 60])
def test_a_file_without_a_key_is_an_error_with_the_cure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(ImproperlyConfigured, match=r"Remove it|set SECRET_KEY"):
        kept_in(tmp_path / FILE)
