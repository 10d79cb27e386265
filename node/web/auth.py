"""Who asks, from a request: a token, a session cookie, or nobody. And the guards of forms against other sites.

A cookie only ever reads (pages, API GET); what changes something needs a token, or a form with its own secret.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from node.accounts import DEVICE_S, SECRET_BYTES, SESSION_S
from node.contributors.contributing import LINK_PREFIX
from node.errors import NotFound
from node.principal import ANYBODY, Principal
from node.web.keys import APP, OPTIONS
from node.web.problems import Problem, sign_in

SESSION_COOKIE: Final = "cw_session"
FORM_COOKIE: Final = "cw_form"
DEVICE_COOKIE: Final = "cw_device"  # says who has signed in from here before; lets nobody in
FORM_FIELD: Final = "form_token"
FORM_S: Final = 3_600  # a login page left open over lunch still works
# With https the browser itself then refuses a cookie that another host of the domain, or plain http, has set.
SECURE_PREFIX: Final = "__Host-"
_READING: Final = frozenset({"GET", "HEAD"})


async def principal_of(request: web.Request) -> Principal:
    """Who asks; a token that is none is an error, a session that is over is nobody."""
    given = request.headers.get("Authorization")
    if given is not None:
        scheme, _, secret = given.partition(" ")
        found = await _bearer(request, secret.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise sign_in("This token is unknown, has expired or was revoked.", "invalid_token")
        return found
    if request.method in _READING:
        return await session_of(request) or ANYBODY
    return ANYBODY


async def _bearer(request: web.Request, secret: str) -> Principal | None:
    """An account by its token, or a contributor by the secret of their private link."""
    if not secret.startswith(LINK_PREFIX):
        return await request.app[APP].accounts.bearer(secret)
    try:
        return await request.app[APP].contributing.open(secret, address_of(request))
    except NotFound:
        return None


async def session_of(request: web.Request) -> Principal | None:
    """Whose session cookie came along."""
    secret = session_secret(request)
    return await request.app[APP].accounts.session(secret) if secret else None


def session_secret(request: web.Request) -> str:
    """The session cookie, empty without one."""
    return request.cookies.get(cookie_name(request, SESSION_COOKIE), "")


def is_https(request: web.Request) -> bool:
    """True if the reader's side of the connection is encrypted."""
    if request.secure:
        return True
    return _proxied(request, "X-Forwarded-Proto") == "https"


def address_of(request: web.Request) -> str:
    """Where the request came from; kept in memory for counting failed logins, never written down."""
    return _proxied(request, "X-Forwarded-For") or request.remote or "unix"


def is_loopback(request: web.Request) -> bool:
    """True if the caller is this machine itself and no proxy's word stands between."""
    behind = request.app[OPTIONS].behind_proxy
    if not behind and any(h in request.headers for h in ("X-Forwarded-For", "Forwarded", "Via")):
        return False
    if behind and "X-Forwarded-For" not in request.headers:
        return False
    return address_of(request) in ("127.0.0.1", "::1", "unix")


def own_origin(request: web.Request) -> str:
    """Scheme and host that the reader's browser used."""
    host = _proxied(request, "X-Forwarded-Host") or request.host
    return f"{'https' if is_https(request) else 'http'}://{host}"


def base_url(request: web.Request) -> str:
    """The node's address for links in documents."""
    return request.app[OPTIONS].public_url.rstrip("/") or own_origin(request)


def _proxied(request: web.Request, header: str) -> str:
    """A proxy's header, if there is a proxy. Only the last value is its own; callers can send the earlier ones."""
    if not request.app[OPTIONS].behind_proxy:
        return ""
    values = [v.strip() for line in request.headers.getall(header, []) for v in line.split(",")]
    return values[-1] if values else ""


def cookie_name(request: web.Request, name: str) -> str:
    """The cookie's name under the connection's security."""
    return SECURE_PREFIX + name if is_https(request) else name


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, value: str, max_age_s: int) -> None:
    """Set one of our cookies: unreadable for scripts, not sent from other sites' forms, https only where there is."""
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=max_age_s,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=is_https(request),
    )


def start_session(request: web.Request, response: web.StreamResponse, secret: str, devices: str) -> None:
    """Hand over a session; the form secret of before it ends."""
    set_cookie(request, response, SESSION_COOKIE, secret, SESSION_S)
    set_cookie(request, response, DEVICE_COOKIE, devices, DEVICE_S)
    set_cookie(request, response, FORM_COOKIE, "", 0)


def end_session(request: web.Request, response: web.StreamResponse) -> None:
    """Take the session cookie back."""
    set_cookie(request, response, SESSION_COOKIE, "", 0)


def devices_of(request: web.Request) -> str:
    """The devices that this browser keeps, empty for none."""
    return request.cookies.get(cookie_name(request, DEVICE_COOKIE), "")


def stranger_form(request: web.Request, form: str) -> tuple[str, str]:
    """The secret for the cookie and the token for the form (only who can read the cookie jar has both)."""
    known = request.cookies.get(cookie_name(request, FORM_COOKIE), "")
    drawn = urlsafe_b64encode(request.app[APP].entropy.draw(SECRET_BYTES)).decode().rstrip("=")
    secret = known if len(known) == len(drawn) else drawn
    return secret, form_token(secret, form)


def form_token(secret: str, form: str) -> str:
    """A form's token, bound to a cookie's secret and to the one form."""
    return hmac.new(secret.encode("utf-8", "replace"), f"form:{form}".encode(), "sha256").hexdigest()


def check_form(request: web.Request, form: str, secret: str, token: object) -> None:
    """Raise 403 unless the form came from our own page in the same browser."""
    check_same_site(request)
    right = form_token(secret, form)
    given = token if isinstance(token, str) else ""
    if not secret or not hmac.compare_digest(given.encode("utf-8", "replace"), right.encode()):
        raise Problem(403, "form", "This form is too old or came from elsewhere; open the page again and retry.")


def check_same_site(request: web.Request) -> None:
    """Raise 403 for a request that a browser says another site began.

    Our own pages send no referrer, and then browsers write the origin of a form as `null`: that alone is no proof of
    another site, the form's token decides.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin", "null")
    foreign = origin != "null" and urlsplit(origin) != urlsplit(own_origin(request))
    if site in ("cross-site", "same-site") or foreign:
        raise Problem(403, "other-site", "This request came from another site's page and was not carried out.")
