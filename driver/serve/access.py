"""Who may ask: whoever has the token. Nothing is served without it, and nothing to a page of another site."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

__all__ = ["COOKIE", "Access"]

COOKIE = "raftmon-token"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""Of report.html, which has its own styles and scripts inside and asks for nothing."""


class Access(BaseHTTPMiddleware):
    """Lets through what bears the token: in the address once (it becomes a cookie of this site), then in the cookie.

    A request for another host name is refused: a page elsewhere could otherwise have a name resolve to this machine.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: tuple[str, ...]) -> None:
        super().__init__(app)
        self._token = token
        self._hosts = hosts

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Refuse, or pass on and add the headers that every page bears."""
        if request.headers.get("host", "").rpartition(":")[0] not in self._hosts:
            return PlainTextResponse("raftmon serve: this host name is not served here", 421)
        given = request.query_params.get("token")
        if given is not None and self._fits(given) and request.method == "GET":
            response: Response = RedirectResponse(str(request.url.remove_query_params("token").path), 303)
            response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return response
        if not self._fits(request.cookies.get(COOKIE, "")):
            return PlainTextResponse(
                "raftmon serve: open the address that the command printed; it bears the token", 403
            )
        response = await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _fits(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())
