"""Tables: typed columns, and files that give the same values back."""

from __future__ import annotations

import csv
from importlib import util
from types import SimpleNamespace

import library_making as making
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audiolab.errors import CatalogError, MissingDependency, ParameterError
from audiolab.library import frames
from audiolab.library.frame_files import read_csv, read_parquet, read_table, to_csv, to_parquet, write_table
from audiolab.library.frames import COLUMNS, frame_of, to_frame
from audiolab.library.models import SoundRow

KINDS = ("parquet", "csv")


def rows_of(lib, query: str = "") -> list[SoundRow]:
    return [lib.sound_row(sound.id) for sound in lib.query(query)]


@pytest.fixture
def full(lib, tmp_path):
    """A song with stems, samples, model's and people's tags and vectors."""
    song = lib.add(making.wav(tmp_path / "Größe.wav", 1, 2.0), kind="song")
    lib.fold(making.analysis(song, 120.0))
    lib.fold(making.separation(lib, song))
    drums = song.stems["drums"]
    lib.fold(making.slicing(drums, [(0, 800), (800, 2000), (2000, 4000)]))
    lib.fold(making.classifying(drums.samples, [("kick", 0.9), ("snare", 0.4)]))
    lib.fold(making.embedding(lib, drums.samples, "ab" * 32))
    drums.samples[0].tag("=cmd|' /C calc'!A0", role="tag").tag("rim")
    drums.samples[1].untag("snare")
    return lib


def test_columns_have_one_type_and_one_order(full):
    table = to_frame(full, rows_of(full))
    assert list(table.columns)[: len(COLUMNS)] == list(COLUMNS)
    facts = list(table.columns)[len(COLUMNS) :]
    assert facts == sorted(facts)
    assert "onset_strength" in facts
    types = {name: str(kind) for name, kind in table.dtypes.items()}
    assert types["id"] == types["name"] == types["song"] == "string"
    assert types["kind"] == types["label"] == types["key"] == "category"
    assert types["bpm"] == types["duration"] == types["onset_strength"] == "Float64"
    assert types["start"] == types["frames"] == types["rating"] == "Int64"
    assert types["favourite"] == "boolean"
    assert types["added_at"] == "datetime64[us, UTC]"
    empty = to_frame(full, [])
    assert {name: str(kind) for name, kind in empty.dtypes.items()} == {name: types[name] for name in COLUMNS}
    song = table[table.kind == "song"].iloc[0]
    assert song.bpm == 120.0
    assert song.start is pd.NA
    assert song["song"] is pd.NA
    samples = table[table.kind == "sample"]
    assert list(samples["song"]) == ["Größe"] * 3
    assert next(iter(samples.tags)) == ["=cmd|' /C calc'!A0", "rim", "kick"]
    assert list(samples.tags)[1] == []  # denied


def test_a_fact_with_the_name_of_a_column_is_kept_beside_it(full):
    row = rows_of(full, "kind:song")[0]
    made = SimpleNamespace(**{name: getattr(row, name, None) for name in (*COLUMNS, "label_confidence")})
    made.facts = {"kind": "loop", "bpm": 99, "fact_kind": 1}
    table = to_frame(full, [made])
    assert {name: table[name][0] for name in table.columns[len(COLUMNS) :]} == {
        "fact_kind": 1,
        "fact_fact_kind": "loop",
    }
    assert table.kind[0] == "song"
    assert table.bpm[0] == row.bpm


@pytest.mark.parametrize("kind", KINDS)
def test_files_give_the_same_values_back(full, tmp_path, kind):
    table = to_frame(full, rows_of(full), vectors=True)
    assert table.vector.notna().sum() == 3
    path = write_table(table, tmp_path / "deep" / f"table.{kind}")
    pd.testing.assert_frame_equal(read_table(path), table)
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    empty = to_frame(full, [])
    pd.testing.assert_frame_equal(read_table(write_table(empty, tmp_path / f"e.{kind}")), empty)


def test_other_programs_read_the_parquet(full, tmp_path):
    table = to_frame(full, rows_of(full))
    plain = pd.read_parquet(to_parquet(table, tmp_path / "t.parquet"))
    assert list(plain.columns) == list(table.columns)
    assert plain["name"].tolist() == table["name"].tolist()
    assert str(plain.added_at.dtype) == "datetime64[us, UTC]"
    assert [list(tags) for tags in plain.tags] == table.tags.tolist()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), texts
)
facts = st.one_of(
    st.lists(st.one_of(st.none(), texts), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=3, max_size=3),
    st.lists(scalars, min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.lists(scalars, max_size=3), st.dictionaries(texts, scalars, max_size=2)),
             min_size=3, max_size=3),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(texts.filter(str.strip), min_size=3, max_size=3), values=facts, note=st.one_of(st.none(), texts))
@example(names=["=1+1", "'quoted", "ไทย עברית 漢字 🎛"], values=["1.0", "true", None], note="")
@example(names=["-12 dB", "\t@SUM(A1)", 'a"b,c\r\nd'], values=[1, 2.5, None], note="[1]")
@example(names=["nan", "None", "NA"], values=["NaN", "Infinity", "1e5"], note="null")
@example(names=["a", "b", "c"], values=[2**60, 0.5, True], note="x")
def test_any_name_and_fact_comes_back(tmp_path, names, values, note):
    columns = {name: [None] * 3 for name in COLUMNS} | {
        "id": ["a1", "b2", "c3"], "kind": ["song", "stem", "sample"], "name": names, "stem": names[::-1],
        "tags": [[], names, [""]], "note": [note, None, names[0]], "fact": values, "=fact": values,
    }  # fmt: skip
    table = frame_of(columns)
    for kind in KINDS:
        pd.testing.assert_frame_equal(read_table(write_table(table, tmp_path / f"t.{kind}")), table)
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            for cell in row:
                number = cell.removeprefix("-").replace(".", "").replace("e", "").replace("+", "").replace("-", "")
                assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t")) or number.isdigit()


def test_vectors_need_an_encoder_that_is_there(full):
    with pytest.raises(ParameterError, match="abababab"):
        to_frame(full, rows_of(full), vectors="nope")
    table = to_frame(full, rows_of(full, "kind:sample"), vectors="abab")
    ids, values = full.vectors("ab" * 32, list(table.id))
    assert ids == list(table.id)
    assert (table.vector[1] == values[1]).all()


def test_what_is_missing_or_wrong_is_said(full, tmp_path, monkeypatch):
    table = to_frame(full, rows_of(full))
    with pytest.raises(ParameterError, match=r"NAME\.parquet or NAME\.csv"):
        write_table(table, tmp_path / "table.xls")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(CatalogError, match=r"bad\.parquet"):
        read_parquet(tmp_path / "bad.parquet")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CatalogError, match="no table of sounds"):
        read_csv(tmp_path / "bad.csv")
    (tmp_path / "torn.csv").write_text("id,kind,name\na,song\n")
    with pytest.raises(CatalogError, match=r"torn\.csv"):
        read_csv(tmp_path / "torn.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot write"):
        to_csv(table, tmp_path / "file" / "t.csv")
    found = util.find_spec
    monkeypatch.setattr(frames, "find_spec", lambda name: None if name == "pyarrow" else found(name))
    with pytest.raises(MissingDependency, match=r"pip install 'audiolab\[tables\]'"):
        to_parquet(table, tmp_path / "t.parquet")
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="pandas"):
        to_frame(full, [])
