"""The family table is consistent, and covers exactly what the packages publish."""

from collections import Counter

import pytest

from corpus.families import entries, read_rules, rule_for

RULES = read_rules()


def test_no_two_rows_have_the_same_key():
    keys = Counter((rule.package, rule.module, rule.prefix) for rule in RULES)
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_family_has_one_coarse_family():
    pairs = {(rule.family, rule.coarse_family) for rule in RULES}
    assert [f for f, n in Counter(family for family, _ in pairs).items() if n > 1] == []


def test_names_are_lower_case_words():
    for rule in RULES:
        for name in (rule.family, rule.coarse_family):
            assert name.replace("_", "").isalnum(), name
            assert name == name.lower(), name


def test_a_row_that_its_names_do_not_explain_says_why():
    def explained(rule):
        prefix, family = rule.prefix.replace("_", ""), rule.family.replace("_", "")
        return rule.why or not prefix or prefix.startswith(family) or prefix in family

    assert [rule for rule in RULES if not explained(rule)] == []


def test_every_published_name_has_a_family_and_every_row_is_used():
    pytest.importorskip("timm")
    pytest.importorskip("torchvision")
    from corpus.builders import timm, torchvision

    published = [c.entry.to_dict() for c in timm.candidates() + torchvision.candidates()]
    used = {rule_for(entry, RULES) for entry in published}
    assert None not in used, [e["id"] for e in published if rule_for(e, RULES) is None]
    packages = {entry["package"] for entry in published}
    assert {rule for rule in RULES if rule.package in packages} - used == set()


def test_every_traced_entry_has_a_family():
    built = list(entries())
    if not built:
        pytest.skip("nothing built yet: run the builders first")
    assert [entry["id"] for entry in built if rule_for(entry, RULES) is None] == []
