"""Policies as text: each mistake is told with its line, rule, word and remedy, and all of them at once."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import PolicyError
from governance.policy import Effect
from governance.policy_text import MAX_POLICY_BYTES, parse_policy, problems
from governance.toml_lines import line_at, lines_of

GOOD = """\
name = "ours"

[[rule]]
id = "share"
effect = "share"
to = "member"
reason = "Members read."
"""


def bad_rule(*lines: str, effect: str = "share") -> str:
    """The good policy with a second rule; its first own line is line 12."""
    return GOOD + "\n".join(("[[rule]]", 'id = "bad"', f'effect = "{effect}"', 'reason = "why"', *lines)) + "\n"


def told(text: str | bytes) -> list[str]:
    return [str(problem) for problem in problems(text)]


def test_a_good_text_becomes_a_policy_whose_version_is_the_hash_of_its_bytes() -> None:
    policy = parse_policy(GOOD)
    assert problems(GOOD) == ()
    assert policy.version == sha256(GOOD.encode()).hexdigest() == parse_policy(GOOD.encode()).version
    assert policy.rule[0].effect is Effect.SHARE
    assert parse_policy(GOOD + "# a comment").version != policy.version


def test_a_byte_order_mark_and_windows_lines_are_read() -> None:
    assert parse_policy(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()).name == "ours"


DENY = 'example = [{labels = "x"}]'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (bad_rule("whem.kind = 3"), "line 12, rule bad: unknown key 'whem'; did you mean when?"),
        (bad_rule('when.kinds = "guide"'), "line 12, rule bad: unknown key 'kinds'; did you mean kind?"),
        (bad_rule('kind = "guide"'), "line 12, rule bad: unknown key 'kind'; write when.kind or unless.kind"),
        (bad_rule('when.kind = "guides"'), "line 12, rule bad: unknown word 'guides' in kind; did you mean guide?"),
        (
            bad_rule('unless.kind = ["guide",', '"case study"]'),
            "line 12, rule bad: unknown word 'case study' in kind; did you mean case_study?",
        ),
        (
            bad_rule('when.sensitivity = "hihg"'),
            "line 12, rule bad: unknown word 'hihg' in sensitivity; did you mean high?",
        ),
        (
            bad_rule('when.purposes = "lerning"'),
            "line 12, rule bad: unknown word 'lerning' in purposes; did you mean learning?",
        ),
        (bad_rule('to = "peers"'), "line 12, rule bad: unknown word 'peers' in to; did you mean peer?"),
        (bad_rule(effect="allow"), "line 10, rule bad: unknown word 'allow' in effect; use one of withhold, hold,"),
        (bad_rule("when.topics = []"), "line 12, rule bad: topics is an empty list and can never match; remove it"),
        (
            bad_rule("when = {older_than_days = 9, younger_than_days = 9}"),
            "line 12, rule bad: nothing is older than 9 and younger than 9 days",
        ),
        (bad_rule("when.younger_than_days = 0"), "line 12, rule bad: nothing is older than 0 and younger than 0 days"),
        (bad_rule("when.older_than_days = -1"), "line 12, rule bad: older_than_days has the value -1"),
        (
            bad_rule('to = ["member", "public"]', 'when.peer = "did:key:z6Mk"'),
            'line 13, rule bad: peer is about peers, but the rule is not: it can never match; add "peer" to `to`',
        ),
        (bad_rule('to = "member"', 'when.peer_regions = "KE"'), "line 13, rule bad: peer_regions is about peers"),
        (bad_rule('to = "public"', 'when.agreement = "a"'), "line 13, rule bad: agreement is about peers"),
        (bad_rule('when.role = "steward"'), "line 12, rule bad: role is about members, but the rule is not"),
        (
            bad_rule('to = ["peer", "member"]', 'when = {role = "steward", agreement = "a"}'),
            "line 13, rule bad: agreement is about peers and role about members: nobody is both; write two rules",
        ),
        (
            bad_rule('when.circle = "coast"'),
            "line 12, rule bad: 'coast' in circle can never match; write a circle",
        ),
        (bad_rule('when.regions = "Kenya"'), "line 12, rule bad: 'Kenya' in regions can never match; write a region"),
        (bad_rule('when.peer = "Amani"'), "line 12, rule bad: 'Amani' in peer can never match; write a node id"),
        (bad_rule('when.labels = " "'), "line 12, rule bad: labels has an empty word"),
        (bad_rule("unless = {}"), "line 12, rule bad: an exception without a condition always holds"),
        (
            bad_rule('when.kind = "guide"', 'unless.kind = ["guide", "story"]'),
            "line 13, rule bad: the exception covers all that the rule is about: it can never match; narrow unless",
        ),
        (
            bad_rule('fields = "persons:*"', "example = [{}]", effect="redact"),
            "line 12, rule bad: no record has a field 'persons:*': nothing would be redacted; did you mean person:*?",
        ),
        (
            bad_rule('fields = "sumary"', "example = [{}]", effect="redact"),
            "line 12, rule bad: no record has a field 'sumary': nothing would be redacted; did you mean summary?",
        ),
        (bad_rule(effect="withhold"), "line 8, rule bad: a withhold rule needs at least one example"),
        (
            bad_rule('when.labels = "y"', "[[rule.example]]", 'labels = "y"', "[[rule.example]]", effect="withhold"),
            "line 15, rule bad: example 2: the rule does not block it; mend the rule or the example",
        ),
        (bad_rule("example = [{}]"), "line 12, rule bad: a share rule blocks nothing"),
        (
            bad_rule('when.labels = "x"', 'example = [{labels = "x", purposes = "playing"}]', effect="hold"),
            "line 13, rule bad: unknown word 'playing' in purposes",
        ),
        (bad_rule('when.circle = "x"', DENY, effect="hold"), "line 12, rule bad: when.circle would give more"),
        (GOOD + GOOD.partition("\n")[2], "rule id 'share' is used twice"),
        (GOOD.replace("share", "Share!", 1), "line 4, rule Share!: id 'Share!' is not allowed; use small letters"),
        (GOOD.replace('reason = "Members read."', ""), "line 3, rule share: reason is missing; write reason ="),
        (GOOD.replace("reason =", "reason.english ="), "line 7, rule share: 'english' is not a language tag; use one"),
        (GOOD.replace('id = "share"\n', ""), "line 3, rule number 1: id is missing"),
        (GOOD.replace("name", "nmae"), "line 1: unknown key 'nmae'; did you mean name?"),
        ('version = "1"\n' + GOOD, "line 1: version is not written: it is the hash of the text; remove the line"),
        ('name = "x"', "rule is missing; write at least one [[rule]]"),
        ("name = \n", "this is not TOML: Invalid value (at line 1"),
    ],
)
def test_each_mistake_names_its_line_rule_word_and_remedy(text: str, sentence: str) -> None:
    assert any(line.startswith(sentence) for line in told(text)), told(text)
    with pytest.raises(PolicyError) as refused:
        parse_policy(text)
    assert str(refused.value).splitlines() == told(text)


def test_all_problems_are_told_at_once_in_the_order_of_lines() -> None:
    text = bad_rule('to = "peers"', 'when.kind = "guid"', "colour = 1").replace('name = "ours"', 'nmae = "ours"')
    found = problems(text)
    assert len(found) == 5
    assert [p.line or 0 for p in found] == sorted(p.line or 0 for p in found)


def test_a_text_that_is_too_long_or_no_text_is_refused_and_the_longest_is_read() -> None:
    room = MAX_POLICY_BYTES - len(GOOD)
    assert parse_policy(GOOD + "#" * room).name == "ours"
    assert "at most 262144" in told(GOOD + "#" * (room + 1))[0]
    assert told(b"\xff") == told("\ud800") == ["the text is not UTF-8; save the file as UTF-8"]
    assert "nested too deeply" in told("a = " + "[" * 100_000)[0]
    assert "far too long" in told("a = " + "9" * 5_000)[0]


def test_a_wrong_value_that_cannot_be_shown_is_a_problem_like_any_other() -> None:
    assert any("cannot be written here" in line for line in told("name = 0x" + "f" * 5_000))
    assert all(len(line) < 500 for line in told(f'name = "{"x" * 10_000}"\nrule = "{"y" * 10_000}"'))


KEYS = st.sampled_from(("name", "rule", "id", "effect", "when", "unless", "example", "to", "fields", "reason", "words"))
VALUES = st.sampled_from(
    ('"x"', "3", "[]", "{}", '"share"', '["peer"]', "[[1]]", "[{}]", "true", "{kind = 1}", "1979-05-27")
)
LINES = st.one_of(st.tuples(KEYS, VALUES).map(" = ".join), KEYS.map("[[{}]]".format), KEYS.map("[rule.{}]".format))


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=6).map("\n".join))
def test_no_text_whatever_raises_anything_but_a_policy_error(text: str) -> None:
    for whole in (text, bad_rule(text)):
        found = problems(whole)
        if found:
            with pytest.raises(PolicyError):
                parse_policy(whole)
        else:
            parse_policy(whole)


def test_lines_are_found_through_long_strings_lists_tables_and_dots() -> None:
    text = '\n'.join((
        "a = 1", 'b = """', "c = 2", '"""', "d = [ # [", '  "]",', "]", "[[t]]", "x = 1", "[t.in]", "y.z = 1",
        "[[t.many]]", "[[t]]", '"quoted key" = 1', "[t.in]", "y = '#['", "z = 2",
    ))  # fmt: skip
    lines = lines_of(text)
    assert {path: lines[path] for path in [("a",), ("b",), ("d",), ("t", 0, "x"), ("t", 0, "in"), ("t", 1)]} == {
        ("a",): 1, ("b",): 2, ("d",): 5, ("t", 0, "x"): 9, ("t", 0, "in"): 10, ("t", 1): 13,
    }  # fmt: skip
    assert ("c",) not in lines
    assert lines["t", 0, "in", "y", "z"] == 11
    assert lines["t", 0, "many", 0] == 12
    assert lines["t", 1, "quoted key"] == 14
    assert lines["t", 1, "in", "z"] == 17
    assert line_at(lines, ("t", 0, "x", "deeper", 3)) == 9
    assert line_at(lines, ("nowhere",)) is None
