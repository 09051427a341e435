"""The client of Pasarela's API for Python 3.11 and newer, without a dependency. Written by scripts/clients from the
hub's own document: change that.

    hub = Pasarela("http://127.0.0.1:8080", os.environ["PASARELA_KEY"])
    for event in pages(lambda cursor: hub.get_events(cursor=cursor)):
        print(event["type"])
    hub.post_consents(statement, once=Once(key="compra-3301"))   # sent again, it is the same one
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, Optional, TypedDict, Union, cast


@dataclass(frozen=True)
class Once:
    """A change that may be sent again: the same key, the same request, one deed. `version`: the `ETag` that was read."""

    key: Optional[str] = None
    version: Optional[str] = None


class Problem(Exception):
    """An answer that is none: a problem with a stable `code`, whose page is at `type`. `retry_after`: seconds after
    which it may be tried again, where the hub says so."""

    def __init__(self, status: int, told: dict[str, Any], retry_after: Optional[int]) -> None:
        self.status, self.retry_after = status, retry_after
        self.code, self.detail, self.type = told.get("code", ""), told.get("detail", ""), told.get("type", "")
        super().__init__(f"{status} {self.code}: {self.detail}")


def pages(page: Callable[[Optional[str]], Any]) -> Iterator[Any]:
    """All rows of a list, page after page."""
    cursor: Optional[str] = None
    while True:
        answer = page(cursor)
        yield from answer["data"]
        cursor = answer.get("next_cursor")
        if cursor is None:
            return


def part(text: str) -> str:
    return urllib.parse.quote(text, safe="")


class Caller:
    """How a hub is called."""

    def __init__(self, url: str, key: str, timeout: float = 30.0) -> None:
        self._url, self._key, self._timeout = url.rstrip("/"), key, timeout

    def call(self, path: str, method: str, query: dict[str, Any], body: Any, once: Optional[Once]) -> Any:
        asked = {n: str(v).lower() if isinstance(v, bool) else v for n, v in query.items() if v is not None}
        url = self._url + path + (f"?{urllib.parse.urlencode(asked)}" if asked else "")
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        elif method != "GET":
            data = b""
        if once and once.key:
            headers["Idempotency-Key"] = once.key
        if once and once.version:
            headers["If-Match"] = once.version
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        if method != "GET" and body is None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                try:
                    told = json.load(refused)
                except ValueError:
                    told = {}
                wait = refused.headers.get("Retry-After")
                raise Problem(refused.code, told, int(wait) if wait and wait.isdigit() else None) from None
