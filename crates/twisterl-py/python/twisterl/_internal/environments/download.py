"""Downloads over https, for repositories of environments."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import IO, Any

CHUNK = 1 << 16
TIMEOUT = 20.0  # seconds for a connection and for each read
LIMIT = 600.0  # seconds for a file


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects to other https URLs alone."""

    max_redirections = 5

    def redirect_request(
        self, request: urllib.request.Request, file: IO[bytes], code: int, message: str, headers: Any, url: str
    ) -> urllib.request.Request | None:
        """Return the request that follows, or refuse it."""
        require_https(url)
        return super().redirect_request(request, file, code, message, headers, url)


def require_https(url: str) -> None:
    """Raise `ValueError` for other URLs."""
    if urllib.parse.urlsplit(url).scheme != "https":
        raise ValueError(f"a redirect to {url}, which is no https URL")


def opener() -> urllib.request.OpenerDirector:
    """Return what opens https URLs and nothing else, with the certificates of the system (or of `SSL_CERT_FILE`)."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        SafeRedirects(),
    ):
        made.add_handler(handler)
    return made


def download(url: str, most: int) -> bytes:
    """Return the file at `url`, of at most `most` bytes; raises `ValueError` with what was found instead."""
    require_https(url)
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "twisterl"})
    try:
        with opener().open(request, timeout=TIMEOUT) as response:
            return body(response, most)
    except urllib.error.HTTPError as error:
        raise ValueError(f"the answer {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise ValueError(f"no answer: {error.reason}") from error
    except (HTTPException, OSError) as error:
        raise ValueError(f"no complete answer: {error or type(error).__name__}") from error


def body(response: Any, most: int) -> bytes:
    """Return the whole body of an answer."""
    length = response.headers.get("Content-Length")
    if length is not None and int(length) > most:
        raise ValueError(f"{length} bytes")
    begun, content = time.monotonic(), bytearray()
    while chunk := response.read(CHUNK):
        content += chunk
        if len(content) > most:
            raise ValueError(f"more than {most} bytes")
        if time.monotonic() - begun > LIMIT:
            raise ValueError(f"{len(content)} bytes after {LIMIT:.0f} seconds")
    if length is not None and len(content) != int(length):
        raise ValueError(f"{len(content)} of {length} bytes")
    return bytes(content)
