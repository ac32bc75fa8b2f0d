"""A key slots file with any content is opened rightly or refused, and nothing else happens."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.entropy import seeded
from p2pvault.errors import StoreError
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key, make_master_key
from p2pvault.wire.codec import pack

kinds = st.sampled_from(["file", "passphrase", ""])
trees = st.recursive(
    st.none() | st.integers(-5, 300) | st.binary(max_size=100) | kinds,
    lambda children: st.lists(children, max_size=4),
    max_leaves=12,
)
contents = st.binary(max_size=200) | trees.map(pack) | trees.map(lambda tree: pack([1, [tree]]))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> HomeFiles:
    files = HomeFiles(tmp_path_factory.mktemp("home", numbered=True))
    make_master_key(files, seeded("fuzz"))
    return files


@pytest.fixture(scope="module")
def good(files: HomeFiles) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (files.slots, files.device_key)}


def opens(files: HomeFiles) -> bool:
    try:
        load_master_key(files)
    except StoreError:
        return False
    return True


@given(content=contents)
def test_any_content_is_refused_with_an_error_of_ours(
    files: HomeFiles, good: dict[Path, bytes], content: bytes
) -> None:
    files.device_key.write_bytes(good[files.device_key])
    files.slots.write_bytes(content)
    assert not opens(files)


@given(data=st.data())
def test_any_changed_byte_or_cut_end_fails_closed(
    files: HomeFiles, good: dict[Path, bytes], data: st.DataObject
) -> None:
    for path, content in good.items():
        path.write_bytes(content)
    assert opens(files)
    path = data.draw(st.sampled_from(list(good)))
    position = data.draw(st.integers(0, len(good[path]) - 1))
    changed = bytes([good[path][position] ^ data.draw(st.integers(1, 255))])
    after = data.draw(st.sampled_from([b"", changed + good[path][position + 1 :]]))
    path.write_bytes(good[path][:position] + after)
    assert not opens(files)
