"""Classes and functions of source files: Python by its own parser, others by tree-sitter."""

from __future__ import annotations

import ast
import importlib
import warnings
from collections.abc import Iterator
from typing import Any

from farspan.data.structure.levels import Heading
from farspan.errors import RequestError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MODULES = {
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
}
_DEFINES = _words(
    """function_declaration generator_function_declaration class_declaration method_definition
    interface_declaration enum_declaration method_declaration constructor_declaration
    type_declaration function_item struct_item enum_item trait_item impl_item mod_item
    function_definition struct_specifier class_specifier namespace_definition"""
)
"""Kinds of syntax nodes that open a level, of all these languages."""


def code_headings(text: str, language: str) -> list[Heading]:
    """Where each class and function is defined; `depth` counts from 1, nested ones deeper.

    Python that does not parse has none. Raises `RequestError` where tree-sitter is missing.
    """
    if language == "python":
        return _python(text)
    return _tree_sitter(text, language)


def _python(text: str) -> list[Heading]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return list(_defined(tree, starts, 1))


def _defined(node: ast.AST, starts: list[int], depth: int) -> Iterator[Heading]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min((x.lineno for x in child.decorator_list), default=child.lineno)
            yield Heading(starts[first - 1], depth, child.name)
            yield from _defined(child, starts, depth + 1)


def _tree_sitter(text: str, language: str) -> list[Heading]:
    try:
        from tree_sitter import Language, Parser

        module, function = _MODULES[language]
        grammar = Language(getattr(importlib.import_module(module), function)())
    except ImportError as error:
        raise RequestError(
            f"reading {language} needs tree-sitter; pip install 'farspan[documents]'"
        ) from error
    data = text.encode()
    found = sorted(_walk(Parser(grammar).parse(data).root_node))
    headings, at, chars = [], 0, 0
    for start, depth, title in found:
        chars += len(data[at:start].decode("utf-8", "replace"))
        at = start
        headings.append(Heading(chars, depth, title))
    return headings


def _walk(root: Any) -> Iterator[tuple[int, int, str]]:
    """Byte, depth and name of every definition."""
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        if node.type in _DEFINES and (name := _name(node)):
            yield node.start_byte, depth, name
            depth += 1
        waiting += [(child, depth) for child in node.named_children]


def _name(node: Any) -> str:
    """The name that a definition gives, without its declarator's marks; empty for none."""
    for field in ("name", "type", "declarator"):
        found = node.child_by_field_name(field)
        while found is not None and found.child_by_field_name("declarator") is not None:
            found = found.child_by_field_name("declarator")
        if found is not None and (field != "type" or node.type == "impl_item"):
            return str(found.text.decode("utf-8", "replace"))
    for child in node.named_children:
        if child.type == "type_spec":
            return _name(child)
    return ""
