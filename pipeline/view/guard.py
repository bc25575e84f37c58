"""Who may ask the server: a browser with the token, under the server's own name."""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing comes from elsewhere, and nothing that stands in a page runs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_NO_TOKEN = "Open the address that pfn-kg view printed: it ends in the token of this server.\n"


class Guard:
    """Lets requests through that have the token, and adds headers to all answers.

    The token comes in the address once; the answer puts it into a cookie that scripts can't
    read and other sites can't use, and leads to the address without it. Programs send it as
    `Authorization: Bearer TOKEN`.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int, hosts: tuple[str, ...]):
        """Wraps an application.

        Args:
            app: the application.
            token: the secret.
            port: of the server, which names the cookie: browsers share cookies among ports.
            hosts: names under which the server may be asked; a page of another site whose name
                was made to lead here has another one. None of them means any.
        """
        self._app = app
        self._token = token
        self._cookie = f"pfn-kg-view-{port}"
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that does not reach the application."""
        headers = Headers(scope=scope)
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        if self._hosts and host not in self._hosts:
            return PlainTextResponse("This server has another name.\n", 421)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._is_token(given):
            answer = RedirectResponse("/", 303)
            # Lax: someone may follow the address from a page of another site, such as a notebook.
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="lax")
            return answer
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer):
            return None
        if not self._is_token(self._of_cookie(headers.get("cookie", ""))):
            return PlainTextResponse(_NO_TOKEN, 403)
        if scope["method"] not in ("GET", "HEAD"):
            origin = urlsplit(headers.get("origin", ""))
            if origin.netloc != headers.get("host"):
                return PlainTextResponse("Asked by another page.\n", 403)
        return None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())

    def _of_cookie(self, header: str) -> str:
        try:
            cookie = SimpleCookie(header).get(self._cookie)
        except CookieError:
            return ""
        return cookie.value if cookie else ""
