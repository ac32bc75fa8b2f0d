"""Whether a home has a vault, also where its store is of an older version."""

from contextlib import closing
from os import urandom
from pathlib import Path

import pytest

from p2pvault.crypto.schedule import store_key
from p2pvault.node.create import has_vault
from p2pvault.store import schema
from p2pvault.store.cipher import connect
from p2pvault.store.home import make_home
from p2pvault.store.slots import make_master_key


@pytest.mark.parametrize("version", range(1, schema.VERSION + 1))
def test_a_store_of_any_version_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    files = make_home(tmp_path)
    key = store_key(make_master_key(files, urandom))
    files.database.touch(0o600)
    with monkeypatch.context() as older, closing(connect(files.database, key, writable=True)) as it:
        older.setattr(schema, "VERSION", version)
        older.setattr(schema, "_STEPS", schema._STEPS[:version])
        schema.migrate(it)
    assert not has_vault(tmp_path)
