"""What headers say, and that families and the common language agree."""

from ecg.tools import labels
from protocols.statements import STATEMENTS

LUDB = (
    "<age>: 69",
    "<diagnoses>:",
    "Rhythm: Atrial fibrillation.",
    "Electric axis of the heart: left axis deviation. ",
    "III degree AV-block. ",
    "STEMI: anterior wall. ",
)


def test_snomed_and_sentences_name_the_same_families() -> None:
    found = labels.labels(LUDB)
    assert found == labels.Labels(
        "words",
        frozenset({"atrial_fibrillation", "av_block_3", "mi_acute", "mi", "t_abnormal"}),
    )
    assert found.critical
    dx = labels.labels(("Age: 74", "Dx: 164889003,39732003"))
    assert dx == labels.Labels("snomed", frozenset({"atrial_fibrillation", "left_axis_deviation"}))
    assert not dx.critical
    assert labels.labels(("75 F 1011 654 x1", "Diapres")) is None


def test_block_under_a_pacemaker_is_left_undecided_and_nothing_else_is() -> None:
    block = ("<diagnoses>:", "III degree AV-block.")
    paced = (*block, "Biventricular pacing.")
    for comments, critical in (
        (block, True),
        (paced, None),
        ((*paced, "STEMI: septal."), True),
        (paced[::2], False),
    ):
        found = labels.labels(comments)
        assert found is not None
        assert found.critical is critical


def test_degrees_of_block_are_told_apart() -> None:
    for degree, family in (("I", "av_block_1"), ("II", "av_block_2"), ("III", "av_block_3")):
        found = labels.labels(("<diagnoses>:", f"{degree} degree AV block."))
        assert found is not None
        assert found.families == {family}


def test_every_family_is_made_of_statements_that_exist() -> None:
    known = {row.code for row in STATEMENTS}
    for family in labels.FAMILIES:
        for code in family.said:
            if "*" not in code:
                assert code in known, code
        assert labels.said(known) >= {family.id}
    assert len({family.id for family in labels.FAMILIES}) == len(labels.FAMILIES)
    assert set(labels.CRITICAL + labels.NO_P) <= {family.id for family in labels.FAMILIES}


def test_a_concept_means_what_the_common_language_says_it_means() -> None:
    for row in STATEMENTS:
        families = {family.id for family in labels.FAMILIES if row.snomed and row.snomed in family.snomed}
        assert families <= labels.said([row.code]), (row.code, row.snomed)
