# SPDX-License-Identifier: BSD-3-Clause
"""A switch in a namespace of its own that loses frames on their way from one port to the other."""
import re

_RULES = """
table bridge middle {{
  chain forward {{
    type filter hook forward priority 0; policy accept;
    meta iifname "{one}" numgen random mod 1000 < {per_mille} counter drop
    meta iifname "{other}" numgen random mod 1000 < {per_mille} counter drop
  }}
}}
"""


class LosingSwitch:
    """Two interfaces of the namespace, joined; loses nothing until lose() is called."""

    def __init__(self, namespace, one, other):
        self.namespace, self.ports = namespace, (one, other)
        namespace.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        for port in self.ports:
            namespace.ip("link", "set", port, "master", "br0")
        namespace.ip("link", "set", "br0", "up")

    def lose(self, per_mille):
        """From now on loses that many of a thousand frames, each way, at random."""
        rules = self.namespace.lab.folder / "loss.nft"
        rules.write_text(_RULES.format(one=self.ports[0], other=self.ports[1],
                                       per_mille=per_mille))
        self.namespace.run("nft", "-f", rules)

    def lost(self):
        """How many frames were lost, by the port they came in on."""
        rules = self.namespace.run("nft", "list", "table", "bridge", "middle").stdout
        return [int(n) for n in re.findall(r"packets (\d+) bytes \d+ drop", rules)]
