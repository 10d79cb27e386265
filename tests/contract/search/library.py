"""A small library in many languages with every kind of visibility, and a way to make any engine over a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from search.document import Entry, Viewer
from search.engine import SearchEngine
from search.memory_engine import MemoryEngine
from search.tantivy_engine import TantivyEngine
from search.whoosh_engine import WhooshEngine

EVERYONE = frozenset(Viewer)
INSIDE = frozenset({Viewer.MEMBERS, Viewer.STEWARDS})
STEWARDS = frozenset({Viewer.STEWARDS})
NOW = 1_000

ENGINES: dict[str, Callable[[Path], SearchEngine]] = {
    "memory": lambda _: MemoryEngine(),
    "tantivy": lambda folder: TantivyEngine(folder, part_entries=4),  # small, so that every test crosses parts
    "whoosh": WhooshEngine,
}
ON_DISK = ("tantivy", "whoosh")


def entry(
    rid: str,
    lang: str,
    title: str,
    text: str,
    viewers: frozenset[Viewer] = EVERYONE,
    *,
    kind: str = "story",
    topics: tuple[str, ...] = (),
    regions: tuple[str, ...] = (),
    purposes: tuple[str, ...] = ("learning",),
    year: int | None = None,
    licence: str = "CC-BY-4.0",
    origin: str = "did:key:zA",
    updated: int = 0,
    until: int | None = None,
) -> Entry:
    """An entry with defaults for everything a test does not speak about."""
    return Entry(
        f"{origin}/{rid}",
        viewers,
        lang,
        title,
        text,
        kind,
        origin,
        updated,
        topics,
        regions,
        purposes,
        year,
        licence,
        until,
    )


LIBRARY: tuple[Entry, ...] = (
    entry(
        "r1",
        "en",
        "Debriefing after a flood",
        "The facilitators met the volunteers and reviewed what worked.",
        kind="after_action_review",
        topics=("flood", "debrief"),
        regions=("asia",),
        year=2021,
        updated=10,
    ),
    entry(
        "r2",
        "en",
        "Fire drill checklist",
        "Check the exits, count the people, call the volunteers.",
        kind="checklist",
        topics=("fire",),
        regions=("europe",),
        year=2019,
        updated=30,
        purposes=("learning", "research"),
    ),
    entry(
        "r3",
        "es",
        "Educación comunitaria",
        "La prevención de incendios con voluntarios del barrio.",
        topics=("fire", "training"),
        regions=("latin-america",),
        year=2020,
        updated=20,
    ),
    entry(
        "r4",
        "fr",
        "L'école d'été",
        "Les formatrices ont préparé l'exercice d'évacuation des élèves.",
        kind="learning_module",
        topics=("training",),
        regions=("europe",),
        year=2022,
        updated=40,
    ),
    entry(
        "r5",
        "de",
        "Brandschutzübungen im Dorf",
        "Die freiwilligen Helfer übten den Umgang mit Feuerlöschern.",
        kind="guide",
        topics=("fire", "training"),
        regions=("europe",),
        year=2018,
        updated=50,
        licence="CC0-1.0",
    ),
    entry(
        "r6",
        "ar",
        "التدريب المجتمعي",
        "مراجعة ما بعد الفيضان مع المدربين والمتطوعين في القرية.",
        topics=("flood", "training"),
        regions=("africa",),
        updated=60,
    ),
    entry(
        "r7",
        "hi",
        "बाढ़ के बाद समीक्षा",
        "प्रशिक्षकों ने स्वयंसेवकों के साथ सड़क पर अभ्यास किया।",
        topics=("flood",),
        regions=("asia",),
        updated=70,
        origin="did:key:zB",
    ),
    entry(
        "r8",
        "zh-TW",
        "社區防火演練",
        "志工訓練手冊與撤離路線的檢查表。",
        kind="toolkit",
        topics=("fire",),
        regions=("asia",),
        updated=80,
        origin="did:key:zB",
    ),
    entry(
        "r9",
        "zh-CN",
        "水灾后的复盘",
        "志愿者在社区里讨论了学到的经验。",
        topics=("flood", "debrief"),
        regions=("asia",),
        updated=90,
        origin="did:key:zB",
    ),
    entry(
        "r10", "ja", "避難訓練の手引き", "学校での避難訓練を振り返る。", kind="guide", topics=("training",), updated=100
    ),
    entry(
        "r11",
        "ko",
        "화재 대피 훈련",
        "자원봉사자들이 마을에서 교육을 받았다.",
        topics=("fire", "training"),
        updated=110,
    ),
    entry("r12", "th", "การซ้อมอพยพน้ำท่วม", "อาสาสมัครทบทวนบทเรียนร่วมกัน", topics=("flood",), updated=120),
    entry(
        "r13",
        "sw",
        "Mafunzo ya jamii",
        "Wanafunzi walijifunza kuhusu mafuriko na kuzima moto.",
        topics=("flood", "training"),
        regions=("africa",),
        updated=130,
    ),
    entry(
        "r14", "vi", "Tập huấn cộng đồng", "Giáo dục phòng cháy cho tình nguyện viên.", topics=("fire",), updated=140
    ),
    entry(
        "r15",
        "ru",
        "Учения по пожарной безопасности",
        "Добровольцы обсудили, что сработало.",
        topics=("fire",),
        regions=("europe",),
        updated=150,
    ),
    entry(
        "r16",
        "tr",
        "İSTANBUL'da deprem eğitimi",
        "Gönüllüler IŞIKLI çıkışları kontrol etti.",
        kind="checklist",
        topics=("earthquake",),
        regions=("europe",),
        updated=160,
    ),
    entry(
        "r17",
        "id",
        "Pelatihan relawan",
        "Para relawan mempelajari penanggulangan banjir.",
        topics=("flood",),
        updated=170,
    ),
    entry(
        "r18",
        "pt-BR",
        "Revisão pós-ação",
        "A equipe avaliou a evacuação após a inundação.",
        topics=("flood",),
        updated=180,
    ),
    # Visibility: a record for members, one for stewards, one that shows less to the public, one that ends.
    entry(
        "m1",
        "en",
        "Members only: safe house routes",
        "The volunteers used the kestrel route.",
        INSIDE,
        topics=("safety",),
        year=2021,
        updated=200,
    ),
    entry(
        "s1",
        "en",
        "Stewards only: incident",
        "A volunteer named Quillfeather was threatened.",
        STEWARDS,
        topics=("incident",),
        year=2021,
        updated=210,
    ),
    entry(
        "d1",
        "en",
        "Night shelter",
        "A story about volunteers.",
        frozenset({Viewer.PUBLIC}),
        topics=("story",),
        updated=220,
    ),
    entry(
        "d1",
        "en",
        "Night shelter",
        "A story about volunteers, told by Marigold in the harbour.",
        INSIDE,
        topics=("story", "harbour"),
        updated=220,
    ),
    entry(
        "e1",
        "en",
        "Ending soon",
        "The volunteers agreed to share the ospreyword until spring.",
        until=NOW + 100,
        topics=("ending",),
        updated=230,
    ),
)


def refetching(entries: Iterable[Entry]) -> Callable[[Sequence[str]], list[Entry]]:
    """A database of these entries, as `erase` and `tidy` ask it."""
    kept = list(entries)
    return lambda keys: [entry for entry in kept if entry.key in set(keys)]
