"""JSON lines on standard error. Fields that could hold a patient's data are refused."""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

PATIENT_FIELDS = frozenset(
    {"patient_name", "id_number", "phone", "birth_date", "complaint", "note", "address", "patient"}
)
"""`extra` keys that are refused."""

_STANDARD = {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName"}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": record.created,
            "level": record.levelname,
            "logger": record.name,
            "text": record.getMessage(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")})
        if record.exc_info:
            # The type and the place, not the values: an exception's text may quote a row.
            kind, _, trace = record.exc_info
            line["error"] = kind.__name__ if kind else ""
            places = []
            while trace is not None:
                places.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
                trace = trace.tb_next
            line["trace"] = places[-8:]
        return json.dumps(line, ensure_ascii=False, default=str)


class NoPatientData(logging.Filter):
    """Refuses, with an error that a test sees, a record that carries a patient's field."""

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args if isinstance(record.args, Mapping) else {}
        forbidden = PATIENT_FIELDS & (set(vars(record)) | set(args))
        if forbidden:
            raise ValueError(f"patient data in a log record: {sorted(forbidden)}")
        return True


def configure(level: str = "INFO") -> None:
    """Once, in __main__: every logger of the process writes JSON lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    handler.addFilter(NoPatientData())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("fontTools", "fpdf", "alembic", "sqlalchemy.engine", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
