"""What handlers find on the application and on a request, typed."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from node.principal import Principal
from node.web.options import WebOptions
from node.web.ports import AppPort

APP: Final = web.AppKey("commonweave_app", AppPort)
OPTIONS: Final = web.AppKey("commonweave_options", WebOptions)
WHO: Final = web.RequestKey("commonweave_who", Principal)
REQUEST_ID: Final = web.RequestKey("commonweave_request_id", str)
NO_ETAG: Final = web.RequestKey("commonweave_no_etag", bool)
