"""Pages say what the use cases answered, in the reader's language and the text's direction, in few bytes."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from governance.kinds import KINDS
from node.principal import LOCAL
from node.web.pages import STATIC
from node.web.texts import Reader, accepted, direction
from tests.unit.web.fakes import ARABIC, NOW, ORIGIN, RID, SECRET_RID, Client, FakeApp, field, full_record, hit, record

HTML = {"Accept": "text/html"}
RECORD = f"/records/{ORIGIN}/{RID}"
BUDGET_BYTES = 50 * 1024  # DESIGN 13


async def text_of(client: Client, path: str, **headers: str) -> str:
    response = await client.get(path, headers=HTML | {n.replace("_", "-"): v for n, v in headers.items()})
    return await response.text()


async def test_a_hit_shows_matches_kind_origin_language_date_and_what_is_withheld(client: Client) -> None:
    text = await text_of(client, "/?q=plan")
    assert "<mark>plan</mark> &amp; a &lt;list&gt;" in text
    for words in ("Case study", "River House", "English", "Colombia", "1 part withheld", "1 record found"):
        assert words in text


async def test_dates_and_names_follow_the_readers_language(client: Client) -> None:
    text = await text_of(client, "/?q=plan", Accept_Language="fr-CA,fr;q=0.8")
    assert "20 sept. 2026" in text
    assert "Colombie" in text
    assert "anglais" in text


async def test_each_text_has_its_own_language_and_direction(client: Client, app: FakeApp) -> None:
    app.find.hits = [hit(record(ARABIC, "ar", "دليل")), hit(record(lang="ur-Latn", title="kitab"))]
    text = await text_of(client, "/")
    assert '<h2 lang="ar" dir="rtl">' in text
    assert '<h2 lang="ur-Latn" dir="ltr">' in text
    app.library.records[RID] = record(lang="fa", title="راهنما")
    assert '<h1 lang="fa" dir="rtl">' in await text_of(client, RECORD)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("ar", "rtl"),
        ("he-IL", "rtl"),
        ("fa", "rtl"),
        ("ur", "rtl"),
        ("pa-Arab", "rtl"),
        ("en", "ltr"),
        ("az-Latn", "ltr"),
        ("", "ltr"),
    ],
)
def test_direction_follows_script_then_language(tag: str, expected: str) -> None:
    assert direction(tag) == expected


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("fr-CA,fr;q=0.8,en;q=0.9", ("fr-CA", "en", "fr")),
        ("de;q=0", ()),
        ("*;q=x,<script>,en", ("en",)),
        ("", ()),
        (",".join(["aa"] * 500), ("aa",) * 10),
    ],
)
def test_accept_language_is_read_and_hostile_parts_left_out(header: str, tags: tuple[str, ...]) -> None:
    assert accepted(header) == tags


def test_an_unknown_language_falls_back_to_the_next() -> None:
    assert Reader(("xx-Nonsense", "es")).date(NOW).startswith("21 sept")
    assert Reader(("zz",)).date(NOW) == "Sep 21, 2026"


async def test_facets_are_links_that_add_and_take_away(client: Client, app: FakeApp) -> None:
    text = await text_of(client, "/?q=plan&kind=guide")
    assert "/?q=plan&amp;kind=guide&amp;kind=case_study" in text
    assert 'href="/?q=plan" class="chosen"' in text
    assert "year_from=2024&amp;year_to=2024" in text
    assert '<input type="hidden" name="kind" value="guide">' in text
    assert app.find.asked[-1].kind == ("guide",)


async def test_the_readers_languages_reach_the_search(client: Client, app: FakeApp) -> None:
    await text_of(client, "/?q=plan", Accept_Language="sw,en;q=0.5")
    assert app.find.asked[-1].languages == ("sw", "en")


async def test_did_you_mean_is_a_link(client: Client, app: FakeApp) -> None:
    app.find.did_you_mean = "flood"
    assert '<a href="/?q=flood"><bdi>flood</bdi></a>' in await text_of(client, "/?q=flod")


async def test_an_empty_answer_says_what_to_try_and_an_empty_node_says_so(client: Client, app: FakeApp) -> None:
    app.find.hits = []
    assert "Search without the filters" in await text_of(client, "/?q=x&kind=guide")
    assert "Nothing here is public" in await text_of(client, "/")


async def test_results_page_by_page(client: Client, app: FakeApp) -> None:
    app.find.hits = app.find.hits * 45
    first = await text_of(client, "/?q=x")
    after = first.split("after=")[1].split('"')[0]
    await text_of(client, f"/?q=x&after={after}")
    assert app.find.asked[-1].offset == 20
    assert "To the first page" in await text_of(client, f"/?q=x&after={after}")


@pytest.mark.parametrize("query", ["year_from=x", "sort=best", "limit=zero", "limit=100000", "kind=", "nonsense=1"])
async def test_a_mistake_in_the_address_still_searches(client: Client, query: str) -> None:
    assert (await client.get(f"/?q=plan&{query}", headers=HTML)).status == 200


async def test_a_broken_cursor_is_told_not_guessed(client: Client) -> None:
    assert (await client.get("/?q=plan&after=zzz", headers=HTML)).status == 422


async def test_every_part_of_a_record_is_drawn(client: Client, app: FakeApp) -> None:
    app.library.records[RID] = full_record()
    text = await text_of(client, RECORD)
    for words in (
        "<strong>street</strong>",
        "<h4>Before</h4>",
        "Call eight homes",
        "required",
        "Caller",
        "20 minutes",
        "the <em>street</em>",
        "A card",
        "For example: May",
        "Know the way",
        ">90<",
        "We <em>went</em>.",
        "Rosa",
        "The bridge",
        "plan.pdf",
        "2 KB",
        "early-warning",
        "2023-09 – 2024-05",
        "CC-BY-4.0",
        "Adapted from",
        "دليل الأمان",
        "A record that is not here",
        "unknown",
    ):
        assert words in text


async def test_provenance_and_what_is_withheld_and_why_are_on_the_page(client: Client) -> None:
    text = await text_of(client, RECORD)
    for words in (
        "Verified again for this page",
        ORIGIN,
        RID,
        "Coast School",
        "These parts exist and are not shown",
        "person: p1",
    ):
        assert words in text
    assert "It is for members of the organisation it comes from only." in text


async def test_terms_that_differ_from_the_records_stand_beside_the_part(client: Client, app: FakeApp) -> None:
    app.library.records[RID] = full_record()
    text = await text_of(client, RECORD)
    assert text.count("For organisations with an active agreement; for learning") == 1
    assert text.count("For everyone; for learning, research") == 1


async def test_a_signature_that_fails_and_a_conflict_are_said_aloud(client: Client, app: FakeApp) -> None:
    app.library.records[RID] = record(verified=False, conflict=True)
    text = await text_of(client, RECORD)
    assert "Signature NOT verified" in text
    assert "two different versions" in text


async def test_a_correction_stands_before_everything_else(client: Client, app: FakeApp) -> None:
    said = field("correction", "Correction", {"what": "harm", "note": "The house can *no longer* be told."})
    app.library.records[RID] = record(fields=[field("title", "Title", "Water"), field("summary", "S", "Short"), said])
    text = await text_of(client, f"/records/{ORIGIN}/{RID}")
    assert "do not use an earlier one" in text
    assert text.index("<em>no longer</em>") < text.index("Short")
    app.library.records[RID] = record(fields=[field("title", "Title", "Water"), field("correction", "C", "later form")])
    assert "corrects an error" in await text_of(client, f"/records/{ORIGIN}/{RID}")


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_has_a_page(client: Client, app: FakeApp, kind: str) -> None:
    app.library.records[RID] = record(kind=kind, kind_label=KINDS[kind].label)
    assert KINDS[kind].label in await text_of(client, RECORD)


async def test_unknown_and_not_to_be_known_records_are_the_same_page(client: Client) -> None:
    pages = []
    for rid in (SECRET_RID, SECRET_RID.replace("dead", "beef")):
        response = await client.get(f"/records/{ORIGIN}/{rid}", headers=HTML)
        pages.append((response.status, (await response.text()).replace(rid, "")))
    assert pages[0] == pages[1]
    assert pages[0][0] == 404


async def test_the_status_page_tells_strangers_little(client: Client, app: FakeApp) -> None:
    public = await text_of(client, "/status")
    member = await text_of(client, "/status", **await app.token_for("member", "read"))
    steward = await text_of(client, "/status", **await app.token_for("steward", "read", "steward"))
    assert "1,234" not in public
    assert "1,234" in member
    assert "Coast School" not in member
    assert "Coast School" in steward
    assert "مدرسة الساحل" in steward


async def test_a_page_with_its_style_is_under_the_budget(client: Client, app: FakeApp) -> None:
    app.find.hits = app.find.hits * 20
    app.library.records[RID] = full_record()
    static = sum(f.stat().st_size for f in STATIC.iterdir())
    for path in ("/?q=plan", RECORD, "/status", "/login"):
        page = (await text_of(client, path)).encode()
        assert len(page) + static < BUDGET_BYTES
    assert len(gzip.compress(page)) < 2_000


async def test_a_long_text_does_not_hold_up_the_page(client: Client, app: FakeApp) -> None:
    value: Any = "word " * 60_000
    app.library.records[RID] = record(fields=[field("title", "T", "x"), field("body", "Text", value)])
    assert (await client.get(RECORD, headers=HTML)).status == 200


async def test_a_reader_without_a_browser_gets_a_problem_and_one_with_it_a_page(client: Client) -> None:
    assert (await client.get("/nowhere")).content_type == "application/problem+json"
    assert (await client.get("/nowhere", headers=HTML)).content_type == "text/html"
    assert (await client.get("/api/v1/nowhere", headers=HTML)).content_type == "application/problem+json"


async def test_a_signed_in_reader_sees_their_name_and_the_way_out(client: Client, app: FakeApp) -> None:
    await app.accounts.add(LOCAL, "amal", "member", "correct horse battery")
    signed_in = await app.accounts.login("amal", "correct horse battery", "x")
    text = await text_of(client, "/", Cookie=f"cw_session={signed_in.secret}")
    assert "(amal)" in text
    assert 'href="/logout"' in text
