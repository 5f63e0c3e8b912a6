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


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['data', '--config', 'absent.py'], 'there is no configuration absent.py'),
        (['data', '--config', 'config/occupancy_tiny.py', '--cfg-options', 'modle.a=1'], 'has no modle'),
        (['rays', '--labels', 'absent.npz'], "No such file or directory: 'absent.npz'"),
    ],
)
def test_wrong_input_is_one_sentence(capsys, arguments, sentence):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith('error: ') and sentence in said


def test_what_a_benchmark_lacks_is_one_sentence(capsys, monkeypatch):
    """Their own word for it is a SystemExit with a sentence."""
    from tools.benchmarks import rays

    def lacking(options):
        raise SystemExit('needs a thing')

    monkeypatch.setattr(rays, 'run', lacking)
    assert main(['rays']) == 2
    assert capsys.readouterr().err == 'error: needs a thing\n'
