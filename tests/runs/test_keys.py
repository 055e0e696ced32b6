"""Result keys depend on exactly what a result depends on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audiolab.runs.keys import canonical_json, document_hash, result_key

BASE = {
    "sounds": ["a" * 64],
    "stage": "slice",
    "version": 1,
    "params": {"sensitivity": 0.5, "stems": ["drums"]},
    "engine": "builtin",
    "weights": None,
    "needs": {},
}

GOLDEN = "4ae9975db302737c1a71a055c09a6b9d3d72c0490587f6b96966619eb2bdcae6"


def test_every_part_counts():
    changed = [
        {"sounds": ["b" * 64]},
        {"sounds": ["a" * 64, "a" * 64]},
        {"stage": "embed"},
        {"version": 2},
        {"params": {"sensitivity": 0.6, "stems": ["drums"]}},
        {"engine": "demucs"},
        {"weights": "c" * 64},
        {"needs": {"analyze": "d" * 64}},
    ]
    keys = {result_key(**BASE), *(result_key(**(BASE | change)) for change in changed)}
    assert len(keys) == len(changed) + 1
    assert all(len(key) == 64 for key in keys)


def test_the_key_is_stable_for_ever():
    """A golden value: if this changes, every library would do all work again."""
    assert result_key(**BASE) == GOLDEN


def test_order_of_keys_and_kinds_of_numbers_do_not_count():
    shuffled = {"stems": ["drums"], "sensitivity": 0.5}
    assert result_key(**(BASE | {"params": shuffled})) == result_key(**BASE)
    assert canonical_json({"a": 4}) == canonical_json({"a": 4.0})
    assert canonical_json({"a": True}) != canonical_json({"a": 1})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_documents_survive_json_and_keep_their_hash(document):
    import json

    assert document_hash(json.loads(json.dumps(document))) == document_hash(document)
