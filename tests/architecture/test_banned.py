"""What may not be written where: asked of the syntax tree, answered with file, line and the reason."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ecg", "protocols", "edge_agent", "hub", "provisioning")

PURE_FILES = {"codec.py", "message.py", "mllp.py", "dataset.py", "resources.py"}
"""Bytes in, values out, wherever a file of this name lies; `protocols` and these are without I/O."""
PURE_TREES = ("protocols",)
IMPURE = {"asyncio", "socket", "serial", "bleak", "logging", "threading", "subprocess", "aiomqtt"}
COMMIT_HOME = Path("hub/db.py")


def sources() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(found) > 20, "the packages are not where this test looks"
    return found


def commits(tree: ast.AST) -> list[int]:
    """Lines that call or take `.commit`."""
    return [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "commit"
    ]


def impure_imports(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines that import a module with which the world could be touched."""
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found += [(node.lineno, name) for name in names if name.partition(".")[0] in IMPURE]
    return found


def test_only_db_commits():
    """An answer must come after the commit, and there is one place that does it (P2)."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: .commit outside {COMMIT_HOME}; write `with transaction(engine):`"
        for path in sources()
        if path.relative_to(ROOT).parts[0] == "hub" and path.relative_to(ROOT) != COMMIT_HOME
        for line in commits(ast.parse(path.read_text()))
    ]
    assert not wrong, "\n".join(["", *wrong])


def test_codecs_and_messages_touch_nothing():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {name}; a file of this kind is without I/O, clock and log"
        for path in sources()
        if path.name in PURE_FILES or path.relative_to(ROOT).parts[0] in PURE_TREES
        for line, name in impure_imports(ast.parse(path.read_text()))
    ]
    assert not wrong, "\n".join(["", *wrong])


def test_data_folders_are_no_packages():
    """A regular package of that name would hide an installed one of the same name."""
    for folder in ("docker", "firmware_configs", "tests"):
        wrong = list((ROOT / folder).rglob("__init__.py")) if (ROOT / folder).is_dir() else []
        assert not wrong, f"{folder} must not hold __init__.py: {wrong}"


def test_test_files_and_classes_are_collected():
    """A test that pytest does not see is the worst kind: files named test_*.py, classes named Test*."""
    wrong = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        functions = [
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        if not any(name.startswith("test_") for name in functions):
            wrong.append(f"{path.relative_to(ROOT)} holds no test")
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno}: class {node.name} holds tests and is not called Test…"
            for node in tree.body
            if isinstance(node, ast.ClassDef)
            and not node.name.startswith("Test")
            and any(getattr(child, "name", "").startswith("test_") for child in node.body)
        ]
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize(
    ("text", "lines"),
    [("session.commit()", [1]), ("x = 1\ndone = db.commit", [2]), ("commit(x)", []), ("# s.commit()", [])],
)
def test_a_commit_is_seen(text, lines):
    assert commits(ast.parse(text)) == lines


def test_an_import_is_seen():
    tree = ast.parse(
        "import struct\ndef f():\n    from asyncio.streams import StreamReader\nimport serial.tools"
    )
    assert sorted(impure_imports(tree)) == [(3, "asyncio.streams"), (4, "serial.tools")]
