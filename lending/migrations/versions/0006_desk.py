"""Armed scanning, and recalls, whose lines the database does not let anybody take away."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEPT = ("recall", "recall_line", "recall_step")


def upgrade() -> None:
    _armed()
    _recalls()
    if op.get_bind().dialect.name == "postgresql":
        _keep_postgresql()
    else:
        _keep_sqlite()


def _moment(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _account(table: str, name: str) -> list[sa.schema.SchemaItem]:
    key = op.f(f"fk_{table}_{name}")
    return [
        sa.Column(name, sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint([name], ["account.id"], name=key, ondelete="SET NULL"),
    ]


def _armed() -> None:
    op.create_table(
        "armed",
        _text("ref"), sa.Column("account_id", sa.Integer(), nullable=False), _text("mode"), _text("loan", True),
        _text("state"), _text("why"), sa.Column("sound", sa.Boolean(), nullable=False), _moment("since"),
        _moment("last_at"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_armed_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_armed")),
    )  # fmt: skip
    op.create_index(op.f("ix_armed_account_id"), "armed", ["account_id"])
    op.create_index(op.f("ix_armed_state"), "armed", ["state"])
    op.create_table(
        "armed_scan",
        sa.Column("id", sa.Integer(), nullable=False), _text("armed"), _moment("at"), _text("mode"),
        _text("loan", True), sa.Column("code", sa.String(12), nullable=False), _text("verdict"), _text("words"),
        _text("detail"), sa.Column("offer", sa.String(12), nullable=False),
        sa.Column("event", sa.String(64), nullable=True), sa.Column("closing", sa.String(64), nullable=True),
        _moment("undone_at", True),
        sa.ForeignKeyConstraint(["armed"], ["armed.ref"], name=op.f("fk_armed_scan_armed"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_armed_scan")),
    )  # fmt: skip
    op.create_index("ix_armed_scan_armed", "armed_scan", ["armed", "id"])


def _recalls() -> None:
    op.create_table(
        "recall",
        _text("ref"), _text("kind"), sa.Column("scope", sa.JSON(), nullable=False), _text("reason"),
        sa.Column("through", sa.BigInteger(), nullable=False), _moment("started_at"),
        *_account("recall", "started_by"), _moment("closed_at", True), *_account("recall", "closed_by"),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_recall")),
    )  # fmt: skip
    op.create_index(op.f("ix_recall_closed_at"), "recall", ["closed_at"])
    op.create_table(
        "recall_line",
        sa.Column("id", sa.Integer(), nullable=False), _text("recall"),
        sa.Column("device", sa.String(12), nullable=False), _text("loan"), _text("part"),
        sa.Column("refined", sa.Boolean(), nullable=False), _moment("released_at", True),
        *_account("recall_line", "released_by"), _moment("finished_at", True), _text("how"),
        sa.ForeignKeyConstraint(["recall"], ["recall.ref"], name=op.f("fk_recall_line_recall")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recall_line")),
        sa.UniqueConstraint("recall", "device", "loan", name="uq_recall_line_recall"),
    )  # fmt: skip
    op.create_index(op.f("ix_recall_line_device"), "recall_line", ["device"])
    op.create_table(
        "recall_step",
        sa.Column("id", sa.Integer(), nullable=False), sa.Column("line_id", sa.Integer(), nullable=False),
        _moment("at"), _text("kind"), _text("words"), *_account("recall_step", "account_id"),
        sa.ForeignKeyConstraint(["line_id"], ["recall_line.id"], name=op.f("fk_recall_step_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recall_step")),
    )  # fmt: skip
    op.create_index("ix_recall_step_line", "recall_step", ["line_id", "id"])


def _keep_sqlite() -> None:
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: what a recall lists is finished, never deleted'); END"
        )


def _keep_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION kitbank_recall_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '%: what a recall lists is finished, never deleted', TG_TABLE_NAME; END $$"
    )
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION kitbank_recall_kept()"
        )
