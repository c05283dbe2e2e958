"""How a fault reads, and what a section of the config takes for a text, a number or a truth."""

from typing import Any

import pytest

from components.settings import ConfigError, Fault
from components.settings.faults import Faults, Section, shown

ONE = Fault(key="workers", problem="0 is too few", remedy="give 1")


def section(values: Any) -> tuple[Section, Faults]:
    faults = Faults()
    return Section(values, "lab", faults), faults


def test_a_fault_reads_as_key_problem_and_remedy() -> None:
    assert str(ONE) == "workers: 0 is too few; give 1"


def test_one_fault_is_not_called_faults() -> None:
    assert str(ConfigError((ONE,))).splitlines() == [
        "1 fault in the config, nothing was touched:",
        "  - workers: 0 is too few; give 1",
    ]


def test_nothing_found_raises_nothing() -> None:
    Faults().raise_if_any()


def test_all_that_was_found_is_raised_in_its_order() -> None:
    faults = Faults()
    faults.add("b", "bad", "mend it")
    faults.add("a", "worse", "drop it")
    with pytest.raises(ConfigError) as caught:
        faults.raise_if_any()
    assert [fault.key for fault in caught.value.faults] == ["b", "a"]


@pytest.mark.parametrize(("given", "read"), [(3, 3), ("3", 3), ("-3", -3), (0, 0)])
def test_a_number_may_come_as_text(given: Any, read: int) -> None:
    values, faults = section({"n": given})
    assert (values.integer("n"), faults.found) == (read, [])


@pytest.mark.parametrize("given", ["", "3.0", "three", True, 3.0, [3], {"n": 3}])
def test_what_is_no_number_is_a_fault_and_not_a_crash(given: Any) -> None:
    values, faults = section({"n": given})
    values.integer("n")
    [fault] = faults.found
    assert (fault.key, fault.remedy) == ("lab.n", "give a whole number")


@pytest.mark.parametrize(("given", "read"), [(True, True), (False, False), ("true", True), ("false", False)])
def test_a_truth_may_come_as_text(given: Any, read: bool) -> None:
    values, faults = section({"on": given})
    assert (values.boolean("on"), faults.found) == (read, [])


@pytest.mark.parametrize("given", ["yes", "True", 1, []])
def test_what_is_no_truth_is_a_fault(given: Any) -> None:
    values, faults = section({"on": given})
    values.boolean("on")
    [fault] = faults.found
    assert (fault.key, fault.remedy) == ("lab.on", "give true or false")


def test_what_is_not_said_is_the_default() -> None:
    values, faults = section({"null": None})
    assert (values.text("null", "a"), values.integer("n", 2), values.texts("l", ("b",))) == ("a", 2, ("b",))
    assert faults.found == []


def test_keys_that_somebody_asked_for_are_known() -> None:
    values, faults = section({"a": "1", "b": {"c": "2"}, "d": ["3"], "e": [{}]})
    values.text("a")
    values.mapping("b").text("c")
    values.texts("d")
    values.sections("e")
    values.closed()
    assert faults.found == []


def test_a_key_that_nobody_asked_for_is_named_with_those_that_are_known() -> None:
    values, faults = section({"xyz": 1})
    values.text("name", "")
    values.text("image", "")
    values.closed()
    [fault] = faults.found
    assert str(fault) == "lab.xyz: unknown key; known here: image, name"


def test_a_key_that_is_missing_is_rather_meant_than_one_that_is_there() -> None:
    values, faults = section({"rangeStart": "1", "rangeStop": "2"})
    values.text("rangeStart")
    values.text("rangeEnd", "")
    values.closed()
    [fault] = faults.found
    assert fault.remedy == "did you mean `rangeEnd`?"


def test_a_section_is_faulty_by_what_is_found_in_it_alone() -> None:
    values, _ = section({"a": {"n": "x"}, "ab": {"n": "x"}})
    first, second = values.mapping("a"), values.mapping("ab")
    second.integer("n")
    assert (first.faulty, second.faulty) == (False, True)


def test_a_long_value_is_shown_by_its_beginning() -> None:
    assert len(shown("x" * 1000)) == 60
    assert shown("x" * 1000).startswith("'xxx")
    assert shown("short") == "'short'"


def test_what_cannot_be_written_is_shown_by_its_kind() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "(list, too large to show)"
    assert shown(10**5000) == "(int, too large to show)"


def test_a_fault_is_one_line_that_any_terminal_takes() -> None:
    odd = str(Fault(key="a\nb", problem="\ud800 é", remedy="\x1b[31m"))
    assert odd == r"a\nb: \ud800 é; \x1b[31m"


def test_an_item_that_is_a_text_stands_for_the_one_key_of_a_mapping() -> None:
    values, faults = section({"list": ["a", {"name": "b", "more": "c"}, 5]})
    items = values.entries("list", "name")
    assert [(item.text("name"), item.text("more", "none")) for item in items] == [
        ("a", "none"),
        ("b", "c"),
        ("", "none"),
    ]
    assert [str(fault) for fault in faults.found] == ["lab.list[2]: 5 is not a text; give a text"]
    items[0].fault("name", "bad", "mend it")
    items[1].fault("name", "bad", "mend it")
    assert [fault.key for fault in faults.found[1:]] == ["lab.list[0]", "lab.list[1].name"]


def test_a_number_within_bounds_may_be_left_out() -> None:
    values, faults = section({"low": 1, "high": "9", "null": None})
    read = [values.bounded(name, 1, 9, "because") for name in ("low", "high", "null", "none")]
    assert (read, faults.found) == ([1, 9, None, None], [])


@pytest.mark.parametrize("given", [0, 10, "0", True, 1.5, "x", [], 10**12])
def test_a_number_out_of_bounds_is_none_and_says_which_are_not(given: Any) -> None:
    values, faults = section({"n": given})
    assert values.bounded("n", 1, 9, "for a reason") is None
    [fault] = faults.found
    assert (fault.key, fault.remedy) == ("lab.n", "give 1 to 9, for a reason")


@pytest.mark.parametrize("given", ["02:00:00:00:00:0a", "02:00:00:00:00:0A"])
def test_a_mac_is_read_in_lower_case(given: str) -> None:
    values, faults = section({"mac": given})
    assert (values.mac("mac"), values.mac("none"), faults.found) == ("02:00:00:00:00:0a", None, [])
