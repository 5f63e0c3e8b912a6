"""Files that somebody made on purpose: nothing in them runs, and none takes more memory than it may."""

import gzip
import io
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from project.evaluation.protocols import submissions
from project.evaluation.protocols.submissions import read_rays
from project.formats import infos, occ3d, openocc, openoccupancy, predictions, surroundocc, voxels
from project.formats.common import named_errors
from project.formats.pickles import load_plain
from project.plain_files import read_json, read_npy, read_npz

HUGE = struct.pack('<I', 4_000_000_000), struct.pack('<Q', 10**13)


class RunsCode:
    def __reduce__(self):
        return print, ('this ran',)


class ForgedDtype:
    """Bytes of the file as addresses of objects: NumPy's own unpickling takes these flags as they are."""

    def __reduce__(self):
        return np.dtype, ('O8', False, True), (3, '|', None, None, None, -1, -1, 0)


def array(dtype: object, shape: tuple, content: bytes) -> object:
    class Forged:
        def __reduce__(self):
            return np.empty(0).__reduce__()[0], (np.ndarray, (0,), b'b'), (1, shape, dtype, False, content)

    return Forged()


HOSTILE_PICKLES = {
    'code': pickle.dumps(RunsCode()),
    'code by name': b"cos\nsystem\n(S'echo this ran'\ntR.",
    'a place of 4 billion': b'\x80\x02]r' + HUGE[0] + b'.',
    'a place of 200 million': b'\x80\x02]r' + struct.pack('<I', 200_000_000) + b'.',
    'a place in digits': b'(lp4000000000\n.',
    'a frame': b'\x80\x04\x95' + HUGE[1] + b'N.',
    'text': b'\x80\x02X' + HUGE[0] + b'.',
    'bytes': b'\x80\x04\x8e' + HUGE[1] + b'xx.',
    'a bytearray': b'\x80\x05\x96' + HUGE[1] + b'xx.',
    'a number': b'\x80\x02\x8b' + struct.pack('<i', -5) + b'.',
    'a forged dtype': pickle.dumps(array(ForgedDtype(), (1,), b'\x00' * 8)),
    'objects': pickle.dumps(np.array([RunsCode()], object)),
    'a shape': pickle.dumps(array(np.dtype('f8'), (1 << 40,), b'')),
    'a shape that overflows': pickle.dumps(array(np.dtype('f8'), (1 << 62, 4, 2), b'')),
    'bytes of bytes of bytes': b"c_codecs\nencode\n(S'aa'\nS'hex'\ntR.",
    'a function changed': b"c_codecs\nencode\n}S'_make'\nI1\nsb.",
    'a class changed': b"cnumpy\nndarray\n}S'__new__'\nI1\nsb.",
    'nothing': b'',
    'no end': b'\x80\x02]',
    'no pickle': b'\xff\xfe',
}


@pytest.mark.parametrize('name', HOSTILE_PICKLES)
def test_a_pickle_runs_nothing_and_takes_no_memory(name, tmp_path, capsys):
    file = tmp_path / 'nuscenes_infos_val.pkl'
    file.write_bytes(HOSTILE_PICKLES[name])
    tracemalloc.start()
    with pytest.raises(ValueError, match=f'{file}: not an index'):
        infos.read(file)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert 'this ran' not in capsys.readouterr().out


@pytest.mark.parametrize('stand_in', [b'cnumpy\nndarray\n', b'cnumpy.core.multiarray\n_reconstruct\n'])
def test_an_array_is_empty_until_its_bytes_are_there(stand_in, tmp_path):
    (tmp_path / 'p').write_bytes(stand_in + b'((I1000000000000\nttR.')
    with open(tmp_path / 'p', 'rb') as file:
        assert load_plain(file).nbytes == 0


@pytest.mark.parametrize('protocol', range(6))
def test_plain_data_and_arrays_are_what_they_were(protocol, tmp_path):
    content = {
        'big end first': np.arange(6, dtype='>f4').reshape(2, 3), 'scalar': np.float16(3),
        'text': np.array(['ab', 'c']), 'columns': np.asfortranarray(np.ones((3, 4))), 'one': np.array(7),
        'none': np.zeros((0, 3)), 'bytes': b'x' * 300,
        'plain': [1, 2**70, -5, 'é', None, True, 1.5, {'a': ()}],
    }  # fmt: skip
    with open(tmp_path / 'p', 'w+b') as file:
        pickle.dump(content, file, protocol)
        file.seek(0)
        read = load_plain(file)
    assert read['plain'] == content['plain']
    assert read.keys() == content.keys()
    for name, value in content.items():
        np.testing.assert_array_equal(read[name], value)


def npy(shape: str, descr: str = "'<f8'", content: bytes = b'') -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + content


HOSTILE_ARRAYS = {
    'a shape of terabytes': npy('(1000000000000, 4)'),
    'a shape that overflows': npy('(4611686018427387904, 8)'),
    'a negative shape': npy('(-1, 4)', content=bytes(32)),
    'no bytes each': npy('(1000000000000, 4)', "'|V0'"),
    'objects': npy('(1,)', "'|O'", pickle.dumps(RunsCode())),
    'objects in fields': npy('(1,)', "[('a', '|O')]", pickle.dumps(RunsCode())),
    'deep brackets': npy('(' * 4000),
    'deep signs': npy('-' * 9000 + '1'),
    'a version of the future': b'\x93NUMPY\x09\x00' + bytes(20),
}


def zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', method) as archive:
        for name in ('semantics', 'indices', 'classes', 'arr_0', 'data'):
            archive.writestr(f'{name}.npy', content)
    return file.getvalue()


@pytest.mark.parametrize('name', HOSTILE_ARRAYS)
@pytest.mark.parametrize('module', [voxels, occ3d, openocc, surroundocc, openoccupancy, predictions])
def test_an_array_that_lies_is_refused(module, name, tmp_path, capsys):
    file, content = tmp_path / 'label', HOSTILE_ARRAYS[name]
    file.write_bytes(content if module in (surroundocc, openoccupancy) else zipped(content))
    tracemalloc.start()
    with pytest.raises(ValueError, match=str(file)):
        module.read(file)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert 'this ran' not in capsys.readouterr().out


def test_an_archive_that_unpacks_to_more_than_allowed_is_refused_before_it_is(tmp_path):
    file = tmp_path / 'label'
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive, archive.open('semantics.npy', 'w') as part:
        for _ in range(64):
            part.write(bytes(1 << 20))
    assert file.stat().st_size < 100_000
    with pytest.raises(ValueError, match='it would unpack to 64 MiB, more than the 32 allowed'):
        read_npz(file, ('semantics',), 32 << 20)


def test_other_ways_to_pack_are_refused_since_they_unpack_a_block_at_once():
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(ValueError, match='packed in another way'):
            read_npz(zipped(npy('(1,)', content=bytes(8)), method), ('data',))


def test_arrays_are_what_numpy_reads(tmp_path, rng):
    arrays = {'a': rng.normal(size=(3, 4)), 'b': np.asfortranarray(rng.integers(0, 9, (2, 5))), 'c': np.zeros((0, 3))}
    np.savez_compressed(tmp_path / 'x.npz', **arrays)
    for source in (tmp_path / 'x.npz', (tmp_path / 'x.npz').read_bytes()):
        read = read_npz(source, ('a', 'b', 'c', 'd'))
        assert read.pop('d') is None
        for name, value in read.items():
            np.testing.assert_array_equal(value, arrays[name])
    np.save(tmp_path / 'b.npy', arrays['b'])
    np.testing.assert_array_equal(read_npy(tmp_path / 'b.npy'), arrays['b'])


def test_a_submission_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, '_LARGEST_BYTES', 1 << 22)
    with gzip.open(tmp_path / 's.gz', 'wb') as file:
        file.write(bytes(1 << 24))
    with pytest.raises(ValueError, match='it unpacks to more than 4 MiB'):
        read_rays(tmp_path / 's.gz')


def test_deep_json_is_an_error_of_the_file(tmp_path):
    (tmp_path / 'deep.json').write_bytes(b'[' * 200_000)
    with pytest.raises(ValueError, match='not settings: it is nested too deeply'), named_errors('f', 'settings'):
        read_json(tmp_path / 'deep.json')
