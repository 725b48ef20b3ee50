# SPDX-License-Identifier: BSD-3-Clause
"""`millrace time-wait linux`: the kernel's stack, in a namespace of its own."""
import json
import subprocess

from millrace import binary


def test_linux_stops_where_it_says(tmp_path):
    subprocess.run([binary(), "time-wait", "linux", "--json", "data.json", "-o", "none"],
                   cwd=tmp_path, check=True, timeout=250, capture_output=True)
    data = json.loads((tmp_path / "data.json").read_text())
    assert data["held"], data["checks"]
    rows = {row[0]: row[1:] for row in data["tables"][0]["rows"]}
    assert rows["Linux, one address"][0] == "64,511"
    assert rows["Millrace, eight addresses"][:3] == ["200,000", "200,000", "0"]
