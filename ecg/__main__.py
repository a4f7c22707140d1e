"""`python -m ecg annotate | plot | validate`: this arithmetic as tools that others can use and judge.

RECORD is a WFDB header, a record without its suffix, a folder, or an archive (.tar.xz) of records.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ecg import foreign, record
from ecg.study import Person
from ecg.tools import annotate, charts, document, figures, plot, results, tables, typeset, unseen, validate

_CANNOT = (record.RecordError, OSError, ValueError, ArithmeticError, LookupError, MemoryError)
"""What one record may come to grief with, without an end to the work on the others."""
_SLOW_S = 120.0
"""Length of a record from which its progress is shown."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _progress(name: str, of: foreign.Foreign) -> Callable[[float], None] | None:
    if of.seconds < _SLOW_S or not sys.stderr.isatty():
        return None

    def show(share: float) -> None:
        print(f"\r{name}: {100 * share:.0f} %", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)

    return show


def _annotate(options: argparse.Namespace) -> int:
    """Annotate every record; 1 if there is none or one of them could not be."""
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    person = Person(options.sex, options.age) if options.sex or options.age is not None else None
    done: set[str] = set()
    failed = 0
    with foreign.headers(options.records) as headers:
        for item in headers:
            name = item.stem if isinstance(item, Path) else ""
            try:
                if not isinstance(item, Path):
                    raise item
                if name in done:
                    raise record.RecordMismatchError("another record of that name is already written")
                of = foreign.look(item)
                found = annotate.annotate(
                    of, person, leads_alone=options.leads_alone, progress=_progress(name, of)
                )
                results.write(found, folder)
            except _CANNOT as error:
                failed += 1
                _say(f"{name or 'error'}: {error}")
                continue
            done.add(name)
            said = ", ".join(dict.fromkeys(f.code for strip in found.stretches for f in strip.findings))
            _say(f"{name}: {found.r_peaks.size} beats in {of.seconds:.0f} s; {said or 'nothing said'}")
    _say(f"{len(done)} records annotated in {folder}, {failed} failed")
    return 1 if failed or not done else 0


def _plot(options: argparse.Namespace) -> int:
    """Draw the first record there is; 1 if it cannot be."""
    target: Path = options.out
    if target.suffix.lower() != ".svg":
        _say(f"{target.name}: only .svg is written; a browser prints it to PDF at its true size")
        return 1
    with foreign.headers([options.record]) as headers:
        try:
            item = next(headers)
            if not isinstance(item, Path):
                raise item
            of = foreign.look(item)
            text = plot.drawing(of, options.start, options.seconds, options.lead_layout)
            results.write_text(target, text)
        except _CANNOT as error:
            _say(f"{options.record}: {error}")
            return 1
    _say(f"{target}: {of.name}")
    return 0


def _validate(options: argparse.Namespace) -> int:
    """Hold every annotated record against its references; 1 if one could not be read or none has any."""
    examined: dict[str, list[validate.Examined]] = {}
    broken: dict[str, str] = {}
    try:
        known = unseen.folds(options.beat_folds, options.wave_folds)
    except record.RecordError as error:
        _say(str(error))
        return 1
    for name, paths in _sets(options.folders).items():
        with foreign.headers(paths) as headers:
            for item in headers:
                title = f"{name}/{item.stem}" if isinstance(item, Path) else f"{name}: {len(broken) + 1}"
                try:
                    if not isinstance(item, Path):
                        raise item
                    of = foreign.look(item)
                    if not validate.has_reference(of):
                        continue
                    with unseen.read_unseen(known, title) as held_out:
                        one = validate.examine(of)
                    examined.setdefault(name, []).append(replace(one, held_out=held_out))
                except _CANNOT as error:
                    broken[title] = str(error)
                    _say(f"{title}: {error}")
                else:
                    _say(title)
    rehearsed = list(validate.rehearse(range(options.seeds)))
    summed = figures.figures(examined, broken, rehearsed)
    typed = " ".join(
        # A document names a folder as it was typed, unless it lies somewhere on this machine only.
        f"{option} {'FOLDS' if path.is_absolute() else path.as_posix()}"
        for option, path in (("--beat-folds", options.beat_folds), ("--wave-folds", options.wave_folds))
        if path is not None
    )
    picture = None
    if options.picture is not None and options.report is not None:
        picture = Path(os.path.relpath(options.picture, options.report.parent)).as_posix()
    written: list[tuple[Path | None, Callable[[], str]]] = [
        (options.json, lambda: json.dumps(summed, ensure_ascii=False, indent=1, allow_nan=False) + "\n"),
        (options.text, lambda: typeset.text(tables.tables(summed))),
        (options.picture, lambda: charts.picture(summed)),
        (options.report, lambda: document.document(summed, picture, typed)),
    ]
    for path, make in written:
        if path is not None:
            results.write_text(path, make())
    if all(path is None for path, _ in written):
        print(typeset.text(tables.tables(summed)), end="")
    return 1 if broken or not examined else 0


def _sets(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """Name of a set → where its records are: a folder that holds records, or each folder in it that does."""
    out: dict[str, list[Path]] = {}
    for path in folders:
        inside = sorted(p for p in path.iterdir() if p.is_dir() and foreign.holds(p)) if path.is_dir() else []
        direct = not path.is_dir() or any(p.name.endswith((".hea", ".tar.xz")) for p in path.iterdir())
        for own in [path] if direct or not inside else inside:
            name = own.name if own.is_dir() else own.resolve().parent.name
            out.setdefault(name, []).append(own)
    return out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ecg", description="The arithmetic of the electrocardiogram."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    record_help = "WFDB header, record without suffix, folder, or archive (.tar.xz)"

    one = commands.add_parser("annotate", help="beats, boundaries, rhythm and numbers as WFDB and JSON files")
    one.add_argument("records", type=Path, nargs="+", metavar="RECORD", help=record_help)
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    one.add_argument("--sex", choices=("male", "female"), help="else what the header's comments say")
    one.add_argument("--age", type=float, metavar="YEARS", help="else what the header's comments say")
    one.add_argument(
        "--leads-alone", action="store_true", help="find each lead's boundaries without the other leads"
    )
    one.set_defaults(run=_annotate)

    two = commands.add_parser("plot", help="a record on millimetre paper, as SVG")
    two.add_argument("record", type=Path, metavar="RECORD", help=record_help)
    two.add_argument("--out", type=Path, required=True, metavar="FILE.svg")
    two.add_argument("--lead-layout", choices=plot.LAYOUTS, default=plot.LAYOUTS[0])
    two.add_argument("--start", type=float, default=0.0, metavar="S", help="seconds from the beginning")
    two.add_argument("--seconds", type=float, default=10.0, metavar="S", help="how much is drawn, 60 at most")
    two.set_defaults(run=_plot)

    three = commands.add_parser("validate", help="annotated records beside their annotations: EC57 and more")
    three.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="set of records, or folder of such sets"
    )
    three.add_argument("--json", type=Path, metavar="FILE", help="every figure")
    three.add_argument("--text", type=Path, metavar="FILE", help="the tables; printed if no file is named")
    three.add_argument("--picture", type=Path, metavar="FILE.svg", help="the figures drawn")
    three.add_argument("--report", type=Path, metavar="FILE.md", help="the tables as a document")
    for name, script in (("beat", "fold_beats.py"), ("wave", "train_waves.py --fold")):
        three.add_argument(
            f"--{name}-folds",
            type=Path,
            metavar="DIR",
            help=f"read {name}s with weights that did not learn from the record (scripts/{script})",
        )
    three.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="strips of each scenario of the simulated heart"
    )
    three.set_defaults(run=_validate)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; its exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
