"""The way to an MLflow store or server: quiet, bounded, and nothing global left changed."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from .uri import plain_uri, sqlite_path

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT = "facebench"
"""The experiment that all runs are in, unless another one is named."""
FIRST_ANSWER = 10
"""Seconds in which a server has to answer the first request, unless MLflow's own variable says otherwise. One that is
not there is known at once; one on a busy machine takes several."""
LATER_ANSWERS = 60
TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
QUIET = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
}


LONGEST = 500
"""Characters of a reason; of a longer one the middle is left out, for servers' own words come last."""
_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_UNREACHED = {
    "Connection refused": "nobody answers at this port: the server does not run, or not yet (Connection refused)",
    "Read timed out": f"the server took the connection and gave no answer within SECONDS s; {TIMEOUT} gives it more",
    "timed out": f"nothing answers there within SECONDS s; check address and firewalls, or raise {TIMEOUT}",
    "Name or service not known|Failed to resolve|failure in name resolution": "no machine of this name is known",
    "Network is unreachable|No route to host": "there is no way to that machine from here",
}
"""What connections that came to nothing say, and what is to be said of them; the first that fits."""


def connect(uri: str) -> MlflowClient:
    """A client of its own; MLflow's global one is not touched."""
    from mlflow.tracking import MlflowClient

    database = sqlite_path(uri)
    real = plain_uri(database) if database else uri
    client = MlflowClient(tracking_uri=real, registry_uri=real)
    if database:  # MLflow keeps connections, and this file may have taken the place of an earlier one
        engine = getattr(getattr(getattr(client, "_tracking_client", None), "store", None), "engine", None)
        if engine is not None:
            engine.dispose()
    return client


def be_patient() -> None:
    """Within `quietly`: the server has answered once, and gets longer for what follows."""
    if os.environ.get(TIMEOUT) == str(FIRST_ANSWER):
        os.environ[TIMEOUT] = str(LATER_ANSWERS)


@contextmanager
def quietly() -> Iterator[None]:
    """No warnings, no lines of MLflow's own, no minutes of retries; all as before afterwards."""
    changed = QUIET if os.environ.get(TIMEOUT) else {**QUIET, TIMEOUT: str(FIRST_ANSWER)}
    before = {name: os.environ.get(name) for name in changed}
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3.connectionpool")]
    levels = [logger.level for logger in loggers]
    os.environ.update(changed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow  # noqa: F401  # it sets log levels when it is imported

            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def reason(error: Exception, uri: str) -> str:
    """What MLflow or its libraries raised, on one line, without SQL, and without user and password.

    What a server says of itself comes through; a status without words is told with what was asked.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    text = re.split(r"\s*\[SQL: |\s*\(Background on this error", text)[0]
    text = re.sub(
        r"\(\w+\.[\w.]*(?:Error|Warning)\)\s*", "", text
    )  # the driver's class, such as sqlite3.OperationalError
    if re.search(r"no such (?:table|column)|duplicate column|\balready exists\b.*|has no column", text):
        text = "the tables there are not those that this MLflow expects; `mlflow db upgrade` may help on a copy"
    status = re.search(r"(?:url: |request to )(\S+).*too many (\d{3}) error responses", text)
    if status:
        path, code = status.group(1).partition("?")[0], int(status.group(2))
        doing = "a file was to be kept in its artifact store" if "artifacts" in path else "it was asked"
        text = f"the server answered {code} {_PHRASES.get(code, '')} when {doing}, at {path}; its own log says why"
    if re.match("API request to .* failed with exception", text):  # before any answer, so these are no server's words
        told = (says for sign, says in _UNREACHED.items() if re.search(sign, text))
        text = next(told, text).replace("SECONDS", os.environ.get(TIMEOUT) or str(FIRST_ANSWER))
    user = re.search(r"://([^/]*@)", uri)
    if user:
        text = text.replace(user.group(1), "")
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
