"""Hundreds of generated programs: what the checker says of them is what happens to them."""

from __future__ import annotations

import pytest

from tests.lint.generator.grammar import CREATE, JOIN, KEEP, METHODS, PASS, SCOPE, choices, spell
from tests.lint.generator.judge import judge, judge_memory, rates, table

SEED = 20240601
PROGRAMS = 300


def test_every_program_of_the_grammar_compiles_and_every_word_of_it_is_used():
    everything = choices(10**6, SEED, 0.5)
    for each in everything:
        compile(spell(each), str(each), "exec")
    used = {word for each in everything for word in vars(each).values()}
    assert used == {*CREATE, *PASS, *KEEP, *JOIN, *SCOPE, *METHODS}


@pytest.mark.watchdog(600)
def test_what_the_checker_says_is_what_happens(tmp_path, capsys):
    judged = judge(PROGRAMS, SEED, tmp_path, spawned=0.12)
    high, medium, unseen = rates(judged)
    with capsys.disabled():
        print(f"\n{table(judged)}")
    wrong = "\n".join(str(each) for each in judged if each.wrong and each.verdict != "low")
    assert high == 0, wrong
    assert medium <= 0.02, wrong
    assert unseen <= 0.02, wrong


@pytest.mark.watchdog(300)
def test_what_the_checker_says_of_views_is_what_happens(tmp_path):
    judged = judge_memory(120, SEED, tmp_path)
    wrong = "\n".join(str(each) for each in judged if each.wrong)
    assert any(each.happened for each in judged)
    assert not wrong, wrong
