# SPDX-License-Identifier: BSD-3-Clause
"""The house rules. Each takes the tree and returns a list of sentences, one for each breach."""
import os
import re

from cpp_text import code_only, functions, includes
from house import ROOMY, Floors, Rooms, compiled, room_of

SOURCE_LINES = 600
TEST_LINES = 900
FUNCTION_LINES = 70
COLUMNS = 100
SPDX = "SPDX-License-Identifier: BSD-3-Clause"

# The only rooms that may name DPDK.
DPDK_ROOMS = ("dataplane/dpdk", "tests/dataplane/dpdk")

# tcp/ has no clock, no threads and no I/O. Beside C++'s own headers it may have: memory from the
# system at start (mmap), and the processor's own instructions.
TCP_ALSO = {"sys/mman.h", "immintrin.h", "x86intrin.h"}
TCP_NEVER = {"thread", "mutex", "shared_mutex", "condition_variable", "future", "atomic", "ctime",
             "random", "iostream", "fstream", "filesystem", "stop_token", "semaphore", "barrier",
             "latch", "syncstream"}


def floors(tree):
    """Includes point downward, as tests/house/floors.txt says."""
    table = Floors(tree)
    rooms = Rooms(tree)
    errors = []
    for name in tree.cpp():
        room = room_of(name)
        if not name.startswith(tuple(part + "/" for part in ROOMY)):
            continue
        of_tests = name.startswith(("tests/", "bench/"))
        if not of_tests and room not in table.may:
            errors.append(f"{name}: floors.txt does not know the room {room}")
            continue
        bound = room in table.may or not of_tests
        allowed = {room, *table.may[room]} if bound else rooms.closure.get(room, {room})
        for line, quoted, path in includes(tree.text(name)):
            if quoted and path != "millrace_version.h":
                if path not in tree.files:
                    errors.append(f"{name}:{line}: there is no {path} (paths start at the root)")
                elif path not in allowed and room_of(path) not in allowed:
                    errors.append(f"{name}:{line}: {room} may not include {path}")
            elif not quoted and "<std>" in allowed and path not in TCP_ALSO:
                if path in TCP_NEVER or not re.fullmatch(r"[a-z_0-9]+", path):
                    errors.append(f"{name}:{line}: {room} may not include <{path}>")
    return errors


def dpdk_names(tree):
    """Only dataplane/dpdk names rte_*."""
    errors = []
    for name in tree.cpp():
        if room_of(name) in DPDK_ROOMS:
            continue
        for line, _, path in includes(tree.text(name)):
            if re.match(r"(?:.*/)?rte_", path):
                errors.append(f"{name}:{line}: includes {path}; only dataplane/dpdk may")
        for number, line in enumerate(code_only(tree.text(name)).splitlines(), 1):
            found = re.search(r"\b(?:rte|RTE)_\w+", line)
            if found and "include" not in line:
                errors.append(f"{name}:{number}: names {found.group(0)}; only dataplane/dpdk may")
    return errors


def file_length(tree):
    """No source over 600 lines, no test over 900."""
    errors = []
    for name in tree.code():
        limit = TEST_LINES if name.startswith("tests/") else SOURCE_LINES
        lines = len(tree.text(name).splitlines())
        if lines > limit:
            errors.append(f"{name}: {lines} lines, at most {limit}")
    return errors


def function_length(tree):
    """No function over 70 lines."""
    errors = []
    for name in tree.cpp():
        try:
            for line, lines, head in functions(tree.text(name)):
                if lines > FUNCTION_LINES:
                    errors.append(f"{name}:{line}: {lines} lines, at most {FUNCTION_LINES}: {head}")
        except ValueError as error:
            errors.append(f"{name}: {error}")
    return errors


def columns(tree):
    """No line over 100 columns, but in the table of rooms."""
    errors = []
    for name in tree.code():
        if name == "rooms.txt":
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            if len(line) > COLUMNS:
                errors.append(f"{name}:{number}: {len(line)} columns, at most {COLUMNS}")
    return errors


def licence(tree):
    """Every source opens with its licence; only a script's #! may stand before it."""
    errors = []
    for name in tree.code():
        if name.endswith("sources.txt"):
            continue
        lines = tree.text(name).splitlines() or [""]
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        mark = "// " if name.endswith((".h", ".cpp", ".h.in")) else "# "
        if first != mark + SPDX:
            errors.append(f"{name}: does not open with '{mark}{SPDX}'")
    return errors


def sources(tree):
    """Every .cpp and every pytest file of a room is in its sources.txt, and all listed exist."""
    rooms = Rooms(tree)
    errors = list(rooms.errors)
    for room, listed in rooms.listed.items():
        there = {name for name in tree.files if room_of(name) == room}
        needed = {n for n in there if n.endswith(".cpp") or re.search(r"/test_[^/]*\.py$", n)}
        names = {f"{room}/{entry}" for entry in listed}
        errors += [f"{name}: not in {room}/sources.txt" for name in sorted(needed - names)]
        errors += [f"{room}/sources.txt: there is no {n}" for n in sorted(names - there)]
        twice = {entry for entry in listed if listed.count(entry) > 1}
        errors += [f"{room}/sources.txt: lists {entry} twice" for entry in sorted(twice)]
    return errors


def rooms_known(tree):
    """Every folder that holds C++ or a sources.txt is a room of rooms.txt."""
    rooms = Rooms(tree)
    found = set()
    for name in tree.files:
        if name.endswith((".h", ".cpp", "/sources.txt")):
            found.add(room_of(name))
    return [f"{room or '(the root)'}: not in rooms.txt" for room in sorted(found - set(rooms.kind))]


def built(tree):
    """The build that runs this test compiles every file that the rooms list, and no other.

    MILLRACE_BUILD is the build's folder; MILLRACE_LEFT_OUT the kind of room it was told to leave.
    """
    rooms = Rooms(tree)
    left_out = os.environ.get("MILLRACE_LEFT_OUT", "").split()
    wanted = set()
    for room, listed in rooms.listed.items():
        if rooms.kind[room] not in left_out:
            wanted |= {f"{room}/{entry}" for entry in listed if entry.endswith(".cpp")}
    commands = os.path.join(os.environ["MILLRACE_BUILD"], "compile_commands.json")
    have = compiled(commands, tree.root)
    errors = [f"{name}: listed, but this build does not compile it" for name in wanted - have]
    errors += [f"{name}: compiled, but no room lists it" for name in have - wanted]
    return sorted(errors)


_FLAG = re.compile(r"(?<![\w$-])-(?:[WfDU][\w=.,:+-]*)")


def flags_agree(tree):
    """CMake and Meson name the same compiler flags, and both use every option."""
    cmake = tree.text("deploy/cmake/MillraceFlags.cmake")
    meson = tree.text("meson.build")
    of_cmake, of_meson = ({flag.rstrip(".,") for flag in _FLAG.findall(re.sub(r"#.*", "", text))}
                          for text in (cmake, meson))
    # Meson has a switch of its own for the first three, CMake for link-time optimisation.
    own = {"-Wall", "-Wextra", "-DNDEBUG", "-flto=thin", "-flto=auto", "-fsanitize=fuzzer"}
    errors = [f"{flag}: only one of CMake and Meson names it"
              for flag in sorted((of_cmake ^ of_meson) - own)]
    everything = cmake + tree.text("deploy/cmake/MillraceRooms.cmake")
    for option in re.findall(r"^option\('(\w+)'", tree.text("meson_options.txt"), re.MULTILINE):
        if f"get_option('{option}')" not in meson:
            errors.append(f"meson.build does not use the option {option}")
        if f"MILLRACE_{option.upper()}" not in everything:
            errors.append(f"CMake does not use the option {option}")
    return errors


_PLACES = tuple("/" + place for place in ("work/", "root/", "farm"))


def machine_paths(tree):
    """Nothing names a place on the machine where it was written."""
    errors = []
    for name in tree.files:
        for number, line in enumerate((tree.text(name) or "").splitlines(), 1):
            for place in _PLACES:
                if re.search(r"(?<![\w.$})*-])" + place, line):
                    errors.append(f"{name}:{number}: names {place}")
    return errors


RULES = (floors, dpdk_names, file_length, function_length, columns, licence, sources, rooms_known,
         built, flags_agree, machine_paths)
