"""Splits a schema: the options that are compiled into the program, and those that are refused.

    split_schema.py works SCHEMA OTHER...            the schema without RunConfig's refused options
    split_schema.py refused SCHEMA OTHER...          RefusedConfig, which has nothing but these

A field of RunConfig is refused when its option says `planned` or `unavailable` (devices/module/options.proto). OTHER are the files
of the same folder that the schema imports; an import of one that is not needed any more is left out, and with it its cost at
the start of the program. Writes to standard output.
"""

import re
import sys

# Comments, strings, and everything else one character at a time.
TOKEN = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"|.', re.DOTALL)


def split_statements(body):
    """The statements of a message's body, each with the comments and blanks before it."""
    statements, text, depth = [], "", 0
    for token in TOKEN.findall(body):
        text += token
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
        elif token == ";" and depth == 0:
            statements.append(text)
            text = ""
    return statements, text


def code_of(text):
    return "".join(token for token in TOKEN.findall(text) if not token.startswith(("//", '"')))


def fate_is_refused(statement):
    return re.search(r"\b(planned|unavailable)\s*[:=]", code_of(statement)) is not None


def body_of(text, start):
    """The positions between the braces of what begins at `start`."""
    depth, position, first = 0, start, None
    for token in TOKEN.findall(text[start:]):
        position += len(token)
        if token == "{":
            depth += 1
            first = first or position
        elif token == "}":
            depth -= 1
            if depth == 0:
                return first, position - 1
    raise SystemExit("a closing } is missing")


def names_in(path):
    with open(path) as file:
        return re.findall(r"^(?:message|enum) (\w+)", file.read(), re.MULTILINE)


def drop_unused_imports(text, others):
    code = code_of(text)
    # A device's file x.proto has XConfig.
    for path in re.findall(r'import "(devices/(?:platform|virtio)/[\w/]+\.proto)";', text):
        name = "".join(word.capitalize() for word in path.split("/")[-1][: -len(".proto")].split("_")) + "Config"
        if not re.search(rf"\b{name}\b", code):
            text = text.replace(f'import "{path}";\n', "")
    for path in others:
        if not any(re.search(rf"\b{name}\b", code) for name in names_in(path)):
            text = re.sub(rf'import "{re.escape(path)}";\n', "", text)
    return text


def main():
    part, schema, *others = sys.argv[1:]
    with open(schema) as file:
        text = file.read()
    start = text.index("message RunConfig {")
    first, last = body_of(text, start)
    statements, rest = split_statements(text[first:last])
    wanted = [s for s in statements if fate_is_refused(s) == (part == "refused")]
    if part == "works":
        text = text[:first] + "".join(wanted) + rest + text[last:]
    else:
        head = text[: text.index("\nmessage ")]
        text = head + "\nmessage RefusedConfig {" + "".join(wanted) + "\n}\n"
    sys.stdout.write(drop_unused_imports(text, others))


main()
