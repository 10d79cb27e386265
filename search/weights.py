"""Ranking: BM25 over a catch-all field with a small bonus for title words.

The title's weight is measured on our labelled queries; they do not move with the others, which are chosen.
"""

from __future__ import annotations

import math
from typing import Final

from search.plan import Bag, Clause, Field

K1: Final = 1.2  # as Tantivy has it built in; the other engines follow
B: Final = 0.75
TITLE_WEIGHT: Final = 0.5  # nDCG@10 is the same from 0 to 0.5, lower from 1 on
SIDE_WEIGHT: Final = 0.9  # a twin or an unaccented form: nearly the word itself
GRAMS_WEIGHT: Final = 1.2  # shared by all 3-grams of a word: together about as much as the word
SIMILAR_WEIGHT: Final = 0.4  # a corrected word stays behind a word that was written
PREFIX_SCORE: Final = 2.0  # constant: which completion matched says little
TOPIC_WEIGHT: Final = 0.5
FIRST_LANGUAGE_SCORE: Final = 10_000.0  # above any sum of the others: the reader's languages come first


def idf(holding: int, total: int) -> float:
    """The weight of a term that `holding` of `total` entries hold, as in Lucene and Tantivy."""
    return math.log(1 + (total - holding + 0.5) / (holding + 0.5))


def bag_weight(bag: Bag) -> float:
    """What one term of the bag counts for."""
    match bag.field:
        case Field.SIDE:
            return SIDE_WEIGHT if len(bag.terms) == 1 else GRAMS_WEIGHT / len(bag.terms)
        case Field.WORDS:
            return SIMILAR_WEIGHT
        case Field.TITLE:
            return TITLE_WEIGHT
        case Field.TOPIC:
            return TOPIC_WEIGHT
        case _:
            return 1.0


def title_bag(clause: Clause) -> Bag | None:
    """The title bonus of a clause as a bag of which any term counts."""
    return Bag(Field.TITLE, clause.title) if clause.title else None
