"""The words of the field, as rows: ECG statements, measurements, symptoms, history. Pure data."""

from typing import NamedTuple


class StatementRow(NamedTuple):
    code: str
    """Ours, stable; a machine or a doctor says this."""
    zh: str
    en: str
    pinyin: str
    """Initials, for the search box: fc finds 心房颤动; behind a space those of a usual short form."""
    group: str
    """Id of GROUPS."""
    aha: str = ""
    """AHA/ACC/HRS statement number, where there is one."""
    snomed: str = ""
    """SNOMED CT concept, where there is a sure one."""
    critical: bool = False
    """On the list of critical values: a doctor who chooses it is asked about the critical loop."""


class MeasurementRow(NamedTuple):
    id: str
    zh: str
    en: str
    unit: str
    decimals: int = 0
    low: float | None = None
    high: float | None = None
    """Adult reference limits for colouring (spec: settings later), None where there is none."""


class WordRow(NamedTuple):
    id: str
    zh: str
    en: str


GROUPS: tuple[WordRow, ...] = (
    WordRow("normal", "正常", "Normal"),
    WordRow("rhythm", "心律", "Rhythm"),
    WordRow("premature_escape", "早搏与逸搏", "Premature and escape beats"),
    WordRow("tachycardia", "心动过速", "Tachycardia"),
    WordRow("flutter_fibrillation", "颤动与扑动", "Flutter and fibrillation"),
    WordRow("block", "传导阻滞", "Conduction"),
    WordRow("st_t", "ST-T", "ST-T"),
    WordRow("hypertrophy", "房室肥大", "Hypertrophy"),
    WordRow("infarction", "心肌梗死", "Infarction"),
    WordRow("axis_voltage", "电轴与电压", "Axis and voltage"),
    WordRow("other", "其他", "Other"),
    WordRow("advice", "建议", "Advice"),
    WordRow("machine", "机器提示", "Machine prompt"),
)
"""In the order of the menu."""

# AHA numbers: Mason, Hancock, Gettes, "Recommendations for the standardization and interpretation of the
# electrocardiogram", part II, 2007. SNOMED CT: the code list of the PhysioNet/CinC Challenges 2020 and 2021.
# An empty place means that we are not sure of one, not that there is none.
_Row = StatementRow
_GENERAL: tuple[StatementRow, ...] = (
    _Row("normal_ecg", "正常心电图", "Normal ECG", "zcxdt", "normal", "1"),
    _Row("otherwise_normal_ecg", "大致正常心电图", "Otherwise normal ECG", "dzzcxdt", "normal", "2"),
    _Row("sinus_rhythm", "窦性心律", "Sinus rhythm", "dxxl", "rhythm", "20", "426783006"),
    _Row("sinus_tachycardia", "窦性心动过速", "Sinus tachycardia", "dxxdgs ds", "rhythm", "21", "427084000"),
    _Row("sinus_bradycardia", "窦性心动过缓", "Sinus bradycardia", "dxxdgh dh", "rhythm", "22", "426177001"),
    _Row("sinus_arrhythmia", "窦性心律不齐", "Sinus arrhythmia", "dxxlbq", "rhythm", "23", "427393009"),
    _Row("atrial_rhythm", "房性心律", "Ectopic atrial rhythm", "fxxl", "rhythm", "34", "106068003"),
    _Row("wandering_pacemaker", "游走性心律", "Wandering atrial pacemaker", "yzxxl", "rhythm", "33",
         "195101003"),
    _Row("junctional_rhythm", "交界性心律", "Junctional rhythm", "jjxxl", "rhythm", "38", "29320008"),
    _Row("accelerated_junctional_rhythm", "加速性交界性心律", "Accelerated junctional rhythm", "jsxjjxxl",
         "rhythm", "39", "426664006"),
    _Row("ventricular_rhythm", "室性心律", "Idioventricular rhythm", "sxxl", "rhythm", "63", "49260003"),
    _Row("accelerated_ventricular_rhythm", "加速性室性心律", "Accelerated idioventricular rhythm",
         "jsxsxxl", "rhythm", "64", "61277005"),
    _Row("paced_rhythm", "起搏心律", "Paced rhythm", "qbxl", "rhythm", "", "10370003"),
    _Row("atrial_premature", "房性早搏", "Atrial premature complex", "fxzb fz", "premature_escape", "30",
         "284470004"),
    _Row("junctional_premature", "交界性早搏", "Junctional premature complex", "jjxzb jz",
         "premature_escape", "36", "251164006"),
    _Row("ventricular_premature", "室性早搏", "Ventricular premature complex", "sxzb sz",
         "premature_escape", "60", "427172004"),
    _Row("atrial_couplet", "成对房性早搏", "Paired atrial premature complexes", "cdfxzb",
         "premature_escape"),
    _Row("atrial_bigeminy", "房性早搏二联律", "Atrial bigeminy", "fxzbell", "premature_escape", "",
         "251173003"),
    _Row("blocked_atrial_premature", "未下传房性早搏", "Atrial premature complex, nonconducted", "wxcfxzb",
         "premature_escape", "31", "251170000"),
    _Row("ventricular_couplet", "成对室性早搏", "Paired ventricular premature complexes", "cdsxzb",
         "premature_escape", "", "251182009"),
    _Row("ventricular_bigeminy", "室性早搏二联律", "Ventricular bigeminy", "sxzbell", "premature_escape",
         "", "11157007"),
    _Row("ventricular_trigeminy", "室性早搏三联律", "Ventricular trigeminy", "sxzbsll",
         "premature_escape", "", "251180001"),
    _Row("r_on_t", "R-on-T 室性早搏", "R-on-T ventricular premature complex", "rontsxzb",
         "premature_escape", critical=True),
    _Row("atrial_escape", "房性逸搏", "Atrial escape complex", "fxyb", "premature_escape", "",
         "251187003"),
    _Row("junctional_escape", "交界性逸搏", "Junctional escape complex", "jjxyb", "premature_escape", "37",
         "426995002"),
    _Row("ventricular_escape", "室性逸搏", "Ventricular escape complex", "sxyb", "premature_escape", "62",
         "75532003"),
    _Row("sinus_arrest", "窦性停搏", "Sinus pause or arrest", "dxtb", "premature_escape", "26", "5609005"),
    _Row("atrial_standstill", "房性停搏", "Atrial standstill", "fxtb", "premature_escape"),
    _Row("junctional_arrest", "交界性停搏", "Junctional arrest", "jjxtb", "premature_escape"),
    _Row("ventricular_standstill", "心室停搏", "Ventricular standstill", "xstb", "premature_escape",
         critical=True),
    _Row("asystole", "全心停搏", "Asystole", "qxtb", "premature_escape", critical=True),
    _Row("long_rr", "长 RR 间期", "Long RR interval", "crrjq", "premature_escape"),
    _Row("atrial_tachycardia", "房性心动过速", "Atrial tachycardia", "fxxdgs fs", "tachycardia", "",
         "713422000"),
    _Row("supraventricular_tachycardia", "室上性心动过速", "Supraventricular tachycardia", "ssxxdgs ss",
         "tachycardia", "55", "426761007"),
    _Row("ventricular_tachycardia", "室性心动过速", "Ventricular tachycardia", "sxxdgs ss", "tachycardia",
         "70", "164895002", critical=True),
    _Row("ventricular_tachycardia_unsustained", "短阵室性心动过速", "Ventricular tachycardia, unsustained",
         "dzsxxdgs", "tachycardia", "71"),
    _Row("polymorphic_ventricular_tachycardia", "多形性室性心动过速",
         "Polymorphic ventricular tachycardia", "dxxsxxdgs", "tachycardia", "72", critical=True),
    _Row("torsades_de_pointes", "尖端扭转型室性心动过速", "Torsades de pointes", "jdnzxsxxdgs",
         "tachycardia", "73", critical=True),
    _Row("wide_qrs_tachycardia", "宽 QRS 心动过速", "Wide-QRS tachycardia", "kqrsxdgs", "tachycardia", "76",
         critical=True),
    _Row("atrial_fibrillation", "心房颤动", "Atrial fibrillation", "xfcd", "flutter_fibrillation", "50",
         "164889003"),
    _Row("atrial_fibrillation_preexcited", "预激合并房颤", "Atrial fibrillation with preexcitation",
         "yjhbfc", "flutter_fibrillation", critical=True),
    _Row("atrial_flutter", "心房扑动", "Atrial flutter", "xfpd", "flutter_fibrillation", "51", "164890007"),
    _Row("ventricular_fibrillation", "心室颤动", "Ventricular fibrillation", "xscd", "flutter_fibrillation",
         "74", "164896001", critical=True),
    _Row("ventricular_flutter", "心室扑动", "Ventricular flutter", "xspd", "flutter_fibrillation", "",
         "111288001", critical=True),
    _Row("av_block_1", "I 度房室传导阻滞", "First-degree AV block", "ydfscdzz", "block", "82", "270492004"),
    _Row("av_block_2", "II 度房室传导阻滞", "Second-degree AV block", "edfscdzz", "block", "", "195042002"),
    _Row("av_block_2_mobitz_1", "II 度 I 型房室传导阻滞", "Second-degree AV block, Mobitz I", "edyxfscdzz",
         "block", "83", "54016002"),
    _Row("av_block_2_mobitz_2", "II 度 II 型房室传导阻滞", "Second-degree AV block, Mobitz II",
         "edexfscdzz", "block", "84", "426183003", critical=True),
    _Row("av_block_2_1", "2:1 房室传导阻滞", "2:1 AV block", "21fscdzz", "block", "85"),
    _Row("av_dissociation", "房室分离", "AV dissociation", "fsfl", "block", "89", "50799005"),
    _Row("av_block_high_grade", "高度房室传导阻滞", "High-grade AV block", "gdfscdzz", "block", "87",
         critical=True),
    _Row("av_block_3", "III 度房室传导阻滞", "Complete AV block", "sdfscdzz", "block", "88", "27885002",
         critical=True),
    _Row("sinoatrial_block", "窦房传导阻滞", "Sinoatrial block", "dfcdzz", "block", "", "65778007"),
    _Row("left_anterior_fascicular_block", "左前分支阻滞", "Left anterior fascicular block", "zqfzzz",
         "block", "101", "445118002"),
    _Row("left_posterior_fascicular_block", "左后分支阻滞", "Left posterior fascicular block", "zhfzzz",
         "block", "102", "445211001"),
    _Row("left_bundle_branch_block", "完全性左束支阻滞", "Complete left bundle-branch block", "wqxzszzz",
         "block", "104", "733534002"),
    _Row("incomplete_left_bundle_branch_block", "不完全性左束支阻滞", "Incomplete left bundle-branch block",
         "bwqxzszzz", "block", "", "251120003"),
    _Row("right_bundle_branch_block", "完全性右束支阻滞", "Complete right bundle-branch block", "wqxyszzz",
         "block", "106", "713427006"),
    _Row("incomplete_right_bundle_branch_block", "不完全性右束支阻滞",
         "Incomplete right bundle-branch block", "bwqxyszzz", "block", "105", "713426002"),
    _Row("intraventricular_conduction_delay", "非特异性室内传导阻滞",
         "Nonspecific intraventricular conduction delay", "ftyxsncdzz", "block", "107", "698252002"),
    _Row("bifascicular_block", "双分支阻滞", "Bifascicular block", "sfzzz", "block"),
    _Row("failure_to_capture", "起搏失夺获", "Pacemaker failure to capture", "qbsdh", "block", "186"),
    _Row("aberrant_conduction", "室内差异性传导", "Aberrant conduction", "sncyxcd", "block", "100"),
    _Row("diffuse_st_depression", "广泛 ST 段压低伴 aVR 抬高",
         "Widespread ST depression with ST elevation in aVR", "gfstdydbavrtg", "st_t"),
    _Row("wellens_pattern", "Wellens 样改变", "Wellens-like pattern", "wellensygb", "st_t"),
    _Row("de_winter_pattern", "de Winter 样改变", "de Winter-like pattern", "dewinterygb", "st_t"),
    _Row("hyperkalaemia_pattern", "疑似高钾血症图形", "Hyperkalaemia pattern", "ysgjxztx", "st_t",
         critical=True),
    _Row("tall_t", "T 波高尖", "Tall peaked T waves", "tbgj", "st_t"),
    _Row("secondary_st_t_change", "继发性 ST-T 改变", "Secondary ST-T change", "jfxsttgb", "st_t"),
    _Row("nonspecific_st_t_change", "非特异性 ST-T 改变", "Nonspecific ST-T abnormality", "ftyxsttgb",
         "st_t", "", "428750005"),
    _Row("qtc_short", "QTc 间期缩短", "Short QTc interval", "qtcjqsd", "st_t", "149", "77867006"),
    _Row("q_abnormal", "异常 Q 波", "Abnormal Q wave", "ycqb", "st_t", "", "164917005"),
    _Row("st_change", "ST 改变", "ST deviation", "stgb", "st_t", "145"),
    _Row("st_elevation", "ST 段抬高", "ST elevation", "stdtg", "st_t", "", "164931005"),
    _Row("st_depression", "ST 段压低", "ST depression", "stdyd", "st_t", "", "429622005"),
    _Row("st_t_change", "ST-T 改变", "ST deviation with T-wave change", "sttgb", "st_t", "146"),
    _Row("t_abnormal", "T 波异常", "T-wave abnormality", "tbyc", "st_t", "147", "164934002"),
    _Row("t_inversion", "T 波倒置", "T-wave inversion", "tbdz", "st_t", "", "59931005"),
    _Row("qt_prolonged", "QT 间期延长", "Prolonged QT interval", "qtjqyc", "st_t", "148", "111975006"),
    _Row("qtc_prolonged", "QTc 间期延长", "Prolonged QTc interval", "qtcjqyc", "st_t"),
    _Row("u_wave", "可见 U 波", "U wave present", "kjub", "st_t"),
    _Row("left_ventricular_hypertrophy", "左心室肥大", "Left ventricular hypertrophy", "zxsfd",
         "hypertrophy", "142", "164873001"),
    _Row("left_ventricular_high_voltage", "左心室高电压", "Left ventricular high voltage", "zxsgdy",
         "hypertrophy", "", "55827005"),
    _Row("right_ventricular_hypertrophy", "右心室肥大", "Right ventricular hypertrophy", "yxsfd",
         "hypertrophy", "143", "89792004"),
    _Row("biventricular_hypertrophy", "双心室肥大", "Biventricular hypertrophy", "sxsfd", "hypertrophy",
         "144"),
    _Row("left_atrial_enlargement", "左心房肥大", "Left atrial enlargement", "zxffd", "hypertrophy", "140",
         "67741000119109"),
    _Row("right_atrial_enlargement", "右心房肥大", "Right atrial enlargement", "yxffd", "hypertrophy",
         "141"),
    _Row("biatrial_enlargement", "双心房肥大", "Biatrial enlargement", "sxffd", "hypertrophy"),
    _Row("left_axis_deviation", "电轴左偏", "Left-axis deviation", "dzzp", "axis_voltage", "121",
         "39732003"),
    _Row("right_axis_deviation", "电轴右偏", "Right-axis deviation", "dzyp", "axis_voltage", "120",
         "47665007"),
    _Row("right_superior_axis", "电轴极度右偏", "Right superior axis", "dzjdyp", "axis_voltage", "122"),
    _Row("indeterminate_axis", "电轴不确定", "Indeterminate axis", "dzbqd", "axis_voltage", "123",
         "251200008"),
    _Row("low_voltage", "低电压", "Low voltage", "ddy", "axis_voltage", "125", "251146004"),
    _Row("poor_r_progression", "R 波递增不良", "Poor R-wave progression", "rbdzbl", "axis_voltage", "",
         "365413008"),
    _Row("preexcitation_syndrome", "预激综合征", "Wolff-Parkinson-White syndrome", "yjzhz", "other", "",
         "74390002"),
    _Row("ventricular_preexcitation", "心室预激波", "Ventricular preexcitation", "xsyjb", "other", "108",
         "195060002"),
    _Row("early_repolarisation", "早期复极", "Early repolarisation", "zqfj", "other", "155", "428417006"),
    _Row("short_pr", "PR 间期缩短", "Short PR interval", "prjqsd", "other", "80", "49578007"),
    _Row("artefact", "干扰信号", "Artefact", "grxh", "other", "14"),
    _Row("advice_higher_hospital", "建议到上级医院复查", "Advise review at a higher-level hospital",
         "jydsjyyfc", "advice"),
    _Row("advice_holter", "建议做动态心电图", "Advise Holter monitoring", "jyzdtxdt", "advice"),
    _Row("advice_twelve_lead", "建议做 12 导联常规心电图", "Advise a standard 12-lead ECG", "jyz12dlcgxdt",
         "advice"),
    _Row("advice_recapture", "信号存在干扰，请重新采集", "Signal disturbed, please record again",
         "xhczgrqcxcj", "advice"),
    _Row("advice_transfer_now", "立即转诊 (120)", "Transfer at once (call 120)", "ljzz120", "advice"),
    _Row("change_heart_rate", "心率变化", "Heart rate changed", "xlbh", "machine"),
    _Row("change_pr", "PR 间期延长于前次", "PR longer than before", "prjqycyqc", "machine"),
    _Row("change_qrs", "QRS 时限宽于前次", "QRS wider than before", "qrssxkyqc", "machine"),
    _Row("change_qtc", "QTc 间期长于前次", "QTc longer than before", "qtcjqcyqc", "machine"),
    _Row("change_axis", "电轴较前偏移", "Axis moved", "dzjqpy", "machine"),
    _Row("change_st", "ST 段较前变化", "ST changed", "stdjqbh", "machine"),
    _Row("new_q", "新出现 Q 波", "New Q wave", "xcxqb", "machine"),
    _Row("new_t_inversion", "新出现 T 波倒置", "New T-wave inversion", "xcxtbdz", "machine"),
    _Row("resolved_t_inversion", "T 波倒置消失", "T-wave inversion resolved", "tbdzxs", "machine"),
    _Row("heart_rate_low", "心率过慢", "Heart rate low", "xlgm", "machine"),
    _Row("heart_rate_high", "心率过快", "Heart rate high", "xlgk", "machine"),
)  # fmt: skip


class _Site(NamedTuple):
    code: str
    zh: str
    en: str
    pinyin: str
    aha: str = ""


_SITES = (
    _Site("anteroseptal", "前间壁", "anteroseptal", "qjb", "165"),
    _Site("septal", "间壁", "septal", "jb"),
    _Site("anterolateral", "前侧壁", "anterolateral", "qcb"),
    _Site("extensive_anterior", "广泛前壁", "extensive anterior", "gfqb", "166"),
    _Site("anterior", "前壁", "anterior", "qb", "160"),
    _Site("inferior", "下壁", "inferior", "xb", "161"),
    _Site("inferoposterior", "下后壁", "inferoposterior", "xhb"),
    _Site("posterior", "后壁", "posterior", "hb", "162"),
    _Site("inferolateral", "下侧壁", "inferolateral", "xcb"),
    _Site("high_lateral", "高侧壁", "high lateral", "gcb"),
    _Site("lateral", "侧壁", "lateral", "cb", "163"),
    _Site("subendocardial", "心内膜下", "subendocardial", "xnmx"),
    _Site("right_ventricular", "右室", "right ventricular", "ys", "174"),
    _Site("apical", "心尖部", "apical", "xjb"),
    _Site("non_st_elevation", "非 ST 抬高型", "non-ST-elevation", "fsttgx"),
)
_AGES = (
    ("acute", "急性", "Acute", "jx"),
    ("subacute", "亚急性", "Subacute", "yjx"),
    ("old", "陈旧性", "Old", "cjx"),
)

_INFARCTIONS: tuple[StatementRow, ...] = tuple(
    StatementRow(
        f"mi_{site.code}_{age}",
        f"{age_zh}{site.zh}心肌梗死",
        f"{age_en} {site.en} myocardial infarction",
        f"{age_pinyin}{site.pinyin}xjgs",
        "infarction",
        site.aha,
        critical=age == "acute",
    )
    for site in _SITES
    for age, age_zh, age_en, age_pinyin in _AGES
)

STATEMENTS: tuple[StatementRow, ...] = _GENERAL + _INFARCTIONS
"""What a doctor chooses from and what ecg.rules may say; a code, once given, keeps its meaning."""

MEASUREMENTS: tuple[MeasurementRow, ...] = (
    MeasurementRow("heart_rate", "心率", "Heart rate", "次/min", low=60, high=100),
    MeasurementRow("rr_ms", "平均 RR", "Mean RR", "ms"),
    MeasurementRow("rr_min_ms", "最短 RR", "Shortest RR", "ms"),
    MeasurementRow("rr_max_ms", "最长 RR", "Longest RR", "ms"),
    MeasurementRow("p_ms", "P 时限", "P duration", "ms", high=120),
    MeasurementRow("pr_ms", "PR 间期", "PR interval", "ms", low=120, high=200),
    MeasurementRow("qrs_ms", "QRS 时限", "QRS duration", "ms", high=110),
    MeasurementRow("qt_ms", "QT 间期", "QT interval", "ms"),
    MeasurementRow("qtcf_ms", "QTcF", "QTcF", "ms", low=390, high=450),
    MeasurementRow("qtcb_ms", "QTcB", "QTcB", "ms", low=390, high=450),
    MeasurementRow("qtcfr_ms", "QTcFr", "QTcFr", "ms", low=390, high=450),
    MeasurementRow("qtch_ms", "QTcH", "QTcH", "ms", low=390, high=450),
    MeasurementRow("qtc_unsteady", "心率不稳，QTc 参考", "Unsteady rate, QTc for reference", ""),
    MeasurementRow("jt_ms", "JT 间期", "JT interval", "ms"),
    MeasurementRow("jtcf_ms", "JTcF", "JTcF", "ms"),
    MeasurementRow("qtc_wide_ms", "QTcF (宽 QRS 校正)", "QTcF (wide QRS)", "ms"),
    MeasurementRow("tpe_ms", "Tp-Te 间期", "Tpeak-Tend", "ms"),
    MeasurementRow("p_axis_deg", "P 轴", "P axis", "°"),
    MeasurementRow("qrs_axis_deg", "QRS 轴", "QRS axis", "°", low=-30, high=90),
    MeasurementRow("t_axis_deg", "T 轴", "T axis", "°"),
    MeasurementRow("qrs_t_angle_deg", "QRS-T 夹角", "QRS-T angle", "°"),
    MeasurementRow("rv5_mv", "RV5", "RV5", "mV", decimals=2),
    MeasurementRow("sv1_mv", "SV1", "SV1", "mV", decimals=2),
    MeasurementRow("rv5_sv1_mv", "RV5+SV1", "RV5+SV1", "mV", decimals=2, high=4.0),
    MeasurementRow("sokolow_mv", "Sokolow-Lyon", "Sokolow-Lyon", "mV", decimals=2),
    MeasurementRow("cornell_mv", "RaVL+SV3", "RaVL+SV3", "mV", decimals=2),
    MeasurementRow("ptf_v1_mms", "PtfV1", "PtfV1", "mm·s", decimals=3, low=-0.04),
)

SYMPTOMS: tuple[WordRow, ...] = (
    WordRow("chest_pain", "胸痛", "Chest pain"),
    WordRow("palpitation", "心悸", "Palpitation"),
    WordRow("syncope", "晕厥", "Syncope"),
    WordRow("dyspnoea", "气短", "Dyspnoea"),
    WordRow("check_up", "体检", "Check-up"),
    WordRow("pre_operative", "术前", "Pre-operative"),
    WordRow("follow_up", "随访", "Follow-up"),
    WordRow("other", "其他", "Other"),
)

HISTORY: tuple[WordRow, ...] = (
    WordRow("pacemaker", "起搏器", "Pacemaker"),
    WordRow("digoxin", "地高辛", "Digoxin"),
    WordRow("antiarrhythmic", "抗心律失常药", "Antiarrhythmic drug"),
    WordRow("hypertension", "高血压", "Hypertension"),
    WordRow("diabetes", "糖尿病", "Diabetes"),
    WordRow("prior_mi", "心梗史", "Prior infarction"),
)
