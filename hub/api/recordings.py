"""The trace itself: drawn blocks for the screen, WFDB files for those who may export."""

import io
import zipfile
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from hub import db
from hub.api.deps import PROBLEMS, OpaqueId, TheHub, needs, note_read
from hub.domain.user import User
from hub.services import access, recordings

router = APIRouter(prefix="/api/recordings", tags=["recordings"], responses=PROBLEMS)


def _binary(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


@router.get(
    "/{recording_id}/waveform", response_class=Response, responses=_binary("application/octet-stream")
)
def waveform(
    recording_id: OpaqueId,
    hub: TheHub,
    user: Annotated[User, Depends(needs("exam.read"))],
    band: recordings.WaveformBand = "diagnostic",
) -> Response:
    """All twelve leads as one protocols.live block, zero-phase filtered. 409 E-31 if it cannot be read."""
    with db.reading(hub.engine) as session:
        recording, exam = access.recording(session, user, recording_id)
        block = recordings.waveform(session, recording, band)
    note_read(hub, user, "recording.viewed", f"recording:{recording_id}", patient_id=exam.patient_id)
    return Response(block, media_type="application/octet-stream")


@router.get("/{recording_id}/files.zip", response_class=Response, responses=_binary("application/zip"))
def files(
    recording_id: OpaqueId, hub: TheHub, user: Annotated[User, Depends(needs("record.export"))]
) -> Response:
    """The WFDB record as it was sealed; it names no patient."""
    with db.reading(hub.engine) as session:
        recording, exam = access.recording(session, user, recording_id)
        held = recordings.files(session, recording)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in held.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    note_read(hub, user, "recording.exported", f"recording:{recording_id}", patient_id=exam.patient_id)
    return Response(
        packed.getvalue(),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{recording_id}.zip"'},
    )
