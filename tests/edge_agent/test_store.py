"""The station's files: durable, sealed, replaced when damaged."""

import asyncio
import sqlite3

import pytest

from edge_agent.errors import (
    SealBroken,
    StoreClosed,
    StoreCorrupt,
    StoreFull,
    StoreTooNew,
    WrongKey,
)
from edge_agent.store import BATCH_MOST, LOOK_S, Bell, Quota, Store

KEY = bytes(range(32))
ONE = "CREATE TABLE thing (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)"
TWO = "ALTER TABLE thing ADD COLUMN colour TEXT NOT NULL DEFAULT ''"


@pytest.fixture
async def store(tmp_path):
    async with Store.open(tmp_path / "data" / "thing.db", KEY, [ONE]) as opened:
        yield opened


def put(text):
    return lambda db: db.execute("INSERT INTO thing (text) VALUES (?)", (text,)).lastrowid


def texts(db):
    return [row[0] for row in db.execute("SELECT text FROM thing ORDER BY id")]


async def test_every_commit_is_synced_before_the_answer(store):
    def settings(db):
        names = ("journal_mode", "synchronous", "auto_vacuum", "foreign_keys")
        return {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    # 2: FULL, not NORMAL; 2: INCREMENTAL
    assert await store.run(settings) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "auto_vacuum": 2,
        "foreign_keys": 1,
    }
    await store.run(put("a"))
    with sqlite3.connect(store.path) as other:  # committed: another connection sees it
        assert texts(other) == ["a"]
    other.close()


async def test_what_comes_together_is_committed_together(store):
    commits = []
    await store.run(lambda db: db.set_trace_callback(lambda sql: sql == "COMMIT" and commits.append(sql)))
    await asyncio.gather(*(store.run(put(str(i))) for i in range(50)))
    assert len(await store.run(texts)) == 50
    assert len(commits) <= 50 // BATCH_MOST + 4


async def test_a_failing_job_takes_nobody_with_it(store):
    def fail(db):
        put("lost")(db)
        raise LookupError("as asked")

    answers = await asyncio.gather(
        store.run(put("a")), store.run(fail), store.run(put("a")), store.run(put("b")), return_exceptions=True
    )
    assert isinstance(answers[1], LookupError)
    assert isinstance(answers[2], sqlite3.IntegrityError)
    assert await store.run(texts) == ["a", "b"]


async def test_a_full_disk_is_told_and_what_is_there_can_be_deleted(store):
    await store.run(put("a"))
    await store.run(lambda db: db.execute("PRAGMA max_page_count = 30").fetchall())
    large = [store.run(put(f"{i}" * 3000)) for i in range(40)]
    answers = await asyncio.gather(*large, return_exceptions=True)
    assert any(isinstance(answer, StoreFull) for answer in answers)
    with pytest.raises(StoreFull, match="nothing was saved"):
        await store.run(put("x" * 200_000))
    kept = await store.run(texts)
    assert kept[0] == "a"
    await store.run(lambda db: db.execute("DELETE FROM thing"))
    await store.run(put("room again"))
    assert await store.run(texts) == ["room again"]


async def test_what_finds_no_room_takes_nobody_with_it(store):
    await store.run(put("a"))
    await store.run(lambda db: db.execute("PRAGMA max_page_count = 30").fetchall())
    texts_there = ["b" * 3000, "c" * 200_000, "d" * 3000, "e" * 200_000, "f"]
    answers = await asyncio.gather(*(store.run(put(text)) for text in texts_there), return_exceptions=True)
    assert [isinstance(answer, StoreFull) for answer in answers] == [False, True, False, True, False]
    assert [text[0] for text in await store.run(texts)] == ["a", "b", "d", "f"]


async def test_a_file_at_its_quota_says_what_it_holds_and_spares_room_for_what_makes_room(tmp_path):
    async with Store.open(tmp_path / "thing.db", KEY, [ONE], Quota("urgent", 1)) as store:
        with pytest.raises(StoreFull, match="no room left for urgent messages"):
            await store.run(put("x" * 600_000))
        await store.run(put("y" * 400_000))
        with pytest.raises(StoreFull):
            await store.run(put("z" * 150_000))
        await store.run(put("z" * 150_000), spare=True)
        with pytest.raises(StoreFull):  # the spare pages are for that job alone
            await store.run(put("w" * 100_000))
        await store.run(lambda db: db.execute("DELETE FROM thing"))
        await store.give_back()
    assert (tmp_path / "thing.db").stat().st_size < 100_000


async def test_what_another_process_writes_rings_the_bell(store):
    seen = store.changed.rung
    with sqlite3.connect(store.path) as other:
        other.execute("INSERT INTO thing (text) VALUES ('from outside')")
    other.close()
    assert await store.changed.wait(seen, 3 * LOOK_S) == seen + 1
    await asyncio.sleep(1.5 * LOOK_S)
    assert store.changed.rung == seen + 1


async def test_free_pages_are_given_back_at_the_next_start(tmp_path):
    path = tmp_path / "thing.db"
    async with Store.open(path, KEY, [ONE]) as store:
        await store.run(put("x" * 500_000))
        await store.run(lambda db: db.execute("DELETE FROM thing"))
    assert path.stat().st_size > 900_000
    async with Store.open(path, KEY, [ONE]) as store:
        pass
    assert path.stat().st_size < 100_000


async def test_closed(tmp_path):
    async with Store.open(tmp_path / "thing.db", KEY, [ONE]) as store:
        late = asyncio.gather(*(store.run(put(str(i))) for i in range(200)))
        await asyncio.sleep(0)
    assert len(await late) == 200  # what was asked for before the end is done
    with pytest.raises(StoreClosed):
        await store.run(texts)


async def test_the_bell_rings_after_changes_only(store):
    seen = store.changed.rung
    await store.run(texts)
    assert store.changed.rung == seen
    await store.run(put("a"))
    assert store.changed.rung == seen + 1


async def test_a_bell_wakes_all_and_misses_nothing():
    bell = Bell()
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(bell.wait(0)) for _ in range(3)]
        await asyncio.sleep(0)
        bell.ring()
    assert [wait.result() for wait in waits] == [1, 1, 1]
    assert await bell.wait(0) == 1  # rang between two waits
    assert await bell.wait(1, timeout_s=0.01) == 1


# --- sealing ---


async def test_sealed_bytes_open_only_whole_and_in_their_place(store):
    sealed = store.seal(b"secret", b"message 1")
    assert b"secret" not in sealed
    assert store.seal(b"secret", b"message 1") != sealed
    assert store.unseal(sealed, b"message 1") == b"secret"
    for broken in (
        sealed[:-1],
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
        b"\x02" + sealed[1:],
        b"",
        sealed[:20],
    ):
        with pytest.raises(SealBroken):
            store.unseal(broken, b"message 1")
    with pytest.raises(SealBroken):
        store.unseal(sealed, b"message 2")


async def test_another_key_is_refused_and_the_file_left_alone(tmp_path):
    path = tmp_path / "thing.db"
    async with Store.open(path, KEY, [ONE]) as store:
        await store.run(put("a"))
    with pytest.raises(WrongKey, match="another storage key"):
        async with Store.open(path, bytes(32), [ONE]):
            pass
    async with Store.open(path, KEY, [ONE]) as store:
        assert await store.run(texts) == ["a"]
        assert store.quarantined is None


# --- migrations ---


async def test_migrations_go_forward_once(tmp_path):
    path = tmp_path / "thing.db"
    async with Store.open(path, KEY, [ONE]) as store:
        await store.run(put("a"))
    for _ in range(2):
        async with Store.open(path, KEY, [ONE, TWO]) as store:
            assert await store.run(lambda db: db.execute("SELECT text, colour FROM thing").fetchall()) == [
                ("a", "")
            ]
    with pytest.raises(StoreTooNew, match="format 2, this version knows up to 1"):
        async with Store.open(path, KEY, [ONE]):
            pass


# --- damage ---


async def fill(path):
    async with Store.open(path, KEY, [ONE]) as store:
        for i in range(50):
            await store.run(put(str(i) * 1000))


@pytest.mark.parametrize("damage", ["header", "garbage", "foreign"])
async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path, damage, caplog):
    path = tmp_path / "thing.db"
    await fill(path)
    if damage == "foreign":
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA application_id = 42")
        other.close()
    else:
        whole = path.read_bytes()
        path.write_bytes(b"\0" * 100 + whole[100:] if damage == "header" else b"no database at all" * 1000)
    before = path.read_bytes()
    async with Store.open(path, KEY, [ONE]) as store:
        assert await store.run(texts) == []
        assert store.quarantined == tmp_path / "quarantine" / "thing.db.1"
        assert store.quarantine_count == 1
        assert store.quarantined.read_bytes() == before
        assert "quarantine" in caplog.text
    async with Store.open(path, KEY, [ONE]) as store:
        assert store.quarantined is None
        assert store.quarantine_count == 1


async def test_a_bad_page_found_at_work_is_looked_for_at_the_next_start(tmp_path):
    path = tmp_path / "thing.db"
    await fill(path)
    whole = bytearray(path.read_bytes())
    for page in range(8, len(whole) // 4096):
        whole[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(bytes(whole))
    async with Store.open(path, KEY, [ONE]) as store:  # closed properly last time: not every page is read
        with pytest.raises(StoreCorrupt, match="Restart"):
            await store.run(texts)
    async with Store.open(path, KEY, [ONE]) as store:
        assert store.quarantined is not None
        await store.run(put("a"))
    async with Store.open(path, KEY, [ONE]) as store:
        assert await store.run(texts) == ["a"]
