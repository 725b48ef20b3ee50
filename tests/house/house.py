# SPDX-License-Identifier: BSD-3-Clause
"""What the rules look at: the files of the tree, the rooms and the floors."""
import json
import pathlib
import subprocess

ROOMY = ("tcp", "dataplane", "apps", "tests", "bench")
CPP = (".h", ".cpp")
SCRIPTS = (".py", ".sh", ".cmake")


def _entries(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line:
            yield line


class Tree:
    """The project's files, as git sees them where it can be asked, else all but build folders."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = sorted(self._list())
        self._texts = {}

    def _list(self):
        if (self.root / ".git").exists():
            asked = subprocess.run(
                ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                cwd=self.root, capture_output=True, check=False)
            if asked.returncode == 0:
                names = asked.stdout.decode().split("\0")
                return [name for name in set(names) if name and (self.root / name).is_file()]
        names = []
        for path in self.root.rglob("*"):
            name = path.relative_to(self.root)
            skipped = {".git", "__pycache__"} & set(name.parts) or name.parts[0].startswith("build")
            if path.is_file() and not skipped:
                names.append(name.as_posix())
        return names

    def text(self, name):
        """The file's text, or None where it is not text."""
        if name not in self._texts:
            raw = (self.root / name).read_bytes()
            try:
                self._texts[name] = None if b"\0" in raw else raw.decode("utf-8")
            except UnicodeDecodeError:
                self._texts[name] = None
        return self._texts[name]

    def cpp(self):
        return [name for name in self.files if name.endswith(CPP)]

    def code(self):
        """C++, scripts and build descriptions."""
        named = ("CMakeLists.txt", "meson.build", "meson_options.txt", "sources.txt", "rooms.txt",
                 "packages.txt", "floors.txt")
        for name in self.files:
            if name.endswith(CPP + SCRIPTS + named) or name.endswith(".h.in"):
                yield name
            elif "." not in name.split("/")[-1] and (self.text(name) or "").startswith("#!"):
                yield name


def room_of(name):
    return name.rsplit("/", 1)[0] if "/" in name else ""


class Rooms:
    """rooms.txt: the kind of each room, and what it is linked with."""

    def __init__(self, tree):
        self.kind = {}
        self.closure = {}
        self.errors = []
        path = tree.root / "rooms.txt"
        for line in _entries(path) if path.exists() else ():
            room, kind, *uses = line.split()
            closure = {room}
            for use in uses:
                if use.startswith("@"):
                    continue
                if use not in self.closure:
                    self.errors.append(f"rooms.txt: {room} uses {use}, not listed before it")
                closure |= self.closure.get(use, set())
            self.kind[room] = kind
            self.closure[room] = closure
        self.listed = {}
        for room in self.kind:
            path = tree.root / room / "sources.txt"
            self.listed[room] = list(_entries(path)) if path.exists() else []


class Floors:
    """tests/house/floors.txt: the headers that each room may include."""

    def __init__(self, tree):
        self.may = {}
        path = tree.root / "tests/house/floors.txt"
        for line in _entries(path) if path.exists() else ():
            room, allowed = line.split(":")
            words = []
            for word in allowed.split():
                words += self.may.get(word, []) if word.startswith("@") else [word]
            self.may.setdefault(room.strip(), []).extend(words)


def compiled(compile_commands, root):
    """The files below root that a build compiles, from its compile_commands.json."""
    root = pathlib.Path(root).resolve()
    names = set()
    for entry in json.loads(pathlib.Path(compile_commands).read_text(encoding="utf-8")):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if path.is_relative_to(root):
            names.add(path.relative_to(root).as_posix())
    return names
