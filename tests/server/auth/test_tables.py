import subprocess
import sys
from dataclasses import fields

from monitor.server.auth import tables
from monitor.server.auth.audit import AuditEntry


def test_a_line_of_the_audit_log_fills_its_columns() -> None:
    assert tables.audit.c.keys() == [field.name for field in fields(AuditEntry)]


def test_flags_declare_no_table_of_people() -> None:
    code = "import monitor.flags.database; from monitor.system.database import metadata; print(*metadata.tables)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["flags", "events"]
