import pytest

from tools.benchmark import benchmarks, main


def test_benchmarks_are_listed_without_importing_them(capsys):
    assert main([]) == 2
    said = capsys.readouterr().out
    assert 'labels' in benchmarks() and all(name in said for name in benchmarks())
    assert not any(name.startswith('_') for name in benchmarks())


def test_help_of_one(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['labels', '--help'])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and '--every' in said and '--json' in said


def test_an_unknown_one_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['nothing'])
    assert ended.value.code == 2 and 'invalid choice' in capsys.readouterr().err
