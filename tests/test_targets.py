"""Where a command is to write."""

import pytest

from project.targets import check_target


def test_where_nothing_can_be_written_is_known_before(tmp_path):
    (tmp_path / 'file').touch()
    for good, folder in [('new', False), ('file', False), ('a/b/c', False), ('a/b', True), ('.', True)]:
        check_target(tmp_path / good, folder)
    for bad, folder, fault in [
        ('.', False, 'is a folder'),
        ('file/x.json', False, 'file is a file, not a folder'),
        ('file/a/b.json', False, 'file is a file, not a folder'),
        ('file', True, 'file is a file, not a folder'),
        ('file/a', True, 'file is a file, not a folder'),
    ]:
        with pytest.raises(ValueError, match=fault):
            check_target(tmp_path / bad, folder)
    assert [path.name for path in tmp_path.iterdir()] == ['file']
