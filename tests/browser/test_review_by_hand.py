"""What fifty acts by hand showed to be unclear in the review app."""

import time

import pytest

from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from tests.browser.test_review_app import Keys, serving

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
__all__ = ["serving"]


def test_a_place_that_is_marked_is_no_new_group_and_a_clash_is_told_in_words(serving) -> None:
    page = serving()
    page.press("m")
    page.until(lambda: page.find("#act-dialog[open]"))
    page.press("bri")
    page.until(lambda: page.text("#choices [aria-selected=true]").startswith("bridge"))
    time.sleep(0.3)  # a preview would have come
    assert not page.find(".parents-choice")
    assert "Enter, or a click, chooses a place" in page.text(".effect")
    page.press(Keys.ARROW_DOWN)
    page.until(lambda: page.find(".parents-choice"))  # "bri" would be new
    page.press(Keys.ARROW_UP, Keys.ENTER)
    page.save()
    page.until(lambda: page.made == [("move", "keep", "bridge")])
    append_decision(
        page.path, Decision("move", "type", "moat", "castle", author="bob", date="2026-03-01T10:00")
    )
    page.at_label("type", "moat")
    page.press("m")
    page.until(lambda: page.find("#act-dialog[open]"))
    page.press("bridge")
    page.until(lambda: "Moved moat to castle (bob, 2026-03-01 10:00)" in page.text(".effect"))
    page.press(Keys.ESCAPE)


def test_what_was_not_seen_is_not_accepted(serving) -> None:
    page = serving()
    key = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'a', bubbles: true }));"
    page.browser.execute_script(key * 2)  # faster than the next question
    page.until(lambda: "before this question" in page.text("#toast"))
    assert page.made == [("accept", "keep", "castle")]
    assert page.title == "Naturama"


def test_undo_of_an_act_on_a_group_leaves_what_is_asked_on_the_page(serving) -> None:
    page = serving()
    page.press("r")
    page.until(lambda: page.find("#act-dialog[open]"))
    page.press("fortress" + Keys.ENTER)
    page.until(lambda: page.made == [("rename", "castle", "fortress")])
    page.until(lambda: not page.find("#act-dialog[open]"))
    page.press("u")
    page.until(lambda: "Taken back" in page.text("#toast"))
    assert page.title == "keep"


def test_sure_kinds_are_answered_in_one_act_after_some_were_taken_out(serving) -> None:
    page = serving()
    page.at_label("kind", "human-made")
    assert "2 categories belong in human-made" in page.text(".page-acts")
    assert page.text(".member") == "castle\nbridge"
    page.press("b")
    assert not page.find(".page-acts button[aria-keyshortcuts=b]"), "nothing tells how like categories are"
    page.click(".member", "bridge")
    page.press("x")
    page.until(lambda: "Out go bridge. Where to?" in page.text("#act-dialog"))
    assert not page.find("#act-dialog button.primary:enabled"), "elsewhere is no place for a category"
    page.press("nat", Keys.ENTER)
    page.until(lambda: "change kind" in page.text(".effect"))
    page.save()
    page.until(lambda: page.made == [("move", "human-made", "natural")])
    page.until(lambda: page.title == "keep")  # one is left, and asked by itself
    page.press("u")
    page.until(lambda: page.text(".member") == "castle\nbridge")
    page.press("a")
    page.until(lambda: page.title == "keep")
    assert read_decisions(page.path)[-1].members == ("castle", "bridge")


def test_what_comes_next_is_never_what_is_asked(serving) -> None:
    page = serving()
    following = page.text(".next .row .label").split("\n")
    assert following[0] == "Naturama"
    page.at_label("landmark", "Naturama")
    page.until(lambda: page.text(".next .row .label").split("\n") == ["keep", *following[1:]])
