"""Tables, enums and rules that need no database to be true. Importing this makes the metadata complete."""

from sqlmodel import SQLModel

from hub.domain.audit import AuditHead, AuditLine
from hub.domain.clock import TimeFix
from hub.domain.delivery import Delivery, HubIdentity
from hub.domain.exam import Exam
from hub.domain.message import MessagePart, Quarantine, ReceivedMessage
from hub.domain.patient import Patient, PatientKey
from hub.domain.recording import Recording, RecordingFile
from hub.domain.report import Report
from hub.domain.role import RoleBeat
from hub.domain.station import Organisation, Station
from hub.domain.user import Login, LoginFailures, User

TABLES: tuple[type[SQLModel], ...] = (
    Organisation,
    Station,
    User,
    Login,
    LoginFailures,
    Patient,
    PatientKey,
    Exam,
    Recording,
    RecordingFile,
    ReceivedMessage,
    MessagePart,
    Quarantine,
    Report,
    Delivery,
    HubIdentity,
    AuditLine,
    AuditHead,
    RoleBeat,
    TimeFix,
)

metadata = SQLModel.metadata
