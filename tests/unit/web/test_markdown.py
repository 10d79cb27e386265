"""No text of a stranger becomes anything but words, and links to the web."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from node.web.markdown import MAX_BRACKETS, MAX_MARKDOWN_CHARS, is_safe_link, render

ALLOWED = {
    "p", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr", "br", "span", "div",
    "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"href", "rel", "title", "class", "style", "start"}

PAYLOADS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<style>*{background:url(//evil.example)}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action=//evil.example><input name=q></form>",
    "<base href=//evil.example/>",
    "<!-- --><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;&#x61;vascript&colon;alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](%6Aavascript:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](data:image/png;base64,AAAA)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://evil.example/1)",
    "[x](/logout)",
    "[x](//evil.example/x)",
    "[x](\\\\evil.example\\x)",
    "[x](http:/\\evil.example)",
    "[x](https://a.example 'title\" onmouseover=\"alert(1)')",
    '[x](https://a.example/"onmouseover="alert(1))',
    "[x](<https://a.example/ onclick=alert(1)>)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    '<https://a.example/"onclick=alert(1)>',
    "![x](javascript:alert(1))",
    "![x](https://evil.example/pixel.gif)",
    '![x"><script>alert(1)</script>](https://evil.example/p.gif)',
    "![<img src=x onerror=alert(1)>](x)",
    '```"><script>alert(1)</script>\ncode\n```',
    "```html onload=alert(1)\n<b>\n```",
    "`<script>alert(1)</script>`",
    "|<script>|\n|---|\n|<img src=x onerror=alert(1)>|",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "[a](https://x.example)[b](javascript:alert`1`)",
    "1<a\n2 onclick=alert(1)>",
]


class Inspector(HTMLParser):
    """Collects what a browser would build."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_an_attack_in_markdown_stays_words(payload: str) -> None:
    inspector = Inspector()
    inspector.feed(str(render(payload)))
    for tag, attributes in inspector.tags:
        assert tag in ALLOWED
        assert set(attributes) <= ATTRIBUTES
        assert attributes.get("style") in (None, "text-align:left", "text-align:right", "text-align:center")
        if tag == "a":
            href = attributes["href"] or ""
            assert href.startswith(("https://", "http://", "mailto:"))
            assert "evil" not in href.split("/")[2] or payload.startswith("[x](http")
            assert attributes["rel"] == "nofollow noopener noreferrer"


@pytest.mark.parametrize("url", ["https://a.example/x?y=1#z", "http://a.example", "mailto:a@b.example"])
def test_web_and_mail_addresses_are_links(url: str) -> None:
    assert is_safe_link(url)
    assert f'href="{url}"' in str(render(f"[x]({url})"))


@pytest.mark.parametrize("url", ["", "x", "/a", "#a", "//a", "https:", "https:///x", "ftp://a.example", "http://[::1"])
def test_what_is_no_web_address_is_no_link(url: str) -> None:
    assert not is_safe_link(url)


def test_an_image_is_its_words_and_is_never_loaded() -> None:
    html = str(render("![a *map*](https://a.example/m.png)"))
    assert "[a map]" in html
    assert "src" not in html


def test_headings_of_a_text_stand_below_those_of_the_page() -> None:
    html = str(render("# One\n\n###### Six"))
    assert "<h3>One</h3>" in html
    assert "<h6>Six</h6>" in html


def test_tables_lists_and_quotes_are_drawn() -> None:
    html = str(render("|a|b|\n|-|-|\n|1|2|\n\n- x\n\n> y\n\n~~z~~"))
    assert all(f"<{tag}>" in html for tag in ("table", "ul", "blockquote", "s"))


def test_a_text_too_long_to_parse_is_shown_as_written() -> None:
    html = str(render("<b>" + "x" * MAX_MARKDOWN_CHARS))
    assert html.startswith('<div class="as-written">&lt;b&gt;x')
    assert str(render("![" * (MAX_BRACKETS + 1))).startswith('<div class="as-written">![![')


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    assert render("> " * 5_000 + "x")
    assert render("[" * 5_000 + "x")
    assert render("*" * 5_000 + "x")
