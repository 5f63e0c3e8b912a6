// Around the voxels: the ego car, lidar points, boxes, and cameras with their images.

const FRUSTUM_METRES = 3;
const EGO_COLOURS = [0xfcfcfc, 0x485260];
// Corners of a box are numbered 0-7: bit 0 is x, bit 1 is y, bit 2 is z.
const EDGES = [0, 1, 1, 3, 3, 2, 2, 0, 4, 5, 5, 7, 7, 6, 6, 4, 0, 4, 1, 5, 2, 6, 3, 7];
// prettier-ignore
const BOX_TRIANGLES = [
  0, 2, 1, 1, 2, 3, 4, 5, 6, 5, 7, 6, 0, 1, 4, 1, 5, 4, 2, 6, 3, 3, 6, 7, 0, 4, 2, 2, 4, 6, 1, 3, 5, 3, 7, 5,
];

const POINT_SHADER = `
precision highp float;
uniform mat4 modelViewMatrix, projectionMatrix;
uniform float nearer;
in vec3 position;
void main() {
  // Points lie inside voxels; drawn a voxel nearer they show in front of them, and not through walls.
  vec4 seen = modelViewMatrix * vec4(position, 1.0);
  seen.xyz *= max(0.5, 1.0 - nearer / length(seen.xyz));
  gl_Position = projectionMatrix * seen;
  gl_PointSize = 2.5;
}`;

/** Eight corners of a box of a size around the origin, moved by a matrix. */
function boxCorners(low, high, matrix) {
  return Array.from({ length: 8 }, (_, i) =>
    new THREE.Vector3(i & 1 ? high[0] : low[0], i & 2 ? high[1] : low[1], i & 4 ? high[2] : low[2]).applyMatrix4(
      matrix,
    ),
  );
}

/** The ego car: a white body and a dark cabin. */
function egoCar(boxes) {
  const group = new THREE.Group();
  const edges = plainPaint(0x303640);
  boxes.forEach((box, i) => {
    const corners = boxCorners(box.slice(0, 3), box.slice(3), new THREE.Matrix4());
    const geometry = new THREE.BufferGeometry().setFromPoints(corners);
    geometry.setIndex(BOX_TRIANGLES);
    const behindEdges = { polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 };
    const outline = EDGES.map((corner) => corners[corner]);
    group.add(new THREE.Mesh(geometry, plainPaint(EGO_COLOURS[i], behindEdges)), lines(outline, edges));
  });
  return group;
}

/** Lidar points, stored as centimetres. */
function lidarPoints(bytes, voxelSize, dark) {
  const centimetres = new Int16Array(bytes.slice().buffer);
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute(
    'position',
    new THREE.BufferAttribute(
      Float32Array.from(centimetres, (value) => value / 100),
      3,
    ),
  );
  const fragmentShader = `out vec4 pixel; void main() { pixel = vec4(vec3(${dark ? '1.0' : '0.05'}), 1.0); }`;
  const material = rawPaint(POINT_SHADER, fragmentShader, { nearer: 1.5 * voxelSize });
  const points = new THREE.Points(geometry, material);
  points.frustumCulled = false;
  return points;
}

/** Wire boxes in the colour of their class, with a line from the centre to the front. */
function objectBoxes(boxes, palette) {
  const group = new THREE.Group();
  for (const box of boxes) {
    const half = box.size.map((metres) => metres / 2);
    const matrix = new THREE.Matrix4().set(...box.grid_from_box);
    const corners = boxCorners(
      half.map((metres) => -metres),
      half,
      matrix,
    );
    const heading = [new THREE.Vector3(0, 0, half[2]), new THREE.Vector3(half[0] + 0.8, 0, half[2])];
    const points = [...EDGES.map((i) => corners[i]), ...heading.map((point) => point.applyMatrix4(matrix))];
    const [red, green, blue] = palette[box.label];
    const wire = lines(points, plainPaint(`rgb(${red},${green},${blue})`, { depthTest: false }));
    wire.renderOrder = 1;
    group.add(wire);
  }
  return group;
}

/** Pyramids from each camera to its image; images arrive later and then call `redraw`. */
function cameraFrusta(cameras, redraw) {
  const group = new THREE.Group();
  for (const camera of cameras) {
    const centre = new THREE.Vector3().fromArray(camera.position);
    const [a, b, c, d] = [0, 3, 6, 9].map((i) =>
      new THREE.Vector3().fromArray(camera.corners, i).multiplyScalar(FRUSTUM_METRES).add(centre),
    );
    group.add(
      lines(
        [centre, a, centre, b, centre, c, centre, d, a, b, b, d, d, c, c, a],
        plainPaint(0x0b63c5),
      ),
    );
    const geometry = pictureGeometry([a, b, c, d]);
    loadTexture(camera.image).then(
      (map) => {
        if (!group.parent) return map.dispose();
        group.add(new THREE.Mesh(geometry, picturePaint(map)));
        redraw();
      },
      (error) => notify(error.message),
    );
  }
  return group;
}

async function loadTexture(name) {
  const blob = await (await loadResource(name)).blob();
  const texture = new THREE.Texture(await createImageBitmap(blob, { imageOrientation: 'flipY' }));
  texture.needsUpdate = true;
  return texture;
}

/** Free what a group holds on the graphics card. */
function disposeAll(group) {
  group.traverse((object) => {
    object.geometry?.dispose();
    object.material?.uniforms.picture?.value.dispose();
    object.material?.dispose();
  });
}
