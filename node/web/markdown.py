"""Markdown of strangers as HTML that cannot do anything: no raw HTML, no foreign images, no links but to the web.

CommonMark with tables, through markdown-it with HTML off; the renderer then writes links and images our way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

MAX_MARKDOWN_CHARS: Final = 100_000  # a book's chapter; the slowest text of this length takes about a second
MAX_BRACKETS: Final = 5_000  # each that opens a link or image costs twenty times what other characters do
SCHEMES: Final = frozenset({"http", "https", "mailto"})
LINK_REL: Final = "nofollow noopener noreferrer"
SHIFT: Final = 2  # h1 is the record, h2 the section; a text's own headings stand below
LAST_HEADING: Final = 6


def is_safe_link(url: str) -> bool:
    """True for an absolute web or mail address. A relative one would mean a page of this node, not of the origin."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    if any(c <= " " or c == "\\" for c in url):
        return False
    return parts.scheme.lower() in SCHEMES and bool(parts.netloc or parts.scheme.lower() == "mailto")


class _Renderer(RendererHTML):
    """Writes what is ours to decide about links, images and headings."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Links leave no trace of the reader and lend no weight to where they go."""
        tokens[idx].attrSet("rel", LINK_REL)
        return self.renderToken(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """An image would be loaded from elsewhere and tell who reads; its words stay."""
        words = self.renderInlineAsText(tokens[idx].children or [], options, env) or "…"
        return f'<span class="image">[{escape(words)}]</span>'


def _shift_headings(state: Any) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(LAST_HEADING, int(token.tag[1]) + SHIFT)}"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "typographer": False}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.validateLink = is_safe_link  # type: ignore[method-assign]
    parser.core.ruler.push("shift_headings", _shift_headings)
    return parser


_PARSER: Final = _parser()


def render(text: str) -> Markup:
    """The text as HTML; one that would hold up other readers is shown as it was written."""
    if len(text) > MAX_MARKDOWN_CHARS or text.count("[") > MAX_BRACKETS:
        return Markup('<div class="as-written">{}</div>').format(text)
    return Markup(_PARSER.render(text))  # noqa: S704 - made by the parser with HTML off
