"""A station's store for what presses has numbers of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("station", sa.Column("urgent_epoch", sa.LargeBinary(), nullable=True))
    op.add_column("station", sa.Column("urgent_first_seq", sa.BigInteger(), nullable=True))
    op.add_column("station", sa.Column("urgent_last_seq", sa.BigInteger(), nullable=True))
