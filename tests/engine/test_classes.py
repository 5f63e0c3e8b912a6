"""A model is refused where data have other classes than those it was trained for."""

import pytest
from processes import run_toy

from project.engine.classes import check_classes
from project.formats import infos
from project.label_set import LabelSet
from project.sources.taxonomies import taxonomy_of_boxes
from project.taxonomy import Taxonomy

TRAINED = LabelSet.of(taxonomy_of_boxes(['tram', 'cone'])).as_dict()


def of_data(*categories: str) -> dict:
    return infos.metainfo('own', taxonomy_of_boxes(categories))


def test_the_same_classes_or_some_of_them_are_taken():
    check_classes(TRAINED, 'a.pth', of_data('tram', 'cone'), 'val.pkl')
    check_classes(LabelSet().as_dict(), 'a.pth', infos.metainfo('v', Taxonomy.nuscenes()), 'val.pkl')
    some = {'label_names': [*TRAINED['label_names'][:2], *[''] * 15, 'free']}
    check_classes(TRAINED, 'a.pth', some, 'val.pkl')


def test_who_states_no_classes_is_taken():
    check_classes({}, 'a.pth', of_data('van'), 'val.pkl')
    check_classes(TRAINED, 'a.pth', {}, 'val.pkl')


@pytest.mark.parametrize(
    ('data', 'said'),
    [
        (of_data('cone', 'tram'), 'the label 1 is cone in the data and tram in the model'),
        (of_data('tram', 'cone', 'van'), 'the label 3 is van in the data and ground in the model'),
        (infos.metainfo('v', Taxonomy.nuscenes()), 'the label 1 is barrier in the data and tram in the model'),
    ],
)
def test_other_classes_are_refused(data, said):
    with pytest.raises(
        ValueError, match=rf'a\.pth: its model was trained for other classes \(tram, cone.*val.pkl.*{said}'
    ):
        check_classes(TRAINED, 'a.pth', data, 'val.pkl')


def test_the_runner_refuses_to_resume_and_to_test(tmp_path, monkeypatch):
    run = tmp_path / 'run'
    assert run_toy(run, train_cfg__max_epochs=1, train_dataloader__dataset__label_names=TRAINED['label_names']) == [0]
    others = of_data('cone', 'tram')['label_names']
    assert run_toy(run, resume='auto', train_dataloader__dataset__label_names=others) != [0]
    assert 'the label 1 is cone in the data and tram in the model' in (tmp_path / 'run_0.log').read_text()
    same = dict(train_dataloader__dataset__label_names=TRAINED['label_names'], train_cfg__max_epochs=2)
    assert run_toy(run, resume='auto', **same) == [0]
