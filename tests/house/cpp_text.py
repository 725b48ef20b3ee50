# SPDX-License-Identifier: BSD-3-Clause
"""Reads C++ as text: comments and literals blanked out, includes, and where functions end.

A scanner, not a parser. It follows braces and tells a function's body from a namespace, a class, a
list of values and a constructor's initialisers; that is enough to measure lengths.
"""
import re

_TOKEN = re.compile(
    r"""
      (?P<comment>//[^\n]*|/\*.*?\*/)
    | (?P<raw>\bu?8?[LuU]?R"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)")
    | (?P<string>"(?:\\.|[^"\\\n])*")
    | (?P<char>(?<![0-9A-Za-z_])(?:u8|[LuU])?'(?:\\.|[^'\\\n])+')
    """,
    re.VERBOSE | re.DOTALL,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """The text with comments and the inside of literals blanked; lines stay where they are."""

    def replace(match):
        if match.group("comment"):
            return _blank(match.group(0))
        return '"' + _blank(match.group(0))[2:] + '"'

    return _TOKEN.sub(replace, text)


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)


def includes(text):
    """(line number, True if in quotes, path) of every include that is not in a comment."""

    def replace(match):
        return _blank(match.group(0)) if match.group("comment") else match.group(0)

    text = _TOKEN.sub(replace, text)
    for match in _INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1) == '"', match.group(2)


_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(\w+)(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


def without_directives(code):
    """Blanks preprocessor lines, and what follows #else: its braces would count twice."""
    pieces = []
    position = 0
    dropped = [False]
    for match in _DIRECTIVE.finditer(code):
        kept = code[position : match.start()]
        pieces.append(_blank(kept) if dropped[-1] else kept)
        pieces.append(_blank(match.group(0)))
        position = match.end()
        word = match.group(1)
        if word in ("if", "ifdef", "ifndef"):
            dropped.append(dropped[-1])
        elif word in ("else", "elif"):
            dropped[-1] = True
        elif word == "endif" and len(dropped) > 1:
            dropped.pop()
    pieces.append(code[position:])
    return "".join(pieces)


_TEMPLATE = re.compile(r"<[^<>{};]*>")
_ASIDE = re.compile(r"\b(?:public|private|protected)\s*:(?!:)|\b(?:alignas|__attribute__)\s*\(\)"
                    r"|\[\[[^\[\]]*\]\]")
_ARROW = re.compile(r"->|\boperator\s*[<>=!]+")
_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|concept)\b|\bextern\s*\"\s*\"\s*$")
_ASSIGNED = re.compile(r"(?<![=!<>+\-*/%&|^])=(?!=)")
_INITIALISERS = re.compile(r"\)[^;{}?]*?(?<!:):(?!:)")


def _flat(head):
    """The head of a declaration without template arguments and without what parentheses hold."""
    head = _ARROW.sub(lambda match: match.group(0)[:8] if match.group(0)[0] == "o" else " ", head)
    before = None
    while before != head:
        before = head
        head = re.sub(r"\([^()]+\)", "()", head)
        head = _TEMPLATE.sub(" ", head)
    return _ASIDE.sub(" ", head)


def _kind(head):
    """What the brace after `head`, at namespace or class level, opens."""
    flat = _flat(head).strip()
    if _INITIALISERS.search(flat) and flat and (flat[-1].isalnum() or flat[-1] in "_>"):
        last = re.search(r"(\w+)$", flat)
        if not last or last.group(1) not in ("const", "noexcept", "override", "final", "try"):
            return "initialiser"
    if "(" not in flat:
        return "scope" if _SCOPE.search(flat) else "values"
    before_call = flat.split("(")[0]
    if "operator" not in before_call and _ASSIGNED.search(before_call):
        return "function" if re.search(r"\]\s*\(", flat) else "values"
    return "function"


def functions(text):
    """(line of the opening brace, lines from that brace to its closing one, head) of each function.

    Raises ValueError where braces do not match.
    """
    code = without_directives(code_only(text))
    stack = []  # (kind, position)
    start = 0  # where the head of the present declaration begins
    found = []
    depth_in_body = 0
    for match in re.finditer(r"[{};]", code):
        char, at = match.group(0), match.start()
        if depth_in_body:
            depth_in_body += {"{": 1, "}": -1, ";": 0}[char]
            if depth_in_body == 0:
                kind, opened = stack.pop()
                if kind == "function":
                    line = code.count("\n", 0, opened) + 1
                    head = " ".join(code[start:opened].split())
                    found.append((line, code.count("\n", opened, at) + 1, head))
                if kind == "function" or kind == "values":
                    start = at + 1
            continue
        if char == "{":
            kind = _kind(code[start:at])
            stack.append((kind, at))
            if kind == "scope":
                start = at + 1
            else:
                depth_in_body = 1
        elif char == "}":
            if not stack:
                raise ValueError(f"line {code.count(chr(10), 0, at) + 1}: a brace too many")
            stack.pop()
            start = at + 1
        elif code[start:at].count("(") <= code[start:at].count(")"):
            start = at + 1
    if stack:
        opened = code.count("\n", 0, stack[-1][1]) + 1
        raise ValueError(f"line {opened}: this brace is never closed")
    return found
