"""A server that sends a byte now and then, or that says no, ends the exchange in time and in its own words."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from facebench.reports.result.record import write
from facebench.reports.tracking import mirror as tracking
from facebench.reports.tracking import runs
from facebench.reports.tracking import watch as tracking_watch
from facebench.reports.tracking.mirror import TrackingError, check, mirror
from facebench.reports.tracking.read import fetch
from made_up import record

LIMIT = 2.0
FOUND = {"experiment": {"experiment_id": "1", "name": "facebench", "lifecycle_stage": "active"}}


class Trickling(BaseHTTPRequestHandler):
    """Answers some routes, and never ends its answer to others, of which a byte comes every 0.2 s."""

    protocol_version = "HTTP/1.1"
    whole: ClassVar[dict[str, tuple[int, Any]]] = {}
    over: ClassVar[threading.Event]
    in_headers = False
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(size)
        type(self).asked.append(self.path)
        for route, (code, content) in self.whole.items():
            if route in self.path:
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
        with suppress(OSError):
            if not self.in_headers:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            else:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.over.wait(0.2):
                self.wfile.write(b" ")
        self.close_connection = True

    do_POST = do_PUT = do_GET

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(whole: dict[str, tuple[int, Any]], *, in_headers: bool = False) -> Iterator[tuple[str, list[str]]]:
    over = threading.Event()
    asked: list[str] = []
    told = {"whole": whole, "over": over, "in_headers": in_headers, "asked": asked}
    handler = type("Handler", (Trickling,), told)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracking_watch.VARIABLE, str(LIMIT))
    import mlflow  # noqa: F401  # not part of what is timed


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("in_headers", [False, True], ids=["body", "headers"])
@pytest.mark.parametrize("whole", [{}, {"experiments/get": (200, FOUND)}], ids=["at first", "later"])
def test_a_server_that_answers_a_byte_at_a_time_is_given_up(
    tmp_path: Path, whole: dict[str, tuple[int, Any]], *, in_headers: bool
) -> None:
    made = record()
    path = write(made, tmp_path / "records")
    with serving(whole, in_headers=in_headers) as (uri, asked):
        for call in (lambda: mirror(made, uri=uri, record_path=path), lambda: fetch(uri, experiment="facebench")):
            started, before = time.monotonic(), len(asked)
            with pytest.raises(TrackingError, match=r"the server took too long.*\$FACEBENCH_MIRROR_TIMEOUT"):
                call()
            assert time.monotonic() - started < LIMIT + 6
            assert len(asked) == before + 1 + len(whole), "nothing more is asked of it"
    assert not list((tmp_path / "records").glob("*.mirror.json"))


def test_all_requests_together_have_a_limit_and_only_requests_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracking_watch.VARIABLE, "0.4")
    monkeypatch.setattr(tracking_watch, "CEILING", 3)
    watch = tracking_watch.Watch()
    asked: list[int] = []

    def busy(seconds: float, times: int) -> str:
        for n in range(times):
            time.sleep(0.5)  # a network is traced
            with watch.request():
                asked.append(n)
                time.sleep(seconds)
        return "done"

    assert watch.run(lambda: busy(0.01, 3)) == "done"
    with pytest.raises(tracking_watch.TooSlowError):
        watch.run(lambda: busy(0.3, 20))
    assert len(asked) < 3 + 6


def test_a_large_file_is_given_the_time_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracking_watch.VARIABLE, "0.2")
    watch = tracking_watch.Watch()

    def send() -> str:
        with watch.request(tracking_watch.SLOWEST * 60):
            time.sleep(1)
        return "done"

    assert watch.run(send) == "done"


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused_before_a_run(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(tracking_watch.VARIABLE, value)
    with pytest.raises(TrackingError, match=r"\$FACEBENCH_MIRROR_TIMEOUT: expected seconds above 0"):
        check("http://127.0.0.1:1")


def sound(run: str) -> dict[str, tuple[int, Any]]:
    """Routes of a server that has one run; MLflow remembers where the artifacts of a run are."""
    told = {"run_id": run, "run_uuid": run, "experiment_id": "1", "status": "FINISHED", "lifecycle_stage": "active"}
    answer = {"run": {"info": {**told, "artifact_uri": f"mlflow-artifacts:/1/{run}/artifacts"}, "data": {}}}
    return {
        "experiments/get": (200, FOUND),
        "runs/search": (200, {}),
        "runs/create": (200, answer),
        "runs/get": (200, answer),
        "/runs/": (200, {}),
    }


NOT_ALLOWED = (403, b"your quota of artifacts is used up, ask Slartibartfast")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (500, b"Internal Server Error"),
            "answered 500 Internal Server Error when .* artifact store, .*; its own log",
        ),
        (NOT_ALLOWED, "403.*ask Slartibartfast"),
        ((507, b"no space left for artifacts"), "507.*no space left for artifacts"),
    ],
)
def test_an_artifact_store_that_cannot_be_written_is_told(tmp_path: Path, answer: tuple[int, Any], words: str) -> None:
    made = record()
    path = write(made, tmp_path / "records")
    with (
        serving({"mlflow-artifacts": answer, **sound(f"a{answer[0]}")}) as (uri, _),
        pytest.raises(TrackingError, match=words) as caught,
    ):
        mirror(made, uri=uri, record_path=path)
    assert "runs/search" not in str(caught.value)
    assert "the record is safe at" in str(caught.value)


def test_the_first_trouble_is_told_where_a_second_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a server broke a connection off, asking it how things are now fails as well."""
    made = record()
    path = write(made, tmp_path / "records")
    with serving({"mlflow-artifacts": NOT_ALLOWED, **sound("b")}) as (uri, _):
        looked: list[int] = []
        found = runs.run_of

        def run_of(*args: Any, **more: Any) -> Any:
            looked.append(1)
            if len(looked) > 1:
                raise ConnectionResetError("reset by peer")
            return found(*args, **more)

        monkeypatch.setattr(tracking, "run_of", run_of)
        with pytest.raises(TrackingError, match="ask Slartibartfast"):
            mirror(made, uri=uri, record_path=path)
    assert len(looked) == 2
