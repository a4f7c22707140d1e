"""What stations say of the true time, and corrected times of recordings beside the stamped ones."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "time_fix",
        sa.Column("station_id", sa.String(length=32), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("mono_ns", sa.BigInteger(), nullable=False),
        sa.Column("wall_ns", sa.BigInteger(), nullable=False),
        sa.Column("err_ns", sa.BigInteger(), nullable=False),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"]),
        sa.PrimaryKeyConstraint("station_id", "boot"),
    )
    op.add_column("recording", sa.Column("boot", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("recording", sa.Column("mono_ns", sa.BigInteger(), nullable=True))
    op.add_column("recording", sa.Column("corrected_ns", sa.BigInteger(), nullable=True))
    op.create_index("ix_recording_boot", "recording", ["boot"])
