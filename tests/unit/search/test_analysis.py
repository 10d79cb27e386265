"""Analysis as a table: one line a rule of one language."""

from __future__ import annotations

import sys

import pytest
import snowballstemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from search.analysis import analyse, pieces, raw_tokens
from search.bulk import _Cuts, index_terms
from search.document import primary_language
from search.han_table import TO_SIMPLIFIED

# language, text, body terms
CASES: list[tuple[str, str, str]] = [
    ("en", "Facilitators facilitating", "facilit facilit"),
    ("en", "The organisation's team", "the organis team"),
    ("en", "don't", "dont"),
    ("en", "RUNNING runs ran", "run run ran"),
    ("en", "co-operation", "co oper"),
    ("en", "x²  №5", "x2 5"),
    ("en", "2024-05-01", "2024 05 01"),
    ("en", "café naïve", "cafe naiv"),
    ("en", "snake_case", "snake case"),
    ("en", "‘quoted’ words", "quot word"),
    ("en", "ﬁre ﬂood", "fire flood"),
    ("en", "ＦＵＬＬ", "full"),
    ("en-GB", "houses", "hous"),
    ("en", "!?… —", ""),
    ("en", "", ""),
    ("es", "educación", "educ"),
    ("es", "educaciones", "educ"),
    ("es", "niños", "nin"),
    ("es", "Añadir", "anad"),
    ("es", "¿Cómo?", "com"),
    ("es", "comunitarias", "comunitari"),
    ("es", "voluntarios", "voluntari"),
    ("pt-BR", "educação", "educ"),
    ("pt", "avaliações", "avali"),
    ("pt", "inundação", "inund"),
    ("pt", "ações", "aco"),
    ("pt", "formação", "formaca"),
    ("fr", "l'école", "ecol"),
    ("fr", "l’école", "ecol"),
    ("fr", "d'été", "ete"),
    ("fr", "qu'elles", "elle"),
    ("fr", "aujourd'hui", "aujourdhui"),
    ("fr", "jusqu'alors", "alor"),
    ("fr", "formatrices", "formatric"),
    ("fr", "évacuations", "evacu"),
    ("fr", "J'ai", "ai"),
    ("fr", "cœur", "coeur"),
    ("fr", "Ça", "ca"),
    ("de", "Übungen", "ubung"),
    ("de", "Straße", "strass"),
    ("de", "STRASSE", "strass"),
    ("de", "Helfer", "helf"),
    ("de", "Häuser", "haus"),
    ("de", "freiwilligen", "freiwill"),
    ("de", "Prüfungen", "prufung"),
    ("ru", "обучение", "обучен"),
    ("ru", "обучения", "обучен"),
    ("ru", "Ёлки", "елк"),
    ("ru", "ПОЖАРНОЙ", "пожарн"),
    ("ru", "добровольцы", "добровольц"),
    ("ru", "за́мок", "замок"),
    ("tr", "İSTANBUL", "istanbul"),
    ("tr", "IŞIK", "isik"),
    ("tr", "ışık", "isik"),
    ("tr", "İstanbul'da", "istanbul"),
    ("tr", "kitapları", "kitap"),
    ("tr", "evlerde", "ev"),
    ("tr", "ÇOCUK", "cocuk"),
    ("tr", "eğitimi", "egit"),
    ("id", "mempelajari", "ajar"),
    ("id", "pelatihan", "latih"),
    ("id", "relawan", "relaw"),
    ("id", "membantu", "bantu"),
    ("it", "l'acqua", "acqua"),
    ("it", "dell'incendio", "incend"),
    ("it", "città", "citt"),
    ("it", "formazione", "formazion"),
    ("nl", "vrijwilligers", "vrijwil"),
    ("nl", "oefeningen", "oefeen"),
    ("sv", "övningar", "ovning"),
    ("da", "øvelser", "ovels"),
    ("nb", "øvelser", "ovels"),
    ("fi", "kylissä", "kyl"),
    ("pl", "szkolenia", "szkolen"),
    ("ro", "inundațiile", "inund"),
    ("hu", "házakban", "haz"),
    ("ca", "l'aigua", "aigu"),
    ("sr", "вежбе", "vezb"),
    ("hr", "vježbe", "vezb"),
    ("el", "ΕΚΠΑΊΔΕΥΣΗ", "εκπαιδευσ"),
    ("el", "άσκησης", "ασκησ"),
    ("lt", "mokymai", "mokym"),
    ("cs", "cvičení", "cvicen"),
    ("ar", "المدرسة", "مدرس"),
    ("ar", "والمدرسة", "مدرس"),
    ("ar", "مُدَرِّسَة", "مدرس"),
    ("ar", "بالمدارس", "مدارس"),
    ("ar", "أحمد", "احمد"),
    ("ar", "إحمد", "احمد"),
    ("ar", "مستشفى", "مستشف"),
    ("ar", "المتطوعين", "متطوع"),
    ("ar", "متطوعون", "متطوع"),
    ("ar", "كتـــاب", "كتاب"),
    ("ar", "للقرية", "قر"),
    ("ar", "الفيضان", "فيض"),
    ("ar", "فيضانات", "فيض"),
    ("ar", "البيان", "بيان"),
    ("ar", "بيانات", "بيان"),
    ("ar", "٢٠٢٤", "2024"),
    ("ar", "مؤتمر", "موتمر"),
    ("ar", "ومراجعة", "مراجع"),
    ("fa", "کتاب", "كتاب"),
    ("ur", "کتاب", "كتاب"),
    ("hi", "सड़क", "सडक"),
    ("hi", "सड़कें", "सडक"),
    ("hi", "सडक", "सडक"),
    ("hi", "प्रशिक्षण", "प्रशिक्षण"),
    ("hi", "हिन्दी", "हिन्द"),
    ("hi", "फ़िल्म", "फिल्म"),
    ("hi", "समीक्षा", "समीक्ष"),
    ("mr", "शाळा", "शाळा"),
    ("bn", "বাড়ি", "বাডি"),
    ("ne", "बाढी", "बाढी"),
    ("ta", "பயிற்சி", "பயிற்சி"),
    ("zh-TW", "社區防火", "社区 区防 防火"),
    ("zh-CN", "社区防火", "社区 区防 防火"),
    ("zh", "水", "水"),
    ("zh", "使用AI技術", "使用 ai 技术"),
    ("zh", "第3章", "第 3 章"),
    ("zh", "志工們training", "志工 工们 train"),
    ("zh", "消防,演練", "消防 演练"),
    ("ja", "避難訓練", "避难 难训 训练"),
    ("ja", "ガイド", "ガイ イド"),
    ("ja", "ｶﾞｲﾄﾞ", "ガイ イド"),
    ("ja", "学校", "学校"),
    ("ja", "手引き", "手引 引き"),
    ("ko", "교육을", "교육 육을"),
    ("ko", "훈련", "훈련"),
    ("ko", "\u1112\u116e\u11ab련", "훈련"),
    ("th", "น้ำ", "น้ํ ้ํา"),
    ("th", "ไฟ", "ไฟ"),
    ("th", "อพยพ", "อพย พยพ"),
    ("lo", "ໄຟໄໝ້", "ໄຟໄ ຟໄຫ ໄຫມ ຫມ້"),
    ("km", "ភ្លើង", "ភ្ល ្លើ លើង"),
    ("my", "မီး", "မီး"),
    ("vi", "Giáo dục", "giáo dục"),
    ("vi", "phòng cháy", "phòng cháy"),
    ("sw", "wanafunzi", "wanafunzi"),
    ("sw", "ng'ombe", "ngombe"),
    ("sw", "Mafunzo", "mafunzo"),
    ("uk", "об'єднання", "обєднання"),
    ("uk", "їжак", "їжак"),
    ("he", "שָׁלוֹם", "שלום"),
    ("und", "Éxample", "example"),
    ("en", "обучения", "обучен"),
    ("ru", "training", "train"),
    ("th", "workshops", "workshop"),
    ("en", "社區", "社区"),
]


@pytest.mark.parametrize(("lang", "text", "terms"), CASES, ids=[f"{lang}-{text}" for lang, text, _ in CASES])
def test_a_text_is_cut_into_these_terms(lang: str, text: str, terms: str) -> None:
    assert " ".join(token.term for token in analyse(text, lang)) == terms


SIDE: list[tuple[str, str, str]] = [
    ("vi", "giáo dục", "giao duc"),
    ("es", "educación", ""),
    ("sw", "soma", "3_som 3_oma"),
    ("sw", "ya", ""),
    ("uk", "учні", "3_учн 3_чні"),
    ("en", "training", ""),
    ("de", "Haus", ""),
]


@pytest.mark.parametrize(("lang", "text", "side"), SIDE)
def test_the_side_field_holds_twins_and_grams(lang: str, text: str, side: str) -> None:
    assert sorted(index_terms(text, lang).side.split()) == sorted(side.split())


def test_the_table_is_as_wide_as_was_asked() -> None:
    assert len(CASES) >= 120
    assert len({lang.split("-")[0] for lang, _, _ in CASES}) >= 14


def test_a_terms_offsets_point_at_what_was_written() -> None:
    text = "Der « Straße » ﬁre, 社區防火 น้ำท่วม"
    cut = {token.term: text[token.start : token.end] for token in analyse(text, "de")}
    assert cut["strass"] == "Straße"
    assert cut["fir"] == "ﬁre"
    assert cut["区防"] == "區防"
    assert cut["น้ํ"] == "น้ำ"


def test_one_character_folds_to_one_character() -> None:
    assert all(len(simple) == 1 for simple in TO_SIMPLIFIED.values())
    assert len(TO_SIMPLIFIED) > 4_000


WRITTEN = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("aéßİıIʼ’'社區水ｶﾞน้ำم والةあ교é\u0301\u1112\u116e\u11ab ﷺ½\U00020001\U0001d400_"),
    ),
    max_size=60,
)
LANGS = st.sampled_from(
    ["en", "fr", "tr", "ar", "hi", "zh-TW", "ja", "ko", "th", "vi", "sw", "de", "", "x", "und", "uk"]
)


@given(WRITTEN, LANGS)
@settings(max_examples=400, deadline=None)
def test_analysis_is_total_and_its_offsets_lie_in_the_text(text: str, lang: str) -> None:
    last = 0
    for token in analyse(text, lang):
        assert 0 <= token.start < token.end <= len(text)
        assert token.start >= last - 8 or token.start == 0
        assert token.term
        assert not set(token.term) & set(" \n\t|_")
        last = token.start


@given(WRITTEN, LANGS)
@settings(max_examples=400, deadline=None)
def test_bulk_indexing_gives_the_terms_of_analysis(text: str, lang: str) -> None:
    assert index_terms(text, lang).body.split() == [token.term for token in analyse(text, lang)]


@given(WRITTEN, LANGS)
@settings(max_examples=400, deadline=None)
def test_bulk_indexing_gives_the_dictionary_words_and_side_terms_of_the_pieces(text: str, lang: str) -> None:
    cut = [piece for raw, start in raw_tokens(text) for piece in pieces(raw, primary_language(lang), start)]
    terms = index_terms(text, lang)
    assert set(terms.words.split()) == {word for piece in cut for word in piece.words}
    assert set(terms.side.split()) == {term for piece in cut for term in piece.side}


@given(st.text("abcXYZ019'", min_size=1, max_size=80), LANGS)
@settings(deadline=None)
def test_the_short_way_for_plain_words_equals_the_long_way(text: str, lang: str) -> None:
    for raw, _ in raw_tokens(text):
        cuts = _Cuts(lang)
        body, side, words = cuts.cut(raw)
        assert (cuts[raw], cuts.side.get(raw, ""), cuts.odd.get(raw, raw)) == (body, side, words)


def test_compiled_and_python_stemmers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node with PyStemmer and one without must find the same."""
    stemmer = pytest.importorskip("Stemmer", reason="PyStemmer is not installed")
    for algorithm, text in {
        (name, text) for name in ("english", "spanish", "russian", "turkish") for _, text, _ in CASES
    }:
        module = sys.modules.get(f"snowballstemmer.{algorithm}_stemmer") or __import__(
            f"snowballstemmer.{algorithm}_stemmer", fromlist=["x"]
        )
        pure = getattr(module, f"{algorithm.capitalize()}Stemmer")()
        word = text.lower()
        assert pure.stemWord(word) == stemmer.Stemmer(algorithm).stemWord(word)
    assert "english" in snowballstemmer.algorithms()


def test_a_piece_knows_every_form_it_can_be_found_by() -> None:
    piece = next(pieces("Educación", "es"))
    assert (piece.body, piece.words) == ("educ", ("educacion|educación",))
