"""Words that carry grammar, not matter: a query does not need to find them, though they may add to a rank.

Folded forms of all languages in one set: a query has no known language, and a word wrongly in here is only optional.
"""

from __future__ import annotations

from typing import Final

_LINES: Final = (
    # English, German, Dutch
    "a an and are as at be by do does for from has have how i in is it its of on or our that the their there this ",
    "to was we were what when where which who why will with you your can should ",
    "der die das ein eine einen einem einer und oder ist sind im am zu zum zur mit von vom fur auf aus bei wie was ",
    "wer wo den dem des nach uber wir ihr sie es nicht ",
    "de het een en van op te dat met voor zijn wat hoe niet ",
    # Spanish, Portuguese, French, Italian, Romanian
    "el la los las un una unos unas y o del al en por para con que se su sus como es son lo mas ",
    "os um uma e da do dos das no na nos nas em ao aos pelo pela com sem seu sua nao ",
    "le les des du au aux et ou une dans sur pour par avec ce cet cette ces qui est sont comment pas plus leur leurs ",
    "il gli i della dello degli delle nel nella di che non come per sono si ",
    "si sa cu pe la din ale ",
    # Russian, Ukrainian, Polish, Czech, Serbian
    "и в во на с со к ко о об от по за из у для не что как это а но или та що як це до від ",
    "w z ze i na do od nie to jak sie jest oraz dla ",
    "se v ve s z k je pro jako ktere u sa za od kako ",
    # Turkish, Indonesian, Swahili, Vietnamese
    "ve bir bu icin ile de da mi ne nasil ",
    "yang dan di ke dari untuk dengan pada ini itu adalah bagaimana cara ",
    "ya wa na kwa ni katika la za cha vya kama jinsi gani ",
    "va cua la cac nhung cho trong voi ",
    # Arabic (normalised), Persian, Hindi
    "في من علي الي عن ان ما هل كيف او مع هذا هذه التي الذي و ",
    "و در به از كه با را اين برای ",
    "का के की में से को और है हैं पर एक यह कि ने तो भी कैसे",
)

FUNCTION_WORDS: Final = frozenset(word for line in _LINES for word in line.split())
