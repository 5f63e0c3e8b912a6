// Frames as they come from the server or lie in the page itself: gzip of a JSON header and binary arrays.

const manifest = JSON.parse(document.getElementById('manifest').textContent);

/** Response with a resource: an element of the page that holds base64, else a file of the server. */
async function loadResource(name) {
  const element = document.getElementById(name);
  const url = element ? `data:application/octet-stream;base64,${element.textContent}` : name;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
  return response;
}

async function loadFrame(scene, index) {
  const response = await loadResource(`frames/${encodeURIComponent(scene)}/${index}`);
  // The whole file first: a stream that is unpacked may leave the end of its request unread.
  const plain = (await response.blob()).stream().pipeThrough(new DecompressionStream('gzip'));
  const buffer = await new Response(plain).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const frame = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  for (const [name, [offset, size]] of Object.entries(frame.arrays)) {
    frame.arrays[name] = new Uint8Array(buffer, 4 + length + offset, size);
  }
  frame.voxels = voxelIndices(frame.arrays.occupied, frame.grid.shape, frame.arrays[frame.layers[0]].length);
  return frame;
}

/** Uint16Array of x, y, z of each voxel whose bit is set; z runs fastest, and the first voxel is the highest bit. */
function voxelIndices(bits, [, sizeY, sizeZ], count) {
  const indices = new Uint16Array(3 * count);
  let next = 0;
  bits.forEach((byte, i) => {
    for (let rest = byte; rest; ) {
      const bit = Math.clz32(rest) - 24;
      rest &= 0x7f >> bit;
      const position = 8 * i + bit;
      const column = Math.floor(position / sizeZ);
      indices[next++] = Math.floor(column / sizeY);
      indices[next++] = column % sizeY;
      indices[next++] = position % sizeZ;
    }
  });
  return indices;
}

/** Frames that were looked at last, so that playing and stepping back need not load again. */
class FrameCache {
  constructor(capacity) {
    this.capacity = capacity;
    this.frames = new Map();
  }

  get(scene, index) {
    const key = `${scene}/${index}`;
    const frame = this.frames.get(key) ?? loadFrame(scene, index);
    this.frames.delete(key);
    this.frames.set(key, frame);
    frame.catch(() => this.frames.delete(key));
    if (this.frames.size > this.capacity) this.frames.delete(this.frames.keys().next().value);
    return frame;
  }
}
