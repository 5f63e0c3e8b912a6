"""Promises to workers about their next item."""

from project.execution.promises import Promises


def test_a_worker_gets_what_it_was_promised_and_nobody_loses_an_item():
    promises = Promises(7)
    assert promises.take(2, {'a', 'b'}) == [(0, ''), (1, '')]
    assert [promises.promise(0), promises.promise(1)] == [2, 3]
    # The second ends first: its item comes before those that nobody was promised, and not the other's.
    promises.ended(1, 'b')
    assert promises.take(1, {'a', 'b'}) == [(3, 'b')]
    assert promises.promise(3) == 4
    # A third worker takes what is free, and then what others were promised.
    assert promises.take(4, {'a', 'b', 'c'}) == [(5, ''), (6, ''), (2, ''), (4, '')]
    assert promises.promise(5) is None and not promises.waiting


def test_what_a_worker_was_promised_that_is_gone_is_anybodys():
    promises = Promises(6)
    promises.take(3, {'a', 'b'})
    assert [promises.promise(number) for number in (0, 1, 2)] == [3, 4, 5]
    promises.ended(0, None)
    promises.ended(1, 'gone')
    assert promises.take(1, {'a'}) == [(3, '')]
    promises.waiting.appendleft(0)
    assert promises.take(9, {'a'}) == [(0, ''), (4, ''), (5, '')]
