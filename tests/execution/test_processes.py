"""Work on processes of this machine."""

import pytest
from cluster_work import process_and_next

from project.execution.processes import Processes


@pytest.mark.parametrize('workers', [1, 3])
def test_an_item_comes_with_word_of_the_one_that_starts_when_it_ends(workers):
    results = Processes(workers).run(process_and_next, range(5), None, ahead=lambda item: f'{item}!')
    assert [upcoming for _, upcoming in results] == [f'{n}!' if n < 5 else None for n in range(workers, 5 + workers)]
