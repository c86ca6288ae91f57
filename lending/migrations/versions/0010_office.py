# ruff: noqa: S608 (every part of every statement is a constant of this file)
"""Search, counters, imports, bulk changes, webhooks, equality counts, tokens of the programming interface.

Triggers keep the search words and the counters, so that no way of writing can forget them.
"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

WORDS = {"device": ("code", "serial"), "medium": ("id", "serial"), "referral": ("ref", "client_reference")}
"""Table: its key, and the column that search finds it by."""

COUNTED = ("referral", "loan")


def upgrade() -> None:
    _search()
    _tokens()
    _imports()
    _bulk()
    _webhooks()
    _equality()
    _indexes()
    _fill()
    for statement in _postgresql() if op.get_bind().dialect.name == "postgresql" else _sqlite():
        op.execute(statement)


def _search() -> None:
    op.create_table(
        "search_word",
        sa.Column("word", BYTEWISE, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("word", "kind", "target", name=op.f("pk_search_word")),
    )
    op.create_index("ix_search_word_target", "search_word", ["target"], unique=False)
    op.create_table(
        "device_count",
        sa.Column("make", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("make", "model", "state", name=op.f("pk_device_count")),
    )
    op.create_table(
        "office_count",
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("what", "state", name=op.f("pk_office_count")),
    )


def _tokens() -> None:
    op.create_table(
        "api_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_token_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_token_digest")),
    )
    op.create_index(op.f("ix_api_token_account_id"), "api_token", ["account_id"], unique=False)
    op.create_table(
        "api_answer",
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"], ["api_token.id"], name=op.f("fk_api_answer_token_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_id", "key", name=op.f("pk_api_answer")),
    )
    op.create_index(op.f("ix_api_answer_made_at"), "api_answer", ["made_at"], unique=False)


def _imports() -> None:
    op.create_table(
        "import_run",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("what", "source", "filename")),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["made_by"], ["account.id"], name=op.f("fk_import_run_made_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
    )
    op.create_table(
        "import_row",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["import_run.id"], name=op.f("fk_import_row_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "line", name=op.f("pk_import_row")),
    )
    op.create_index("ix_import_row_state", "import_row", ["run", "state", "line"], unique=False)
    op.create_table(
        "import_key",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "key", name=op.f("pk_import_key")),
    )
    op.create_index(op.f("ix_import_key_target"), "import_key", ["target"], unique=False)
    op.create_table(
        "import_mapping",
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("header", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("what", "header", name=op.f("pk_import_mapping")),
    )


def _bulk() -> None:
    op.create_table(
        "bulk_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [name], ["account.id"], name=op.f(f"fk_bulk_change_{name}"), ondelete="SET NULL"
            )
            for name in ("made_by", "undone_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_change")),
    )
    op.create_index(op.f("ix_bulk_change_made_at"), "bulk_change", ["made_at"], unique=False)


def _webhooks() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("why_off", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoint")),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(length=120), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "body", "state")),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("said", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint"], ["webhook_endpoint.id"], name=op.f("fk_webhook_delivery_endpoint"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint("endpoint", "message", name="uq_webhook_delivery_message"),
    )
    op.create_index("ix_webhook_delivery_due", "webhook_delivery", ["state", "next_at"], unique=False)


def _equality() -> None:
    op.create_table(
        "equality_card",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_equality_card")),
    )
    op.create_table(
        "equality_count",
        sa.Column("quarter", sa.String(length=7), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("quarter", "question", "answer", name=op.f("pk_equality_count")),
    )


def _indexes() -> None:
    """Add what the lists walk along: each list's order, in all states and in one."""
    op.create_index("ix_device_order", "device", ["make", "model", "code"], unique=False)
    op.create_index("ix_device_state_order", "device", ["state", "make", "model", "code"], unique=False)
    for table in COUNTED:
        op.create_index(f"ix_{table}_order", table, ["created_at", "ref"], unique=False)
        op.create_index(f"ix_{table}_state_order", table, ["state", "created_at", "ref"], unique=False)
    op.create_index("ix_referral_partner_order", "referral", ["partner_id", "created_at", "ref"], unique=False)
    op.create_index("ix_loan_state_due", "loan", ["state", "due"], unique=False)


def _plain(column: str) -> str:
    return f"upper(replace(replace({column}, ' ', ''), '-', ''))"


def _take_word(table: str, key: str, column: str) -> str:
    same = f"word = {_plain('OLD.' + column)} AND kind = '{table}' AND target = OLD.{key}"
    return f"DELETE FROM search_word WHERE {same};"


def _fill() -> None:
    for table, (key, column) in WORDS.items():
        op.execute(
            f"INSERT INTO search_word (word, kind, target) SELECT {_plain(column)}, '{table}', {key} "
            f"FROM {table} WHERE {_plain(column)} <> ''"
        )
    op.execute(
        "INSERT INTO device_count (make, model, state, n) SELECT make, model, state, count(*) FROM device "
        "GROUP BY make, model, state"
    )
    for table in COUNTED:
        op.execute(
            f"INSERT INTO office_count (what, state, n) SELECT '{table}', state, count(*) "
            f"FROM {table} GROUP BY state"
        )


def _sqlite() -> Iterator[str]:
    for table, (key, column) in WORDS.items():
        take = _take_word(table, key, column)
        put = (
            f"INSERT INTO search_word (word, kind, target) SELECT {_plain('NEW.' + column)}, '{table}', NEW.{key} "
            f"WHERE {_plain('NEW.' + column)} <> '';"
        )
        yield f"CREATE TRIGGER {table}_word_put AFTER INSERT ON {table} BEGIN {put} END"
        yield f"CREATE TRIGGER {table}_word_take AFTER DELETE ON {table} BEGIN {take} END"
        yield (
            f"CREATE TRIGGER {table}_word_change AFTER UPDATE OF {column} ON {table} "
            f"WHEN OLD.{column} <> NEW.{column} BEGIN {take} {put} END"
        )
    yield from _sqlite_counter("device", "device_count", ("make", "model", "state"), "")
    for table in COUNTED:
        yield from _sqlite_counter(table, "office_count", ("state",), table)


def _sqlite_counter(table: str, counts: str, columns: tuple[str, ...], what: str) -> Iterator[str]:
    def same(row: str) -> str:
        return " AND ".join([*(f"{one} = {row}.{one}" for one in columns), *([f"what = '{what}'"] if what else [])])

    names = ", ".join([*columns, *(["what"] if what else []), "n"])
    values = ", ".join([*(f"NEW.{one}" for one in columns), *([f"'{what}'"] if what else []), "0"])
    take = f"UPDATE {counts} SET n = n - 1 WHERE {same('OLD')};"
    put = (
        f"INSERT INTO {counts} ({names}) SELECT {values} "
        f"WHERE NOT EXISTS (SELECT 1 FROM {counts} WHERE {same('NEW')}); "
        f"UPDATE {counts} SET n = n + 1 WHERE {same('NEW')};"
    )
    changed = " OR ".join(f"OLD.{one} <> NEW.{one}" for one in columns)
    yield f"CREATE TRIGGER {table}_count_put AFTER INSERT ON {table} BEGIN {put} END"
    yield f"CREATE TRIGGER {table}_count_take AFTER DELETE ON {table} BEGIN {take} END"
    yield f"CREATE TRIGGER {table}_count_change AFTER UPDATE ON {table} WHEN {changed} BEGIN {take} {put} END"


def _postgresql() -> Iterator[str]:
    for table, (key, column) in WORDS.items():
        yield _function(
            f"kitbank_{table}_word",
            f"TG_OP = 'UPDATE' AND OLD.{column} = NEW.{column}",
            _take_word(table, key, column),
            f"INSERT INTO search_word (word, kind, target) SELECT {_plain('NEW.' + column)}, '{table}', NEW.{key} "
            f"WHERE {_plain('NEW.' + column)} <> '' ON CONFLICT DO NOTHING;",
        )
        yield _trigger(table, "word")
    for table in ("device", *COUNTED):
        columns = ("make", "model", "state") if table == "device" else ("state",)
        counts, what = ("device_count", []) if table == "device" else ("office_count", [f"what = '{table}'"])
        same = " AND ".join([*(f"{one} = OLD.{one}" for one in columns), *what])
        keys = [*columns, *(["what"] if what else [])]
        values = [*(f"NEW.{one}" for one in columns), *([f"'{table}'"] if what else [])]
        yield _function(
            f"kitbank_{table}_count",
            "TG_OP = 'UPDATE' AND " + " AND ".join(f"OLD.{one} = NEW.{one}" for one in columns),
            f"UPDATE {counts} SET n = n - 1 WHERE {same};",
            f"INSERT INTO {counts} ({', '.join(keys)}, n) VALUES ({', '.join(values)}, 1) "
            f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET n = {counts}.n + 1;",
        )
        yield _trigger(table, "count")


def _function(name: str, unchanged: str, take: str, put: str) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF {unchanged} THEN RETURN NULL; END IF; END IF; "
        f"IF TG_OP <> 'INSERT' THEN {take} END IF; IF TG_OP <> 'DELETE' THEN {put} END IF; RETURN NULL; END $$"
    )


def _trigger(table: str, what: str) -> str:
    return (
        f"CREATE TRIGGER {table}_{what} AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION kitbank_{table}_{what}()"
    )
