"""scripts/check_structure.py: what it finds in a repository that is made up, and what it leaves alone."""

import pytest
from structure import limits, rust

MANIFEST = """
[workspace.metadata.structure]
enforced = ["rings", "order", "folders", "files", "functions", "docs", "unsafe"]
sources = ["crates", "scripts"]
folders = ["crates"]
max-entries = 6
max-file-lines = 12
max-function-lines = 4
unsafe = ["crates/toy/src/fast.rs"]

[workspace.metadata.structure.order]
toy = ["error", "env", "policy", "search", "fast"]
"""
CLEAN = {
    "crates/toy/src/lib.rs": "pub mod env;\npub mod error;\nmod fast;\npub mod policy;\npub mod search;\n",
    "crates/toy/src/error.rs": "pub struct Error;\n",
    "crates/toy/src/env.rs": "use crate::error::Error;\npub trait Environment {}\n",
    "crates/toy/src/fast.rs": "#[allow(unsafe_code)]\nfn f() {}\n",
    "crates/toy/src/policy.rs": "use crate::env::Environment;\npub struct Policy;\n",
    "crates/toy/src/search/mod.rs": "mod tree;\npub use tree::Tree;\npub const DEPTH: usize = 3;\n",
    "crates/toy/src/search/tree.rs": "use super::DEPTH;\nuse crate::policy::Policy;\npub struct Tree;\n",
}


@pytest.fixture
def check(script, tmp_path):
    """Check a repository with these files beside the clean ones; returns the exit code and what was found."""

    def call(*arguments, **changed):
        files = {"Cargo.toml": MANIFEST, **CLEAN, **{name.replace("__", "/"): text for name, text in changed.items()}}
        for name, text in files.items():
            path = tmp_path / (name if "/" in name or name.endswith("toml") else f"crates/toy/src/{name}.rs")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = script("check_structure.py", *arguments, "--root", tmp_path)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, done.stdout

    return call


def test_a_clean_repository_passes(check):
    code, found = check()
    assert (code, found) == (0, "rings, order, folders, files, functions, docs, unsafe: nothing found\n")


def test_a_ring_is_shown_with_its_lines(check):
    code, found = check("rings", env="use crate::policy::Policy;\npub trait Environment {}\n")
    assert code == 1
    assert "toy: modules use each other in a ring:" in found
    assert "env uses crate::policy::Policy (crates/toy/src/env.rs:1)" in found
    assert "policy uses crate::env::Environment (crates/toy/src/policy.rs:1)" in found


@pytest.mark.parametrize(
    "env",
    [
        "use crate::search;\nfn f() { search::Tree; }\n",
        "use super::search::{self as s, Tree as T};\n",
        "fn f() -> crate::search::Tree { crate::search::Tree }\n",
        "use crate::search::*;\nfn f(tree: Tree) {}\n",
    ],
)
def test_rings_are_found_however_paths_are_written(check, env):
    assert check("rings", env=f"pub trait Environment {{}}\n{env}")[0] == 1


@pytest.mark.parametrize(
    "env",
    [
        "// crate::search::Tree\n/* use crate::search::Tree; */\n",
        'const NAME: &str = "crate::search::Tree";\n',
        "#[cfg(test)]\nmod tests {\n    use crate::search::Tree;\n}\n",
        "#[cfg(test)]\nuse crate::search::{Tree};\n",
        "use other::search::Tree;\n",
        "use crate::search::*;\n",
    ],
)
def test_comments_literals_tests_and_other_crates_make_no_ring(check, env):
    assert check("rings", env=f"pub trait Environment {{}}\n{env}")[0] == 0


def test_a_use_against_the_order_is_named(check):
    code, found = check("order", error="use crate::env::Environment;\npub struct Error;\n")
    assert code == 1
    assert "crates/toy/src/error.rs:1: error uses crate::env::Environment, but comes before env in the order" in found


def test_a_module_that_the_order_lacks_is_named(check):
    lib = CLEAN["crates/toy/src/lib.rs"] + "mod new;\n"
    code, found = check("order", lib=lib, new="use crate::env::Environment;\n")
    assert code == 1
    assert "workspace.metadata.structure.order.toy lacks new" in found


def test_full_folders_and_long_files_are_named(check):
    code, found = check("folders", "files", policy="//\n" * 13, new="")
    assert code == 1
    assert "crates/toy/src: has 7 entries, at most 6 are allowed" in found
    assert "crates/toy/src/policy.rs: has 13 lines, at most 12 are allowed" in found


def test_long_functions_are_named_unless_their_reason_is(check):
    long = "fn long(x: [u8; 2]) {\n    1;\n    2;\n    3;\n}\n"
    code, found = check("functions", policy=long)
    assert code == 1
    assert "policy.rs:1: function long has 5 lines, at most 4 are allowed" in found
    assert check("functions", policy=f"// long function: a table\n#[inline]\n{long}")[0] == 0
    short = "fn short() {\n    let brace = '{';\n    // }\n}\n"
    assert check("functions", policy=short)[0] == 0


def test_functions_of_python_and_mojo_are_measured(tmp_path):
    python = 'class A:\n    def f(self):\n        """\n        def g():\n        """\n        return 1\n\n    x = 1\n'
    assert list(limits.functions(tmp_path / "a.py", python)) == [("f", 2, 6)]
    mojo = "struct A:\n    def f(\n        self\n    ) :\n        return 1\n\n    def g():\n        pass\n\n\nB = 1\n"
    assert list(limits.functions(tmp_path / "a.mojo", mojo)) == [("f", 2, 5), ("g", 7, 8)]


def test_doc_comments_that_open_with_a_question_are_named(check):
    code, found = check("docs", policy="//! What it is.\n/// How:\n/// Why\npub struct P;\n")
    assert code == 1
    assert found.count("opens with a question word") == 2
    assert check("docs", policy="//! # How it works\n/// However:\n/// Where it goes on.\npub struct P;\n")[0] == 0
    assert check("docs", **{"scripts__a.py": '"""Whether it is."""\n'})[0] == 1


def test_unsafe_code_is_allowed_only_where_it_is_listed(check):
    code, found = check("unsafe", policy='#![expect(unsafe_code, reason = "fast")]\n')
    assert code == 1
    assert "crates/toy/src/policy.rs:1: lifts the lint unsafe_code" in found
    code, found = check("unsafe", policy="", fast="fn f() {}\n")
    assert code == 1
    assert "lists crates/toy/src/fast.rs, which allows none" in found


def test_code_under_cfg_test_is_left_out_and_nothing_else():
    text = "#[cfg(test)]\nuse a::{b};\nfn f() {}\n#[cfg(test)]\n#[allow(x)]\nfn g(a: A, b: B) -> [u8; 2] { h() }\n"
    text += "fn i() {}\n"
    assert rust.without_tests(text).split() == ["fn", "f()", "{}", "fn", "i()", "{}"]
    fields = "struct S {\n    a: A,\n    #[cfg(test)]\n    pub(crate) b: Vec<(B, C)>,\n    c: C,\n}\n"
    assert rust.without_tests(fields).split() == ["struct", "S", "{", "a:", "A,", "c:", "C,", "}"]


def test_literals_and_comments_are_blanked_out_line_by_line():
    text = 'let a = "x // y\\"{"; // z\nlet b = r#"{"{"#;\nlet c = \'{\'; let d: &\'a str;\n/* {\n*/ e'
    plain = rust.code(text)
    assert plain.count("\n") == text.count("\n")
    assert " ".join(plain.split()) == "let a = ; let b = ; let c = ; let d: &'a str; e"
