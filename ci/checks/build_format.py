#!/usr/bin/env python3
"""Checks BUILD.bazel and .bzl files for the format that buildifier would leave (Debian has no buildifier).

usage: build_format.py FILE...

Checked: parses; no tabs, trailing blanks or missing final newline; four-space steps; double quotes; a sentence at the top; loads
first and sorted; calls of rules have one attribute a line with a trailing comma, `name` first; label lists are sorted (plain files,
then :local, then //absolute, then @external) without repeats. A `# keep order` comment in a list's first line exempts it.
"""

import ast
import sys

SORTED_ATTRIBUTES = {"deps", "srcs", "hdrs", "data", "tests", "packages", "tags"}
EXEMPT = "# keep order"


def label_key(label):
    """buildifier's order: files, :local, //absolute, @external; ':' and '/' sort as separators."""
    rank = 1
    if label.startswith(":"):
        rank = 2
    elif label.startswith("//"):
        rank = 3
    elif label.startswith("@"):
        rank = 4
    return (rank, label.replace(":", "\0").replace("/", "\1"))


class Checker(ast.NodeVisitor):
    def __init__(self, path, text):
        self.path = path
        self.lines = text.split("\n")
        self.errors = []

    def error(self, line, message):
        self.errors.append(f"{self.path}:{line}: {message}")

    def visit_Call(self, node):
        self.generic_visit(node)
        if not node.keywords or node.lineno == node.end_lineno:
            return
        if node.keywords[0].value.lineno == node.lineno and len(node.keywords) == 1:
            self.check_labels_of(node)  # package(default_visibility = [
            return
        names = [keyword.arg for keyword in node.keywords]
        if "name" in names and names[0] != "name":
            self.error(node.lineno, "`name` is the first attribute")
        lines = [keyword.value.lineno for keyword in node.keywords]
        if len(set(lines)) != len(lines):
            self.error(node.lineno, "one attribute a line")
        last = node.keywords[-1]
        if last.arg and not self.lines[last.value.end_lineno - 1].rstrip().endswith(","):
            self.error(last.value.end_lineno, "trailing comma missing")
        self.check_labels_of(node)

    def check_labels_of(self, node):
        for keyword in node.keywords:
            if keyword.arg in SORTED_ATTRIBUTES:
                self.check_labels(keyword.value)

    def check_labels(self, value):
        for child in ast.walk(value):
            if isinstance(child, ast.List) and EXEMPT not in self.lines[child.lineno - 1]:
                labels = [e.value for e in child.elts if isinstance(e, ast.Constant)]
                if len(labels) != len(child.elts):
                    continue
                if labels != sorted(labels, key=label_key):
                    self.error(child.lineno, "not sorted: " + ", ".join(sorted(labels, key=label_key)))
                if len(set(labels)) != len(labels):
                    self.error(child.lineno, "a label is there twice")

    def visit_List(self, node):
        self.generic_visit(node)
        if len(node.elts) > 1 and node.lineno != node.end_lineno:
            lines = [e.lineno for e in node.elts]
            if len(set(lines)) != len(lines):
                self.error(node.lineno, "one element a line")
            if not self.lines[node.elts[-1].end_lineno - 1].split("#")[0].rstrip().endswith(","):
                self.error(node.elts[-1].end_lineno, "trailing comma missing")


def check(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    checker = Checker(path, text)
    if not text.endswith("\n") or text.endswith("\n\n"):
        checker.error(len(checker.lines), "ends in one newline")
    if not text.startswith(("#", '"""')):
        checker.error(1, "starts with a sentence on what belongs here")
    for number, line in enumerate(checker.lines, 1):
        if "\t" in line:
            checker.error(number, "tab")
        if line != line.rstrip():
            checker.error(number, "trailing blank")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        checker.error(error.lineno, f"does not parse: {error.msg}")
        return checker.errors
    loads = []
    seen_other = False
    for statement in tree.body:
        is_load = (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Call)
            and getattr(statement.value.func, "id", "") == "load"
        )
        if is_load:
            if seen_other:
                checker.error(statement.lineno, "load after other statements")
            loads.append(statement.value.args[0].value)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            seen_other = True
    if loads != sorted(loads, key=lambda label: (not label.startswith("@"), label)):
        checker.error(1, "loads are sorted, @external first")
    checker.visit(tree)
    return checker.errors


def main(paths):
    if not paths:
        sys.exit("usage: build_format.py FILE...")
    errors = [error for path in paths for error in check(path)]
    print("\n".join(errors) if errors else f"{len(paths)} BUILD files are formatted")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
