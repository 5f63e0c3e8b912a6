// Which sides of voxels can be seen: only those are drawn.

/**
 * The sides of a voxel: -x, +x, -y, +y, -z, +z. From outside, axis b points a quarter turn counterclockwise of axis a.
 * Corner k of a side lies at its end along a when k & 1, and along b when k & 2. Sides that look alike are joined along
 * `run`; `far` is the first corner at the end of the run, and `other` the remaining axis.
 */
const SIDES = Array.from({ length: 6 }, (_, side) => {
  const axis = side >> 1;
  const end = side & 1;
  const [a, b] = end ? [(axis + 1) % 3, (axis + 2) % 3] : [(axis + 2) % 3, (axis + 1) % 3];
  const run = axis === 1 ? 0 : 1;
  return { axis, end, a, b, run, far: run === a ? 1 : 2, other: 3 - axis - run };
});

/**
 * Sides of shown voxels whose neighbour is not shown; those in a row that look alike become one rectangle.
 * @param voxels Uint16Array of x, y, z of each voxel, z running fastest.
 * @param codes Uint8Array, what each voxel holds; codes from `shown.length` on hold nothing.
 * @param shape [X, Y, Z].
 * @param shown for each code whether it is shown.
 * @param inMask Uint8Array, 0 = left out; null for all voxels.
 * @returns {corners: Uint16Array of x, y, z, packed for each of four corners of each rectangle; counts: voxels of each
 *   code inside the mask}. packed = side + 8 * code + 256 * occlusion, where occlusion says how many of the three
 *   voxels in front of the corner are shown.
 */
function exposedFaces(voxels, codes, shape, shown, inMask) {
  // A border of empty voxels saves all checks at the edges of the grid.
  const strides = [(shape[1] + 2) * (shape[2] + 2), shape[2] + 2, 1];
  const solid = new Uint8Array((shape[0] + 2) * strides[0]);
  const places = new Uint32Array(codes.length);
  const counts = new Uint32Array(shown.length);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code >= shown.length || (inMask && !inMask[i])) continue;
    counts[code]++;
    if (!shown[code]) continue;
    places[i] = (voxels[3 * i] + 1) * strides[0] + (voxels[3 * i + 1] + 1) * strides[1] + voxels[3 * i + 2] + 1;
    solid[places[i]] = 1;
  }
  const rectangles = new Rectangles(shape);
  SIDES.forEach(({ axis, end, a, b }, side) => {
    const step = end ? strides[axis] : -strides[axis];
    for (let i = 0; i < codes.length; i++) {
      const front = places[i] + step;
      if (!places[i] || solid[front]) continue;
      const occlusion = cornerOcclusion(solid, front, strides[a], strides[b]);
      rectangles.add(voxels, 3 * i, side, side + 8 * codes[i] + 256 * occlusion);
    }
  });
  return { corners: rectangles.corners.subarray(0, 16 * rectangles.looks.length), counts };
}

/** Two bits for each corner of a side: how many of the three voxels around it are solid. */
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

/** Rectangles that grow as sides are added, each side in the order of the voxels. */
class Rectangles {
  constructor(shape) {
    this.shape = shape;
    this.corners = new Uint16Array(1 << 18);
    this.looks = [];
    /** For each side and each row along its run: the rectangle begun last. */
    this.last = SIDES.map(({ axis, other }) => new Int32Array(shape[axis] * shape[other]).fill(-1));
  }

  /** Add a side of the voxel at voxels[at]; `look` is side + 8 * code + 256 * occlusion of all corners. */
  add(voxels, at, side, look) {
    const { axis, run, far, other } = SIDES[side];
    const row = voxels[at + axis] * this.shape[other] + voxels[at + other];
    const last = this.last[side][row];
    const differing = (look ^ (look >> (2 * far))) & (far === 1 ? 0x3300 : 0x0f00);
    if (look === this.looks[last] && !differing && this.corners[16 * last + 12 + run] === voxels[at + run]) {
      this.corners[16 * last + 4 * far + run]++;
      this.corners[16 * last + 12 + run]++;
    } else {
      this.last[side][row] = this.looks.length;
      this.begin(voxels, at, side, look);
    }
  }

  begin(voxels, at, side, look) {
    const { axis, end, a, b } = SIDES[side];
    let next = 16 * this.looks.length;
    this.looks.push(look);
    if (next === this.corners.length) {
      const larger = new Uint16Array(2 * next);
      larger.set(this.corners);
      this.corners = larger;
    }
    for (let corner = 0; corner < 4; corner++, next += 4) {
      for (let i = 0; i < 3; i++) this.corners[next + i] = voxels[at + i];
      this.corners[next + axis] += end;
      this.corners[next + a] += corner & 1;
      this.corners[next + b] += corner >> 1;
      this.corners[next + 3] = (look & 0xff) + 256 * ((look >> (8 + 2 * corner)) & 3);
    }
  }
}
