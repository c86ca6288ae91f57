"""Items with clocks of their own, SIMs and plans, slots, agreements, help, exceptions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "loan_item_detail",
        sa.Column("item_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("due", sa.Date(), nullable=True),
        sa.Column("open_ended", sa.Boolean(), nullable=False),
        sa.Column("prepared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaces", sa.Integer(), nullable=True),
        sa.Column("how", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["item_id"], ["loan_item.id"], name=op.f("fk_loan_item_detail_item_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_loan_item_detail")),
    )
    op.create_table(
        "loan_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loan", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["loan"], ["loan.ref"], name=op.f("fk_loan_step_loan"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_loan_step_account_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan_step")),
    )
    op.create_index("ix_loan_step_loan", "loan_step", ["loan", "at"], unique=False)
    op.create_table(
        "sim_card",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digits", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("allowance", sa.Text(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=True),
        sa.Column("use_by", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["loan_item.id"], name=op.f("fk_sim_card_item_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sim_card")),
        sa.UniqueConstraint("item_id", name=op.f("uq_sim_card_item_id")),
        sa.UniqueConstraint("digits", name=op.f("uq_sim_card_digits")),
    )
    op.create_index("ix_sim_card_state", "sim_card", ["state"], unique=False)
    op.create_table(
        "data_plan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("allowance", sa.Text(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("expires", sa.Date(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["loan_item.id"], name=op.f("fk_data_plan_item_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_plan")),
    )
    op.create_index("ix_data_plan_expires", "data_plan", ["expires"], unique=False)
    op.create_index("ix_data_plan_item_id", "data_plan", ["item_id"], unique=False)
    op.create_table(
        "slot",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("starts", sa.Text(), nullable=False),
        sa.Column("ends", sa.Text(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot")),
        sa.UniqueConstraint("kind", "place", "day", "starts", name=op.f("uq_slot_kind")),
    )
    op.create_index("ix_slot_day", "slot", ["day"], unique=False)
    op.create_table(
        "booking",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slot_id", sa.Integer(), nullable=False),
        sa.Column("loan", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["slot_id"], ["slot.id"], name=op.f("fk_booking_slot_id")),
        sa.ForeignKeyConstraint(["loan"], ["loan.ref"], name=op.f("fk_booking_loan"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking")),
    )
    op.create_index("ix_booking_loan", "booking", ["loan"], unique=False)
    op.create_index("ix_booking_slot_id", "booking", ["slot_id"], unique=False)
    op.create_index(
        "uq_booking_standing",
        "booking",
        ["loan"],
        unique=True,
        sqlite_where=sa.text("state = 'booked'"),
        postgresql_where=sa.text("state = 'booked'"),
    )
    op.create_table(
        "loan_agreement",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("loan", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("made", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("read_aloud", sa.Boolean(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["loan"], ["loan.ref"], name=op.f("fk_loan_agreement_loan"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_loan_agreement_account_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_loan_agreement")),
    )
    op.create_index("ix_loan_agreement_loan", "loan_agreement", ["loan"], unique=False)
    op.create_table(
        "loan_exception",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("loan", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["loan"], ["loan.ref"], name=op.f("fk_loan_exception_loan"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_loan_exception_account_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_loan_exception")),
    )
    op.create_index("ix_loan_exception_loan", "loan_exception", ["loan"], unique=False)
    op.create_table(
        "loan_help",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loan", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("what", sa.JSON(), nullable=False),
        sa.Column("where", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["loan"], ["loan.ref"], name=op.f("fk_loan_help_loan"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_loan_help_account_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan_help")),
    )
    op.create_index("ix_loan_help_loan", "loan_help", ["loan"], unique=False)
    op.create_table(
        "standard_answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loan", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("broadband", sa.Integer(), nullable=False),
        sa.Column("mobile_data", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["loan"], ["loan.ref"], name=op.f("fk_standard_answer_loan"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standard_answer")),
        sa.UniqueConstraint("loan", "stage", name=op.f("uq_standard_answer_loan")),
    )
