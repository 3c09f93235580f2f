"""Asks token servers on behalf of oras."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from orchestrator.images.answers import raise_for_status
from orchestrator.images.transport import Transport, read_all

_LIMIT = 1024 * 1024

Retry = Callable[[Callable[[], "TokenAnswer"]], "TokenAnswer"]


class TokenSession:
    """Lets oras ask token servers through our transport: time-outs, retries, and errors that tell busy from denied."""

    def __init__(self, transport: Transport, retry: Retry) -> None:
        self._transport, self._retry = transport, retry

    def request(self, _method: str, url: str, /, **options: Any) -> "TokenAnswer":
        """What `requests.Session.request` does, as far as oras uses it."""
        return self.get(url, **options)

    def get(self, url: str, /, **options: Any) -> "TokenAnswer":
        """What `requests.Session.get` does, as far as oras uses it."""
        headers = dict(options.get("headers") or {})
        authorization = headers.pop("Authorization", None)
        query = urlencode(options.get("params") or {})
        full = f"{url}{'&' if urlsplit(url).query else '?'}{query}" if query else url

        def attempt() -> TokenAnswer:
            response = self._transport.get(full, headers, authorization)
            try:
                if response.status not in {400, 401, 403, 404}:  # those mean no, which oras hands on as no token
                    raise_for_status(response, "its token server", host=urlsplit(url).netloc)
                return TokenAnswer(response.status, read_all(response, _LIMIT, "a token"))
            finally:
                response.close()

        return self._retry(attempt)


class TokenAnswer:
    """What oras looks at of a `requests.Response`."""

    def __init__(self, status_code: int, data: bytes) -> None:
        self.status_code, self._data = status_code, data

    @property
    def text(self) -> str:
        """For oras's debug log: nothing, since it may be a token."""
        return ""

    def json(self) -> Any:
        """The token, if all went well."""
        try:
            content = json.loads(self._data)
        except ValueError:
            content = None
        return content if isinstance(content, dict) else {}
