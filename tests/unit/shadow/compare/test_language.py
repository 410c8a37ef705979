"""Languages are told apart when they are clear, and only then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import language
from tests.rooms.pairs import FEWER

TEXTS = {
    "english": "The weather in the north is going to be cold for most of the week, and it may snow on Friday.",
    "german": "Das Wetter im Norden wird in der nächsten Woche kalt sein, und am Freitag ist auch Schnee nicht.",
    "french": "Le temps dans le nord du pays est froid pour la semaine, et il va neiger vendredi sur les hauteurs.",
    "spanish": "El tiempo en el norte del país será frío para la semana, y es posible que nieve por la noche.",
    "italian": "Il tempo nel nord della penisola è freddo per la settimana, e non si esclude che nevichi anche da noi.",
    "portuguese": "O tempo no norte do país é frio para a semana, e não se exclui que neve na noite, mas só em altura.",
    "dutch": "Het weer in het noorden van het land is koud voor de tijd van het jaar, en er is kans op sneeuw.",
    "cyrillic": "Погода на севере страны всю неделю будет холодной, в пятницу возможен снег.",
    "greek": "Ο καιρός στα βόρεια της χώρας θα είναι κρύος όλη την εβδομάδα, με χιόνι.",
    "hebrew": "מזג האוויר בצפון הארץ יהיה קר במשך כל השבוע, וביום שישי ייתכן שלג כבד.",
    "arabic": "سيكون الطقس في شمال البلاد باردا طوال الأسبوع، وقد تتساقط الثلوج يوم الجمعة.",
    "kana": "北部の天気は今週ずっと寒く、金曜日には雪が降るかもしれませんので、ご注意ください。",
    "han": "本周北方天气寒冷，周五可能下雪，请注意保暖，出行时请带好雨具，并留意最新的天气预报和道路交通情况。",
    "hangul": "북부 지방의 날씨는 일주일 내내 춥겠고 금요일에는 눈이 올 수도 있으니 따뜻하게 입고 다니시기 바랍니다.",
}


SENTENCES = st.lists(st.sampled_from([*TEXTS.values(), "x = 1", "", "Bon."]), max_size=3).map(" ".join)


@pytest.mark.parametrize("name", TEXTS)
def test_a_clear_text_is_known(name: str) -> None:
    """A sentence or two are enough."""
    assert language.of(TEXTS[name]) == name


@pytest.mark.parametrize(
    "text",
    ["", "Short.", "x = foo(bar)\nfor item in rows:\n    print(item.name, item.value, total)", "1234 " * 100,
     TEXTS["english"] + " " + TEXTS["cyrillic"], "lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod"],
)  # fmt: skip
def test_an_unclear_text_is_of_no_language(text: str) -> None:
    """Short, mixed, code, numbers, and languages that are not known."""
    assert language.of(text) == ""


def test_only_clear_texts_differ() -> None:
    """An unclear text differs from nothing."""
    assert language.differs(TEXTS["english"], TEXTS["french"])
    assert not language.differs(TEXTS["english"], TEXTS["english"])
    assert not language.differs(TEXTS["english"], "Bon.")


@FEWER
@given(SENTENCES, SENTENCES)
def test_two_texts_differ_from_each_other_or_not_at_all(one: str, other: str) -> None:
    """The look is the same from both sides, and no text differs from itself."""
    assert language.differs(one, other) == language.differs(other, one)
    assert not language.differs(one, one)
