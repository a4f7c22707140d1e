"""What the headers of labelled records say, in families that our statements can be held against.

Two vocabularies: SNOMED CT concepts in a `Dx:` comment (the PhysioNet/CinC Challenges 2020 and 2021), and
LUDB's sentences. Labels are lists of what a reader found worth saying: what is not in the list need not be
absent, so a false positive here can be a finding that nobody wrote down.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Vocabulary = Literal["snomed", "words"]


class Family(NamedTuple):
    """Statements and labels that mean the same finding."""

    id: str
    title: str
    said: frozenset[str]
    """Statement codes; one ending in * stands for all that begin so."""
    snomed: frozenset[str] = frozenset()
    words: str = ""
    """Regular expression, searched in a header comment in lower case."""


def _family(title: str, said: str, snomed: str = "", words: str = "") -> Family:
    codes = said.split()
    return Family(codes[0].replace("_*", ""), title, frozenset(codes), frozenset(snomed.split()), words)


FAMILIES: tuple[Family, ...] = (
    # The Challenges' labels leave sinus rhythm out where there is something else to say.
    _family(
        "Sinus rhythm of any rate",
        "sinus_rhythm sinus_tachycardia sinus_bradycardia sinus_arrhythmia",
        words=r"^rhythm: sinus",
    ),
    _family("Sinus bradycardia", "sinus_bradycardia", "426177001 426627000", r"^rhythm: sinus brady"),
    _family("Sinus tachycardia", "sinus_tachycardia", "427084000", r"^rhythm: sinus tachy"),
    _family("Sinus arrhythmia", "sinus_arrhythmia", "427393009", r"^rhythm: sinus arr"),
    _family(
        "Atrial fibrillation",
        "atrial_fibrillation atrial_fibrillation_preexcited",
        "164889003",
        r"^rhythm: atrial fib",
    ),
    _family("Atrial flutter", "atrial_flutter", "164890007", r"^rhythm: atrial flut"),
    _family(
        "Supraventricular tachycardia",
        "supraventricular_tachycardia atrial_tachycardia",
        "426761007 713422000 67198005 233897008 233896004 426648003",
    ),
    _family(
        "Supraventricular ectopy",
        "atrial_premature atrial_couplet atrial_bigeminy blocked_atrial_premature junctional_premature",
        "284470004 63593006 251164006 251173003 251170000",
        r"^atrial extrasystole",
    ),
    _family(
        "Ventricular ectopy",
        "ventricular_premature ventricular_couplet ventricular_bigeminy ventricular_trigeminy r_on_t"
        " ventricular_tachycardia_unsustained",
        "427172004 17338001 164884008 251182009 11157007 251180001",
        r"^ventricular extrasystole",
    ),
    _family(
        "Ventricular tachycardia",
        "ventricular_tachycardia ventricular_tachycardia_unsustained polymorphic_ventricular_tachycardia"
        " torsades_de_pointes wide_qrs_tachycardia",
        "164895002 425856008",
    ),
    _family(
        "Ventricular fibrillation or flutter",
        "ventricular_fibrillation ventricular_flutter",
        "164896001 111288001",
    ),
    _family("Paced rhythm", "paced_rhythm failure_to_capture", "10370003", r"pacing|pacemaker presence"),
    _family("First-degree AV block", "av_block_1", "270492004 164947007", r"^i degree av"),
    _family(
        "Second-degree AV block",
        "av_block_2 av_block_2_*",
        "195042002 54016002 426183003",
        r"^ii degree av",
    ),
    _family("Complete AV block", "av_block_3", "27885002", r"^iii degree av"),
    _family(
        "Left bundle-branch block", "left_bundle_branch_block", "164909002 733534002", r"^complete left b"
    ),
    _family(
        "Right bundle-branch block", "right_bundle_branch_block", "59118001 713427006", r"^complete right b"
    ),
    _family(
        "Incomplete right bundle-branch block",
        "incomplete_right_bundle_branch_block",
        "713426002",
        r"^incomplete right b",
    ),
    _family(
        "Left anterior fascicular block", "left_anterior_fascicular_block", "445118002", r"^left anterior h"
    ),
    _family(
        "Intraventricular conduction delay",
        "intraventricular_conduction_delay",
        "698252002",
        r"^non-specific intrav",
    ),
    _family(
        "Ventricular preexcitation", "ventricular_preexcitation preexcitation_syndrome", "74390002 195060002"
    ),
    # LUDB's readers call an axis left from about 30 degrees on, so their word is another one than ours.
    _family("Left axis deviation", "left_axis_deviation", "39732003"),
    _family("Right axis deviation", "right_axis_deviation", "47665007"),
    _family("Low voltage", "low_voltage", "251146004"),
    _family(
        "Left ventricular hypertrophy",
        "left_ventricular_hypertrophy left_ventricular_high_voltage biventricular_hypertrophy",
        "164873001 55827005",
        r"^left ventricular hyp",
    ),
    _family(
        "Right ventricular hypertrophy",
        "right_ventricular_hypertrophy biventricular_hypertrophy",
        "89792004",
        r"^right ventricular hyp",
    ),
    _family(
        "Left atrial enlargement",
        "left_atrial_enlargement biatrial_enlargement",
        "67741000119109",
        r"^left atrial (hyp|over)",
    ),
    _family(
        "Right atrial enlargement",
        "right_atrial_enlargement biatrial_enlargement",
        "",
        r"^right atrial (hyp|over)",
    ),
    _family("Acute infarction", "mi_*_acute", "57054005", r"^stemi"),
    _family(
        "Infarction of any age, or abnormal Q",
        "mi_* q_abnormal",
        "164865005 164867002 164917005 57054005 54329005",
        r"^stemi|^scar",
    ),
    _family("ST elevation", "st_elevation mi_*_acute", "164931005"),
    _family("ST depression", "st_depression diffuse_st_depression", "429622005"),
    _family(
        "ST-T or T change of any kind",
        "t_abnormal t_inversion st_* secondary_st_t_change nonspecific_st_t_change diffuse_st_depression"
        " tall_t wellens_pattern de_winter_pattern mi_*_acute",
        "164934002 59931005 428750005 55930002 164930006 429622005 164931005 164861001 425623009 425419005"
        " 426434006 413444003 413844008",
        r"^ischemia|^stemi|^non-specific repol|supp.nstemi",
    ),
    _family("Prolonged QT", "qt_prolonged qtc_prolonged", "111975006"),
    _family("Early repolarisation", "early_repolarisation", "428417006", r"^early repol"),
)

CRITICAL = ("ventricular_tachycardia", "ventricular_fibrillation", "mi_acute", "av_block_3")
"""Families whose label makes a record one that must raise an alarm (spec-clinical 5.4)."""
NO_P = ("atrial_fibrillation", "atrial_flutter", "paced_rhythm")
"""Families in whose records no P wave should be marked: fibrillation, flutter; and paced strips, as LUDB's
readers marked them."""


class Labels(NamedTuple):
    """What a header says."""

    vocabulary: Vocabulary
    families: frozenset[str]

    @property
    def critical(self) -> bool | None:
        """Must this record raise an alarm? None: complete AV block under a pacemaker, where it depends on
        whether the block was known before."""
        known = self.families & frozenset(CRITICAL)
        if known == {"av_block_3"} and "paced_rhythm" in self.families:
            return None
        return bool(known)


def labels(comments: Sequence[str]) -> Labels | None:
    """The families in a header's comments; None where it has no labels."""
    concepts: set[str] = set()
    words: list[str] = []
    labelled = False
    for comment in comments:
        if found := re.match(r"^\s*dx\s*:\s*(.*)$", comment, re.IGNORECASE):
            concepts |= {word.strip() for word in found[1].split(",")}
        elif labelled:
            words.append(comment.strip().lower())
        labelled = labelled or comment.strip().lower().startswith("<diagnoses>")
    if concepts:
        return Labels("snomed", frozenset(f.id for f in FAMILIES if f.snomed & concepts))
    if labelled:
        return Labels(
            "words",
            frozenset(f.id for f in FAMILIES if f.words and any(re.search(f.words, line) for line in words)),
        )
    return None


def said(codes: Iterable[str]) -> frozenset[str]:
    """The families that these statement codes belong to."""
    known = frozenset(codes)
    return frozenset(family.id for family in FAMILIES if any(_is(code, family) for code in known))


def _is(code: str, family: Family) -> bool:
    return code in family.said or any(
        re.fullmatch(pattern.replace("*", ".*"), code) for pattern in family.said if "*" in pattern
    )


def scored(vocabulary: Vocabulary) -> tuple[Family, ...]:
    """Families that a vocabulary has a word for."""
    return tuple(f for f in FAMILIES if (f.snomed if vocabulary == "snomed" else f.words))
