"""The tests' own PostgreSQL server."""

from __future__ import annotations

import pytest
from postgres import NoPostgres, database, programs


@pytest.mark.slow
def test_a_database_is_new_and_copied_from_a_template(postgres_url: str, postgres_database: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(postgres_database)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar() == 0
        connection.execute(text("CREATE TABLE a AS SELECT 'ß' AS x"))
    engine.dispose()
    with database(postgres_url, template=postgres_database) as url:
        copy = create_engine(url)
        with copy.begin() as connection:
            assert connection.execute(text("SELECT x FROM a")).scalar() == "ß"
        copy.dispose()


def test_without_programs_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathlib.Path.glob", lambda *_: iter(()))
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(NoPostgres, match="not installed"):
        programs()
