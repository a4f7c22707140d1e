"""The beats of the simulated heart: every wave a pulse of finite support in the eight sampled leads.

A pulse begins and ends on a known millisecond, so boundaries are known to the sample. Shapes follow textbook
pictures; none was cut from a person's record.
"""

from dataclasses import dataclass, replace

from ecg.leads import BOX_LEADS

USUAL_QTC_MS = 400.0
"""Corrected QT (Fridericia) of a shape that says nothing else."""


@dataclass(frozen=True, slots=True)
class Wave:
    """One deflection: milliseconds relative to R, and µV in I, II, V1 … V6."""

    start_ms: float
    peak_ms: float
    end_ms: float
    uv: tuple[float, ...]
    flat: bool = False
    """True: a plateau (ST) with 20 ms flanks instead of a peak."""

    def later(self, ms: float) -> "Wave":
        """The same wave, moved."""
        return replace(self, start_ms=self.start_ms + ms, peak_ms=self.peak_ms + ms, end_ms=self.end_ms + ms)

    def larger(self, factor: float) -> "Wave":
        """The same wave, every lead times factor."""
        return replace(self, uv=tuple(factor * value for value in self.uv))


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of beat."""

    symbol: str
    """WFDB's: N normal, V ventricular, L and R bundle branch block, A atrial premature, / paced, E escape."""
    p: tuple[Wave, ...]
    qrs: tuple[Wave, ...]
    st: tuple[Wave, ...]
    t_uv: tuple[float, ...]
    t_ms: float = 180.0
    """Length of T; its end follows from QT."""
    qtc_ms: float = USUAL_QTC_MS

    def without_p(self) -> "Shape":
        return replace(self, p=())


def _limb_and_chest(**uv: float) -> tuple[float, ...]:
    """µV in the order of BOX_LEADS; what is not named is 0."""
    return tuple(uv.get(name, 0.0) for name in BOX_LEADS)


P = Wave(-205, -155, -105, (80, 140, 50, 60, 60, 60, 60, 60))
ECTOPIC_P = Wave(-180, -140, -100, (60, -90, 70, 20, -20, -40, -50, -60))
_T = (180.0, 300.0, -40.0, 350.0, 420.0, 400.0, 330.0, 250.0)
NORMAL = Shape(
    symbol="N",
    p=(P,),
    qrs=(
        Wave(-45, -27, -8, (-60, -90, 0, 0, 0, -40, -90, -100)),
        Wave(-34, 0, 30, (650, 1100, 220, 420, 750, 1350, 1450, 1150)),
        Wave(8, 26, 48, (-120, -170, -950, -1350, -850, -450, -200, -80)),
    ),
    st=(),
    t_uv=_T,
)
LONG_PR = replace(NORMAL, p=(P.later(-120),))
ATRIAL_PREMATURE = replace(NORMAL, symbol="A", p=(ECTOPIC_P,))
LONG_QT = replace(NORMAL, t_uv=tuple(0.8 * uv for uv in _T), t_ms=240.0, qtc_ms=590.0)
INFERIOR_STEMI = Shape(
    symbol="N",
    p=(P,),
    qrs=NORMAL.qrs,
    # J and ST: II +0.25, I −0.10, so III +0.35, aVF +0.30, aVL −0.225 mV (reciprocal)
    st=(Wave(40, 120, 230, (-100, 250, -60, -120, -80, 0, 30, 60), flat=True),),
    t_uv=(60.0, 420.0, -40.0, 200.0, 260.0, 300.0, 300.0, 260.0),
)
ANTERIOR_STEMI = replace(
    INFERIOR_STEMI,
    qrs=(
        Wave(-45, -20, 15, _limb_and_chest(I=-40, V2=-300, V3=-350, V4=-150)),
        Wave(-20, 0, 30, _limb_and_chest(I=600, II=700, V1=80, V4=500, V5=1000, V6=1000)),
        Wave(8, 26, 48, _limb_and_chest(I=-80, II=-120, V1=-900, V2=-900, V3=-600, V4=-300, V5=-150)),
    ),
    # III −0.07, aVF −0.06 mV opposite to V2 … V4
    st=(Wave(40, 120, 230, (20, -50, 120, 360, 420, 330, 50, 0), flat=True),),
    t_uv=(120.0, 150.0, 150.0, 700.0, 800.0, 650.0, 400.0, 250.0),
)
LATERAL_STEMI = replace(
    INFERIOR_STEMI,
    # aVL +0.22, III −0.22 mV
    st=(Wave(40, 120, 230, (180, -40, -80, -100, -40, 60, 190, 200), flat=True),),
    t_uv=(350.0, 150.0, -20.0, 150.0, 250.0, 350.0, 450.0, 420.0),
)
POSTERIOR_STEMI = replace(
    INFERIOR_STEMI,
    qrs=(
        NORMAL.qrs[0],
        Wave(-34, 0, 40, (650, 1000, 650, 1100, 1200, 1200, 1100, 900)),
        Wave(12, 28, 48, (-120, -170, -350, -400, -300, -300, -150, -80)),
    ),
    st=(Wave(40, 120, 230, (20, 20, -150, -250, -220, -80, 20, 30), flat=True),),
    t_uv=(150.0, 220.0, 250.0, 500.0, 500.0, 400.0, 300.0, 220.0),
)
SUBENDOCARDIAL = replace(
    NORMAL,
    # aVR +0.16 mV: the left main or three-vessel pattern
    st=(Wave(40, 120, 230, (-150, -170, 60, -60, -180, -260, -260, -180), flat=True),),
    t_uv=(-60.0, -40.0, 80.0, 60.0, -60.0, -120.0, -120.0, -80.0),
)
WELLENS = replace(
    NORMAL,
    t_uv=(60.0, 220.0, -100.0, -450.0, -600.0, -350.0, -60.0, 60.0),
    t_ms=200.0,
)
DE_WINTER = replace(
    NORMAL,
    st=(Wave(34, 60, 160, (-20, -60, 0, -180, -220, -200, -120, -40), flat=True),),
    t_uv=(200.0, 250.0, 200.0, 900.0, 1100.0, 950.0, 600.0, 300.0),
    t_ms=230.0,
)
HYPERKALAEMIA = Shape(
    symbol="N",
    p=(),
    qrs=(
        Wave(-70, -45, -10, (-80, -120, 0, 0, 0, -60, -120, -120)),
        Wave(-60, 0, 70, (600, 900, 250, 400, 700, 1100, 1200, 900)),
        Wave(10, 60, 110, (-250, -350, -900, -1300, -1000, -700, -450, -250)),
    ),
    st=(),
    t_uv=(450.0, 900.0, 250.0, 1300.0, 1600.0, 1500.0, 1200.0, 800.0),
    t_ms=150.0,
)
WIDE_LEFT = Shape(
    symbol="L",
    p=(P,),
    qrs=(
        Wave(-45, -10, 50, (600, 500, -350, -500, -400, 200, 500, 600)),
        Wave(-20, 45, 105, (750, 500, -1300, -1700, -1300, 100, 700, 900)),
    ),
    st=(),
    t_uv=(-200.0, -120.0, 380.0, 500.0, 400.0, 80.0, -150.0, -220.0),
)
WIDE_RIGHT = Shape(
    symbol="R",
    p=(P,),
    qrs=(
        Wave(-45, -30, -12, (-50, -60, 150, 250, 0, -40, -80, -90)),
        Wave(-28, -2, 28, (650, 900, -350, -700, 700, 1250, 1300, 1050)),
        Wave(10, 48, 100, (-350, -250, 850, 450, -400, -450, -420, -400)),
    ),
    st=(),
    t_uv=(200.0, 250.0, -280.0, -150.0, 250.0, 350.0, 320.0, 250.0),
)
LEFT_ANTERIOR = replace(
    NORMAL,
    # I + II small, so III and aVF are deeply negative: axis near −55°
    qrs=(
        Wave(-45, -27, -8, _limb_and_chest(I=-120, II=150, V5=-50, V6=-60)),
        Wave(-30, -5, 22, (900, 250, 150, 350, 650, 1000, 1000, 750)),
        Wave(0, 28, 52, (-60, -900, -850, -1300, -1000, -800, -600, -500)),
    ),
)
PREEXCITED = Shape(
    symbol="N",
    p=(P.later(20),),
    qrs=(
        Wave(-72, -8, 10, (260, 320, 260, 380, 420, 450, 400, 330)),
        Wave(-25, 2, 40, (600, 900, 350, 700, 900, 1200, 1200, 900)),
        Wave(12, 36, 62, (-60, -80, -250, -500, -400, -250, -120, -60)),
    ),
    st=(),
    t_uv=(-60.0, -120.0, -80.0, 120.0, 180.0, 150.0, 60.0, -40.0),
)
VENTRICULAR = Shape(
    symbol="V",
    p=(),
    qrs=(
        Wave(-75, 0, 60, (500, 1500, -700, -900, -400, 700, 1100, 1100)),
        Wave(10, 50, 85, (-200, -500, 300, 300, 100, -200, -300, -300)),
    ),
    st=(),
    t_uv=(-200.0, -450.0, 300.0, 400.0, 200.0, -250.0, -400.0, -400.0),
    t_ms=240.0,
)
ESCAPE = replace(VENTRICULAR, symbol="E")
PACED = Shape(
    symbol="/",
    p=(),
    # apex of the right ventricle: like left bundle branch block, axis upward
    qrs=(
        Wave(-70, 10, 95, (450, -700, -900, -1400, -1300, -1000, -700, -450)),
        Wave(-40, 40, 90, (250, -350, -300, -400, -300, -200, -100, 0)),
    ),
    st=(),
    t_uv=(-150.0, 350.0, 350.0, 500.0, 450.0, 350.0, 250.0, 150.0),
    t_ms=230.0,
)
FIBRILLATING = NORMAL.without_p()
