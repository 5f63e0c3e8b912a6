"""Labels of a small synthetic world against its exact truth."""

import argparse

import pytest

from tools.benchmarks import labels


@pytest.mark.slow
def test_labels_are_right_and_better_than_a_plain_vote(tiny_world, tmp_path):
    parser = argparse.ArgumentParser()
    labels.add_arguments(parser)
    wanted = ['--world', str(tiny_world), '--skip', 'speed', 'masks', '--pictures', str(tmp_path)]
    summary = labels.run(parser.parse_args(wanted))['quality']['summary']
    for grid in labels.GRIDS:
        ours, plain = summary[f'this project, {grid}'], summary[f'plain majority vote, {grid}']
        # Range noise is a larger part of a smaller voxel.
        precision, recall = (98, 94) if '0.2 m' in grid else (99, 96)
        assert ours['precision'] > precision and ours['recall'] > recall and ours['ghosts'] < 0.3 and ours['mIoU'] > 80
        assert all(ours[name] > plain[name] for name in ('precision', 'recall', 'mIoU'))
    assert {path.name for path in tmp_path.iterdir()} == {'labels.png', 'labels_plain.png'}
