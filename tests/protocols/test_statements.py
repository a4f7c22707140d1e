import re

from protocols.statements import GROUPS, HISTORY, MEASUREMENTS, STATEMENTS, SYMPTOMS


def verhoeff_is_right(number: str) -> bool:
    """The check digit of a SNOMED CT identifier (Verhoeff, as its release guide has it)."""
    d = [[(i + j) % 5 if j < 5 else 5 + (i + j) % 5 for j in range(10)] for i in range(5)]
    d += [[5 + (i - j) % 5 if j < 5 else (i - j) % 5 for j in range(10)] for i in range(5, 10)]
    p = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    for _ in range(6):
        p.append([p[-1][p[1][j]] for j in range(10)])
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = d[check][p[place % 8][int(digit)]]
    return check == 0


def test_codes_and_words_are_there_once():
    for rows in (STATEMENTS, GROUPS):
        assert len({row.zh for row in rows}) == len(rows)
        assert len({row.en for row in rows}) == len(rows)
    codes = [row.code for row in STATEMENTS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", code) for code in codes)


def test_every_group_has_rows_and_every_row_a_group():
    assert {row.group for row in STATEMENTS} == {row.id for row in GROUPS}


def test_the_search_box_finds_them():
    assert all(re.fullmatch(r"[a-z0-9]+( [a-z0-9]+)*", row.pinyin) for row in STATEMENTS)
    assert [row.zh for row in STATEMENTS if "xfcd" in row.pinyin] == ["心房颤动"]
    assert "atrial_fibrillation" in {row.code for row in STATEMENTS if "fc" in row.pinyin}


def test_one_letter_or_digit_for_each_character():
    """Initials have the length of what they abbreviate; roman numbers are spoken."""
    for row in STATEMENTS:
        spoken = row.zh.replace("III", "三").replace("II", "二").replace("I ", "一")
        length = len(re.findall(r"[\u4e00-\u9fff]|[A-Za-z0-9]", spoken))
        assert len(row.pinyin.split()[0]) == length, row.zh


def test_codes_of_others_are_well_formed():
    for row in STATEMENTS:
        assert re.fullmatch(r"|[1-9]\d{0,2}", row.aha), row.code
        assert row.snomed == "" or verhoeff_is_right(row.snomed), row.code
    snomed = [row.snomed for row in STATEMENTS if row.snomed]
    assert len(set(snomed)) == len(snomed)


def test_what_kills_is_critical():
    critical = {row.code for row in STATEMENTS if row.critical}
    assert {"asystole", "ventricular_fibrillation", "ventricular_tachycardia", "av_block_3"} <= critical
    assert {code for code in critical if code.startswith("mi_")} == {
        row.code for row in STATEMENTS if row.group == "infarction" and row.code.endswith("_acute")
    }
    assert not any(row.critical for row in STATEMENTS if row.group in ("normal", "advice", "machine"))


def test_ids_of_words_are_unique():
    for rows in (SYMPTOMS, HISTORY, MEASUREMENTS, GROUPS):
        assert len({row.id for row in rows}) == len(rows)
