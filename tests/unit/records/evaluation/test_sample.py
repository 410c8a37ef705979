"""Recorded exchanges as evaluation rows."""

from pathlib import Path

import msgspec

from records.evaluation.sample import sample
from records.parquet import FEEDBACK
from records.store import Store
from tests.fakes.exchanges import AT
from tests.rooms.stored_records import keep, record, vote


def test_one_question_of_each_conversation(tmp_path: Path) -> None:
    """Each conversation gives one question, the corrected one first, with the correction as its label."""
    store = Store(tmp_path)
    talk = b'{"model": "gpt-4o", "metadata": {"thread_id": "t"}, "messages": [{"role": "user", "content": "%b"}]}'
    said = [record(number, request=talk.replace(b"%b", b"q%d" % number)) for number in range(3)]
    keep(store, "a", *said, record(7), record(8, route="other"), record(9, no_train=True))
    corrected = msgspec.structs.replace(vote(said[1].id, -1.0), corrected_output_json='{"content": "better"}')
    store.publish(store.stage(FEEDBACK, [corrected], "b"))
    rows = {row["source"]: row for row in sample(store, "support", since=AT - 1, rows=10, salt="x")}
    assert set(rows) == {said[1].id, record(7).id}
    assert [rows[said[1].id]["expected"], rows[record(7).id]["expected"]] == ["better", None]
    assert rows[said[1].id]["prompt_hash"] == said[1].prompt_hash
    assert len(list(sample(store, "support", since=AT - 1, rows=1, salt="x"))) == 1
    assert list(sample(store, "support", since=AT + 1, rows=10, salt="x")) == []
