"""Texts that break programs: what a file, a tag or a query may be called by accident or by malice."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["HOSTILE", "check_html", "quoted"]

HOSTILE = {
    "sql": "'; DROP TABLE sound; --",
    "sql double": '"; DELETE FROM tag; --',
    "sql union": "x' UNION SELECT sqlite_version() --",
    "sql or": "' OR '1'='1",
    "sql comment": "/* x */ -- y",
    "postgres dollar": "$$; DROP TABLE sound; $$",
    "bind": ":number ? %s %(name)s ${x} @x",
    "like": "100%_[a-z]\\%",
    "wildcards": "*?[!a]{b,c}",
    "fts5 operators": 'kick AND NOT "snare" OR NEAR(a b, 2)',
    "fts5 column": "names: kick ^first + second",
    "fts5 quote": '"""',
    "fts5 star": "kick*",
    "tsquery": "kick & !snare | (a <-> b):*A",
    "tsquery broken": "& | ! ( ) <-> :*",
    "json path": "$.facts[*]..key",
    "json": '{"a": [1, null]}',
    "html": "<script>alert(1)</script>",
    "html attribute": '"><img src=x onerror="alert(1)">',
    "html entity": "&lt;b&gt; &amp;",
    "html comment": "--> <!-- ]]>",
    "svg": "<svg/onload=alert(1)>",
    "traversal": "../../../../etc/passwd",
    "windows traversal": "..\\..\\windows\\system32",
    "absolute": "/etc/shadow",
    "drive": "C:\\autoexec.bat",
    "device": "CON",
    "dots": "..",
    "tilde": "~root",
    "hidden": ".htaccess",
    "option": "--library",
    "dash": "-rf",
    "format": "{0.__class__} %n %x {label!r:>99}",
    "shell": "$(touch /tmp/x) `id` ; rm -rf / | cat && true",
    "template": "{{7*7}} ${7*7} <%= 7*7 %>",
    "null": "a\0b",
    "only null": "\0",
    "surrogate": "lone \ud800 high",
    "surrogate low": "lone \udfff low",
    "bad bytes": b"caf\xe9 \xff\xfe".decode("utf-8", "surrogateescape"),
    "newlines": "one\ntwo\r\nthree\rfour\u2028five\u0085six",
    "control": "bell\a back\b esc\x1b[31mred tab\t del\x7f",
    "bidi": "abc\u202egnp.exe\u202c \u2066x\u2069 \u200f",
    "zero width": "a\u200bb\u200dc\ufeffd",
    "combining": "Z" + "\u0301\u0323\u0489" * 40,
    "emoji": "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿🥁",
    "fullwidth": "ｋｉｃｋ：＂；ＤＲＯＰ",
    "ligature": "ﬁﬂ ß ſ İ ı K Å",
    "not a character": "\ufffe\uffff\U0010ffff",
    "private": "\ue000\U000f0000",
    "spaces": "  many   spaces\u00a0\u3000 ",
    "empty": "",
    "query syntax": 'kind:sample ^tag:"x" , bpm:120..130 sort:-bpm limit:1',
    "query broken": '^^:"..,',
    "dots range": "..",
    "number": "1e309 NaN -0 0x10 ٣",
    "true": "None True null undefined",
    "long": "x" * 240,
}
"""What it tries: the text."""
_NEVER = {"script", "img", "iframe", "object", "embed", "link", "meta", "base", "form", "input", "a", "audio", "video"}
_RUNS = ("on", "src", "href", "xlink", "action", "srcdoc")


def quoted(text: str) -> str:
    """Give a text as a quoted value of the query language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check_html(html: str) -> None:
    """Assert that a page holds tables and pictures only, and nothing that runs or loads."""
    found: list[tuple[str, list[tuple[str, str | None]]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, attrs))

        def handle_comment(self, data: str) -> None:
            raise AssertionError(f"a comment: {data!r}")

        def unknown_decl(self, data: str) -> None:
            raise AssertionError(f"a declaration: {data!r}")

    parser = Parser()
    parser.feed(html)
    parser.close()
    for tag, attributes in found:
        assert tag not in _NEVER, (tag, html)
        assert not any(name.startswith(_RUNS) for name, _ in attributes), (attributes, html)
