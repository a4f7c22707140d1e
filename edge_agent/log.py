"""JSON lines on stderr. What could name a patient is withheld before it reaches a line.

The rule is that nobody logs patient data; this file is the net below the rule: a model, a map or a
byte string as an argument, and any text that looks like a resident ID number or a mobile number,
come out as "[withheld]".
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from pydantic import BaseModel, ValidationError

WITHHELD = "[withheld]"
FORBIDDEN_FIELDS = frozenset(
    {
        "patient",
        "name",
        "id_number",
        "phone",
        "birth_date",
        "note",
        "address",
        "complaint",
        "body",
        "password",
    }
)
"""Extra fields of a record that are never written, whatever they hold."""

_ID_NUMBER = re.compile(r"(?<![0-9A-Za-z])\d{17}[0-9Xx](?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?)?1[3-9]\d{9}(?![0-9A-Za-z])")
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class PatientFilter(logging.Filter):
    """Withholds arguments and extra fields that may hold patient data; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, Mapping):
            if "%(" in str(record.msg):
                record.args = {
                    k: WITHHELD if k in FORBIDDEN_FIELDS else _safe(v) for k, v in record.args.items()
                }
            else:  # logging unwraps a single map: it is the one argument of "%s"
                record.args = (WITHHELD,)
        elif record.args:
            record.args = tuple(_safe(value) for value in record.args)
        for field in vars(record).keys() - _PLAIN:
            if field in FORBIDDEN_FIELDS:
                setattr(record, field, WITHHELD)
        return True


class JsonFormatter(logging.Formatter):
    """One record, one line: time, level, logger, station, text, extra fields, error."""

    def __init__(self, station: str = "") -> None:
        super().__init__()
        self.station = station

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "station": self.station,
            "text": withhold(record.getMessage()),
        }
        for field in sorted(vars(record).keys() - _PLAIN):
            value = vars(record)[field]
            line[field] = value if isinstance(value, int | float | bool) else withhold(str(_safe(value)))
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = withhold(self._trace(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False)

    def _trace(self, error: BaseException) -> str:
        link: BaseException | None = error
        while link is not None:
            if isinstance(link, ValidationError):  # its text repeats the values it refused
                return f"{type(error).__name__}: {link.error_count()} wrong fields in {link.title}"
            link = link.__cause__ or link.__context__
        return self.formatException((type(error), error, error.__traceback__))


def withhold(text: str) -> str:
    """The text without what looks like a resident ID number or a Chinese mobile number."""
    return _MOBILE.sub(WITHHELD, _ID_NUMBER.sub(WITHHELD, text))


def configure(station: str = "", *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send everything that is logged to `stream` (stderr) as JSON lines. Called once, in __main__."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.addFilter(PatientFilter())
    handler.setFormatter(JsonFormatter(station))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _safe(value: object) -> object:
    if isinstance(value, BaseModel | Mapping | bytes | bytearray | memoryview):
        return WITHHELD
    return value
