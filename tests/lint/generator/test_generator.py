"""Hundreds of generated programs: what the checker says of them is what happens to them."""

from __future__ import annotations

import pytest

from tests.lint.generator.grammars import GRAMMARS
from tests.lint.generator.judge import judge, programs, rates, table
from tests.lint.generator.program import HERE, choices

SEED = 20240601
# Of each grammar: as many as meet nearly all pairs of its words that are of interest.
PROGRAMS = {
    "dropped": 130,
    "inline": 80,
    "several": 80,
    "keeps": 80,
    "names": 60,
    "ends": 40,
    "managers": 80,
    "sending": 40,
    "pools": 60,
    "executors": 50,
    "views": 60,
}


@pytest.mark.parametrize("name", GRAMMARS)
def test_every_program_of_a_grammar_compiles_and_every_word_of_it_is_used(name):
    grammar, _ = GRAMMARS[name]
    used: set[tuple[str, str]] = set()
    for each in choices(grammar, 300, SEED):
        text = grammar.spell(each)
        compile(text, str(each), "exec")
        assert HERE in text
        used.update(each.words.items())
    assert used == {(part, word) for part, words in grammar.PARTS.items() for word in words}


@pytest.mark.watchdog(900)
def test_what_the_checker_says_is_what_happens(tmp_path, capsys):
    judged = judge(programs(PROGRAMS, SEED, slow=0.08), tmp_path)
    high, medium, unseen = rates(judged)
    with capsys.disabled():
        print(f"\n{table(judged)}")
    wrong = "\n".join(str(each) for each in judged if each.wrong and each.verdict != "low")
    assert high == 0, wrong
    assert medium <= 0.02, wrong
    assert unseen <= 0.02, wrong
    for name in GRAMMARS:  # or else nothing was judged
        mine = [each for each in judged if each.program.grammar == name]
        assert {bool(each.happened) for each in mine} == {True, False}, name
