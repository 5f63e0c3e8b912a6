// Which sides of voxels can be seen: only those are drawn.

/** Steps to the neighbour behind each side: -x, +x, -y, +y, -z, +z. */
const SIDES = [
  [-1, 0, 0],
  [1, 0, 0],
  [0, -1, 0],
  [0, 1, 0],
  [0, 0, -1],
  [0, 0, 1],
];

/**
 * Sides of shown voxels whose neighbour is not shown.
 * @param codes Uint8Array, what each voxel holds, z running fastest; codes from `shown.length` on hold nothing.
 * @param shape [X, Y, Z].
 * @param shown for each code whether it is shown.
 * @param inMask Uint8Array over voxels, 0 = left out; null for all voxels.
 * @returns {faces: Uint16Array of x, y, z, packed for each side; counts: voxels of each code inside the mask}.
 *   packed = side + 8 * code + 256 * occlusion, where occlusion has two bits for each corner: how many of the three
 *   voxels in front of that corner are shown.
 */
function exposedFaces(codes, shape, shown, inMask) {
  const [sizeX, sizeY, sizeZ] = shape;
  const strideX = (sizeY + 2) * (sizeZ + 2),
    strideY = sizeZ + 2;
  // A border of empty voxels saves all checks at the edges of the grid.
  const solid = new Uint8Array((sizeX + 2) * strideX);
  const counts = new Uint32Array(shown.length);
  for (let x = 0, i = 0; x < sizeX; x++) {
    for (let y = 0; y < sizeY; y++) {
      let at = (x + 1) * strideX + (y + 1) * strideY + 1;
      for (let z = 0; z < sizeZ; z++, i++, at++) {
        const code = codes[i];
        if (code >= shown.length || (inMask && !inMask[i])) continue;
        counts[code]++;
        solid[at] = shown[code];
      }
    }
  }
  const strides = [strideX, strideY, 1];
  const steps = SIDES.map((side) => side[0] * strideX + side[1] * strideY + side[2]);
  const faces = new GrowingArray();
  for (let x = 0, i = 0; x < sizeX; x++) {
    for (let y = 0; y < sizeY; y++) {
      let at = (x + 1) * strideX + (y + 1) * strideY + 1;
      for (let z = 0; z < sizeZ; z++, i++, at++) {
        if (!solid[at]) continue;
        for (let side = 0; side < 6; side++) {
          const front = at + steps[side];
          if (solid[front]) continue;
          const axis = side >> 1;
          const occlusion = cornerOcclusion(solid, front, strides[(axis + 1) % 3], strides[(axis + 2) % 3]);
          faces.push(x, y, z, side + 8 * codes[i] + 256 * occlusion);
        }
      }
    }
  }
  return { faces: faces.values(), counts };
}

/** Two bits for each corner (-a-b, +a-b, -a+b, +a+b): how many of the three voxels around it are solid. */
function cornerOcclusion(solid, front, a, b) {
  const west = solid[front - a],
    east = solid[front + a],
    south = solid[front - b],
    north = solid[front + b];
  return (
    west +
    south +
    solid[front - a - b] +
    4 * (east + south + solid[front + a - b]) +
    16 * (west + north + solid[front - a + b]) +
    64 * (east + north + solid[front + a + b])
  );
}

/** Uint16Array that grows by groups of four. */
class GrowingArray {
  constructor() {
    this.array = new Uint16Array(1 << 16);
    this.length = 0;
  }

  push(x, y, z, packed) {
    if (this.length === this.array.length) {
      const larger = new Uint16Array(2 * this.length);
      larger.set(this.array);
      this.array = larger;
    }
    this.array[this.length++] = x;
    this.array[this.length++] = y;
    this.array[this.length++] = z;
    this.array[this.length++] = packed;
  }

  values() {
    return this.array.subarray(0, this.length);
  }
}
