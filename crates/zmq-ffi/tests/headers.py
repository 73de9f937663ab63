"""Compares the headers of libzmq with ours: macros, types and functions, as compilers see them.

    headers.py THEIRS OURS WORK

THEIRS and OURS are directories with zmq.h and zmq_utils.h; WORK is one for what is generated. Prints what differs, but for what
is known, and fails if there is something.
"""

import pathlib
import re
import subprocess
import sys

theirs, ours, work = map(pathlib.Path, sys.argv[1:])
here = pathlib.Path(__file__).parent
DRAFT = "-DZMQ_BUILD_DRAFT_API"
problems = []

known = set()
for line in (here / "headers.known").read_text().splitlines():
    if line and not line.startswith("#"):
        known.add(line.split(":")[0])


def differs(name, what):
    if name not in known:
        problems.append(f"{name}: {what}")


def run(*command, text=""):
    return subprocess.run(command, input=text, capture_output=True, text=True)


def preprocess(include, text, *options):
    done = run("gcc", "-E", f"-I{include}", *options, "-", text=text)
    done.check_returncode()
    return done.stdout


def compiles(what, text, *command):
    """Whether it compiles; what the compiler says is a problem."""
    file = work / f"headers.{'cpp' if command[0] == 'g++' else 'c'}"
    file.write_text(text)
    done = run(*command, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{ours}", file)
    for line in done.stderr.splitlines():
        if "error:" in line:
            problems.append(f"{what}: {line.split('error:')[1].strip()}")
    return done.returncode == 0


def macros(include, *options):
    lines = preprocess(include, "#include <zmq.h>\n#include <zmq_utils.h>\n", "-dM", *options).splitlines()
    return dict(re.match(r"#define (\w+(?:\([^)]*\))?) ?(.*)", line).groups() for line in lines)


def meaning(include, names, *options):
    """What the macros are when everything in them is replaced; numbers as numbers."""
    uses = "".join(f"@{place}@ {re.sub('[(].*', '(9, 8, 7)', name)}\n" for place, name in enumerate(names))
    text = preprocess(include, "#include <zmq.h>\n#include <zmq_utils.h>\n" + uses, "-P", *options)
    found = {}
    for place, value in re.findall(r"^@([0-9]+)@ *(.*)$", text, re.M):
        arithmetic = re.fullmatch(r"[-+*|() 0-9xA-Fa-f]+", value)
        found[names[int(place)]] = eval(value) if arithmetic else value
    return found


def functions(text):
    """Everything of the library that is declared in it."""
    return set(re.findall(r"\b(zmq_\w+)(?= \()", text)) | set(re.findall(r"\((zmq_\w+)\)", text))


def own_text(include, *options):
    """What the headers themselves say, without what they include."""
    kept, own = [], False
    for line in preprocess(include, "#include <zmq.h>\n#include <zmq_utils.h>\n", *options).splitlines():
        if line.startswith("# "):
            own = re.search(r'/zmq(_utils)?\.h"', line) is not None
        elif own and not line.startswith("#pragma"):
            kept.append(line)
    return "\n".join(kept)


STRUCT = re.compile(r"typedef struct (\w+)\s*\{(.*?)\}\s*\1;", re.S)
SYSTEM = "".join(f"#include <{name}.h>\n" for name in ("errno", "signal", "stddef", "stdint", "stdio"))
of_the_system = {re.match(r"#define (\w+(?:\([^)]*\))?)", line)[1] for line in preprocess(ours, SYSTEM, "-dM").splitlines()}
counts = ()
for options in [], [DRAFT]:
    with_drafts = " with drafts" if options else ""

    # Also those of the system's headers: programs use what comes with zmq.h.
    their_macros, our_macros = macros(theirs, *options), macros(ours, *options)
    names = sorted(name for name in their_macros if re.match("ZMQ|E[A-Z]", name))
    their_meaning, our_meaning = meaning(theirs, names, *options), meaning(ours, names, *options)
    for name in sorted(their_macros):
        if name not in our_macros:
            differs(name, f"is not there{with_drafts}")
        elif name in their_meaning:
            if their_meaning[name] != our_meaning.get(name):
                differs(name, f"is {our_meaning.get(name)} instead of {their_meaning[name]}{with_drafts}")
        elif their_macros[name] != our_macros[name]:
            differs(name, f"is {our_macros[name]} instead of {their_macros[name]}{with_drafts}")
    # What the system has is not ours.
    for name in sorted(our_macros.keys() - their_macros.keys() - of_the_system):
        differs(name, f"is only here{with_drafts}")

    # Functions and types: what they declare, once more after ours. Structures cannot be declared twice, and are compared below.
    their_text, our_text = own_text(theirs, *options), own_text(ours, *options)
    for name in sorted(functions(their_text) ^ functions(our_text)):
        differs(name, f"is declared in one of both{with_drafts}")
    again = STRUCT.sub("", their_text)
    compiles(f"declared again{with_drafts}", f"#include <zmq.h>\n{again}\n", "gcc", "-std=gnu11", *options)
    again = f'#include <zmq.h>\nextern "C" {{\n{again}\n}}\n'
    compiles(f"declared again in C++{with_drafts}", again, "g++", *options)

    text = "#include <stddef.h>\n#include <zmq.h>\n"
    members = 0
    for name, body in STRUCT.findall(their_text):
        text += f"typedef struct theirs_{name} {{{body}}} theirs_{name};\n"
        text += f'_Static_assert (sizeof ({name}) == sizeof (theirs_{name}), "size of {name}");\n'
        text += f'_Static_assert (_Alignof ({name}) == _Alignof (theirs_{name}), "alignment of {name}");\n'
        for member in re.findall(r"(\w+)\s*(?:\[\w+\])?\s*(?:__attribute__.*)?;", body):
            place = f"{name}.{member}"
            text += f'_Static_assert (offsetof ({name}, {member}) == offsetof (theirs_{name}, {member}), "{place}");\n'
            text += f"_Static_assert (__builtin_types_compatible_p (__typeof__ ((({name} *) 0)->{member}), "
            text += f'__typeof__ (((theirs_{name} *) 0)->{member})), "type of {place}");\n'
            members += 1
    compiles(f"structures{with_drafts}", text, "gcc", "-std=gnu11", *options)
    counts = (len(names), len(functions(their_text)), len(STRUCT.findall(their_text)), members)

# Ours with every standard.
both = "#include <zmq_utils.h>\n#include <zmq.h>\n#include <zmq.h>\nint main (void) { return zmq_errno (); }\n"
for options in [], [DRAFT]:
    for standard in "c89", "c99", "c11", "c17", "gnu89", "gnu17":
        compiles(standard, both, "gcc", f"-std={standard}", "-pedantic", "-Wstrict-prototypes", *options)
    for standard in "c++98", "c++11", "c++20", "gnu++17":
        compiles(standard, both, "g++", f"-std={standard}", "-pedantic", *options)

for problem in problems:
    print(problem)
print(*counts)
sys.exit(bool(problems))
