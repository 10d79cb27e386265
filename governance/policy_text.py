"""Policies as people write them: TOML in, a `Policy` out, or every problem with its line, rule, word and remedy.

A text is put in force only if each rule can match something, and each example is blocked by its own rule.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from governance.errors import PolicyError
from governance.gate import Role
from governance.kinds import KINDS
from governance.policy import Conditions, Effect, Example, Policy, Rule, Who
from governance.record import COMMON_FIELDS, PART_TYPES, Sensitivity, is_language
from governance.terms import Purpose, is_circle_id
from governance.toml_lines import Path, line_at, lines_of, syntax_problem

MAX_POLICY_BYTES: Final = 256 * 1024  # some 1,500 rules: more than people can review and vote on
MAX_SHOWN_CHARS: Final = 200  # of a wrong value in an error: enough to find it by
_PEER_ONLY: Final = ("peer", "circle", "peer_regions", "agreement")
_REGION: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?\Z|[0-9]{3}\Z")
_UNKNOWN: Final = re.compile(r"unknown (kind|sensitivity) '([^']*)'")
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "kind": tuple(KINDS),
    "sensitivity": tuple(Sensitivity),
    "purposes": tuple(Purpose),
    "role": tuple(Role),
    "effect": tuple(Effect),
    "to": tuple(Who),
}
_KNOWN_FIELDS: Final = (*COMMON_FIELDS, *dict.fromkeys(s for kind in KINDS.values() for s in kind.model_fields))
_SHAPES: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "regions": (lambda w: bool(_REGION.match(w)) or "*" in w, "a region such as KE, BR-BA or 419"),
    "peer_regions": (lambda w: bool(_REGION.match(w)) or "*" in w, "a region such as KE, BR-BA or 419"),
    "language": (is_language, "a language tag such as sw or pt-BR"),
    "peer": (lambda w: w.startswith("did:key:"), "a node id, did:key:…"),
    "origin": (lambda w: w.startswith("did:key:") or w == "*", "a node id, did:key:…"),
    "circle": (is_circle_id, "a circle's id, <owner key>.<name>, without the word circle:"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in a policy text; `rule` is empty where it is not about a rule."""

    line: int | None
    rule: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        where = [f"line {self.line}"] * bool(self.line) + [f"rule {self.rule}"] * bool(self.rule)
        return f"{', '.join(where)}{': ' * bool(where)}{self.what}{'; ' * bool(self.remedy)}{self.remedy}"


def parse_policy(text: str | bytes) -> Policy:
    """The policy a text says, its version the SHA-256 of the text's bytes; `PolicyError` tells all that is wrong."""
    policy, found = _read(text)
    if policy is None or found:
        raise PolicyError("\n".join(map(str, found)))
    return policy


def problems(text: str | bytes) -> tuple[Problem, ...]:
    """Everything that keeps a text from being put in force, by line; empty if nothing does."""
    return _read(text)[1]


def _read(text: str | bytes) -> tuple[Policy | None, tuple[Problem, ...]]:
    try:
        raw = text if isinstance(text, bytes) else text.encode()
        plain = raw.decode("utf-8-sig")
    except UnicodeError:
        return None, (Problem(None, "", "the text is not UTF-8", "save the file as UTF-8"),)
    if len(raw) > MAX_POLICY_BYTES:
        what = f"the policy is {len(raw)} bytes long, at most {MAX_POLICY_BYTES} are read"
        return None, (Problem(None, "", what, "join rules that differ in one word"),)
    try:
        tree = tomllib.loads(plain)
    except (ValueError, RecursionError) as error:  # all of them: see syntax_problem
        return None, (Problem(None, "", f"this is not TOML: {syntax_problem(error)}", "mend the line named here"),)
    source = _Source(tree, lines_of(plain), plain.splitlines())
    try:
        policy = Policy.model_validate({**tree, "version": sha256(raw).hexdigest()})
    except ValidationError as error:
        return None, _in_order(source.explain(e) for e in error.errors(include_url=False))
    found = [*_given_version(tree, source)]
    for number, rule in enumerate(policy.rule):
        found += [source.problem(("rule", number, *path), what, remedy) for path, what, remedy in _rule_problems(rule)]
    found += [source.failing_example(sentence) for sentence in policy.failing_examples(0)]
    return policy, _in_order(found)


def _in_order(found: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda p: p.line or 0))


def _given_version(tree: dict[str, Any], source: _Source) -> Iterator[Problem]:
    if "version" in tree:
        yield source.problem(("version",), "version is not written: it is the hash of the text", "remove the line")


@dataclass(frozen=True, slots=True)
class _Source:
    """The text behind a policy, to point at its lines."""

    tree: dict[str, Any]
    lines: dict[Path, int]
    text: list[str]

    def problem(self, path: Path, what: str, remedy: str = "") -> Problem:
        return Problem(line_at(self.lines, path), self.rule_at(path), what, remedy)

    def rule_at(self, path: Path) -> str:
        """The id of the rule a path is in, or its number where it has none."""
        if len(path) < 2 or path[0] != "rule" or not isinstance(path[1], int):
            return ""
        rules = self.tree.get("rule")
        rule = rules[path[1]] if isinstance(rules, list) else None
        return str(rule["id"]) if isinstance(rule, dict) and "id" in rule else f"number {path[1] + 1}"

    def failing_example(self, sentence: str) -> Problem:
        """A sentence of `Policy.failing_examples`, at the line of its example."""
        where, _, what = sentence.partition(": ")
        rule, number = where.removeprefix("rule ").split(", example ")
        at = next(n for n, value in enumerate(self.tree["rule"]) if value["id"] == rule)
        what, _, remedy = what.partition("; ")
        return self.problem(("rule", at, "example", int(number) - 1), f"example {number}: {what}", remedy)

    def explain(self, error: ErrorDetails) -> Problem:
        """A validator's error in the words of someone who writes policies."""
        path, what = error["loc"], error["msg"].removeprefix("Value error, ")
        name = str(path[-1]) if path else ""
        match error["type"]:
            case "extra_forbidden":
                return self.problem(path, f"unknown key {name!r}", _right_key(path))
            case "missing":
                return self.problem(path, f"{name} is missing", _MISSING.get(name, ""))
            case "enum":
                key = next((str(p) for p in reversed(path) if p in _WORDS), name)
                what = f"unknown word {_shown(error['input'])} in {key}"
                return self.problem(path, what, did_you_mean(str(error["input"]), _WORDS.get(key, ())))
            case "string_pattern_mismatch":
                remedy = "use small letters, digits and hyphens, at most 64"
                return self.problem(path, f"{name} {_shown(error['input'])} is not allowed", remedy)
            case "value_error":
                return self._own_error(path, what)
        return self.problem(path, f"{name} has the value {_shown(error['input'])}: {what[:1].lower()}{what[1:]}")

    def _own_error(self, path: Path, what: str) -> Problem:
        """An error that the models of `governance.policy` word themselves: `what is wrong: remedy`, mostly."""
        unknown = _UNKNOWN.match(what)
        if unknown:
            key, word = unknown.groups()
            return self.problem((*path, key), f"unknown word {word!r} in {key}", did_you_mean(word, _WORDS[key]))
        what, _, remedy = what.partition(": ")
        first = what.partition(" ")[0]
        return self.problem((*path, *first.split(".")), what, remedy)


def _shown(value: object) -> str:
    """A value as it was written, as far as an error can hold it; Python does not write numbers of any length."""
    try:
        plain = repr(value)
    except (ValueError, RecursionError):
        return "that cannot be written here"
    return plain if len(plain) <= MAX_SHOWN_CHARS else f"{plain[:MAX_SHOWN_CHARS]}…"


_MISSING: Final = {
    "rule": "write at least one [[rule]]; without one nothing is ever shared",
    "name": 'write name = "…" at the top: what people call this policy',
    "id": 'write id = "…": it tells people which rule decided',
    "effect": "write effect = one of " + ", ".join(Effect),
    "reason": 'write reason = "…": why the rule exists, in plain words',
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for a word that is not known: the nearest one that is, or all of them."""
    words = tuple(known)
    near = get_close_matches(word.lower().replace("-", "_"), words, n=1) or get_close_matches(word, words, n=1)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(words)}"


def _right_key(path: Path) -> str:
    """A remedy for a key that the table at a path does not have."""
    model: type[BaseModel] = Policy
    for part, inner in (("rule", Rule), ("when", Conditions), ("unless", Conditions), ("example", Example)):
        if part in path[:-1]:
            model = inner
    name = str(path[-1])
    if model is Rule and name in Conditions.model_fields:
        return f"write when.{name} or unless.{name}"
    return did_you_mean(name, (key for key in model.model_fields if key != "version"))


_Found = tuple[Path, str, str]


def _rule_problems(rule: Rule) -> Iterator[_Found]:
    yield from (
        (("reason", tag), f"{tag!r} is not a language tag", "use one such as en, es or pt-BR")
        for tag in rule.reason
        if not is_language(tag)
    )
    for side, conditions in (("when", rule.when), ("unless", rule.unless)):
        if conditions is not None:
            yield from _bad_words((side,), conditions)
            yield from _impossible(side, conditions, rule.to)
    for number, example in enumerate(rule.example):
        yield from _bad_words(("example", number), example)
        if rule.effect is Effect.SHARE:
            yield ("example", number), "a share rule blocks nothing, so an example of it says nothing", "remove it"
    yield from _bad_fields(rule)
    yield from _always_spared(rule)


def _bad_words(path: Path, written: Conditions | Example) -> Iterator[_Found]:
    for name in type(written).model_fields:
        value = getattr(written, name)
        words = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
        for word in words:
            if word == "" and isinstance(written, Example):
                continue
            if name in _WORDS and word not in _WORDS[name]:
                yield (*path, name), f"unknown word {word!r} in {name}", did_you_mean(word, _WORDS[name])
            elif name in _SHAPES and isinstance(written, Conditions) and not _SHAPES[name][0](word):
                yield (*path, name), f"{word!r} in {name} can never match", f"write {_SHAPES[name][1]}"
            elif not word.strip():
                yield (*path, name), f"{name} has an empty word, which can never match", "remove it"


def _impossible(side: str, conditions: Conditions, to: frozenset[Who]) -> Iterator[_Found]:
    """Conditions that no record and no recipient of the rule can ever meet."""
    older, younger = conditions.older_than_days, conditions.younger_than_days
    if younger is not None and younger <= (older or 0):
        what = f"nothing is older than {older or 0} and younger than {younger} days: the condition can never hold"
        yield (side, "younger_than_days"), what, "exchange the two numbers or remove one"
    peerish = [name for name in _PEER_ONLY if getattr(conditions, name) is not None]
    if Who.PEER not in to:
        for name in peerish:
            yield (side, name), f"{name} is about peers, but the rule is not: it can never match", 'add "peer" to `to`'
    if conditions.role is not None:
        if Who.MEMBER not in to:
            what = "role is about members, but the rule is not: it can never match"
            yield (side, "role"), what, 'add "member" to `to`'
        elif peerish:
            what = f"{peerish[0]} is about peers and role about members: nobody is both"
            yield (side, "role"), what, "write two rules"


def _bad_fields(rule: Rule) -> Iterator[_Found]:
    for pattern in rule.fields:
        head, colon, tail = pattern.partition(":")
        if any(fnmatchcase(name, head) for name in (PART_TYPES if colon else _KNOWN_FIELDS)):
            continue
        parts = [f"{part}:{tail or '*'}" for part in PART_TYPES]
        remedy = did_you_mean(f"{head}:{tail or '*'}", parts) if colon else did_you_mean(head, (*_KNOWN_FIELDS, *parts))
        yield ("fields",), f"no record has a field {pattern!r}: nothing would be redacted", remedy


def _always_spared(rule: Rule) -> Iterator[_Found]:
    """An exception that holds whenever the rule does leaves nothing of the rule."""
    if rule.unless is None:
        return
    exceptions = {n: v for n in Conditions.model_fields if (v := getattr(rule.unless, n)) is not None}
    if not exceptions:
        yield ("unless",), "an exception without a condition always holds: the rule can never match", "remove unless"
    elif all(_within(getattr(rule.when, name), value) for name, value in exceptions.items()):
        yield ("unless",), "the exception covers all that the rule is about: it can never match", "narrow unless"


def _within(asked: Any, spared: Any) -> bool:
    if isinstance(asked, tuple) and isinstance(spared, tuple):
        return set(asked) <= set(spared)
    return asked is not None and asked == spared
