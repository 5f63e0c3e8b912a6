// Voxels as rectangles over their exposed sides, coloured and shaded as in the project's pictures.

const VERTEX_SHADER = `
precision highp float;
uniform mat4 modelViewMatrix, projectionMatrix;
in vec4 corner;
uniform vec3 minimum, size;
uniform vec3 palette[32];
out vec2 place;
out float light;
flat out vec3 colour, lineColour;
const float LIGHTS[6] = float[6](0.78, 0.78, 0.68, 0.68, 0.55, 1.0);
void main() {
  int packed = int(corner.w);
  int side = packed & 7, axis = side >> 1;
  place = axis == 0 ? corner.yz : axis == 1 ? corner.zx : corner.xy;
  light = LIGHTS[side] * (1.0 - 0.15 * float(packed >> 8));
  colour = palette[(packed >> 3) & 31];
  lineColour = dot(colour, vec3(0.3, 0.6, 0.1)) < 40.0 / 255.0 ? vec3(90.0 / 255.0) : 0.45 * colour;
  vec4 seen = modelViewMatrix * vec4(minimum + corner.xyz * size, 1.0);
  // A tenth of a pixel wider than it is: where a long side meets several short ones, gaps would show.
  vec2 outward = 2.0 * vec2(gl_VertexID & 1, gl_VertexID >> 1 & 1) - 1.0;
  if ((side & 1) == 0) outward = outward.yx;
  vec3 offset = vec3(0.0);
  offset[(axis + 1) % 3] = outward.x;
  offset[(axis + 2) % 3] = outward.y;
  seen.xyz -= 1e-4 * seen.z * mat3(modelViewMatrix) * offset;
  gl_Position = projectionMatrix * seen;
}`;

const FRAGMENT_SHADER = `
in vec2 place;
in float light;
flat in vec3 colour, lineColour;
out vec4 pixel;
void main() {
  vec2 width = fwidth(place);
  vec2 distance = (0.5 - abs(fract(place) - 0.5)) / max(width, 1e-6);
  // Lines fade where they would crowd the picture.
  float line = clamp(1.3 - min(distance.x, distance.y), 0.0, 1.0);
  line *= clamp((1.0 / max(width.x, width.y) - 3.0) / 8.0, 0.0, 1.0);
  pixel = vec4(mix(colour, lineColour, 0.8 * line) * light, 1.0);
}`;

/** The drawn voxels; `update` replaces them. */
class Voxels {
  constructor() {
    this.geometry = new THREE.BufferGeometry();
    this.geometry.setDrawRange(0, 0);
    this.material = rawPaint(VERTEX_SHADER, FRAGMENT_SHADER, {
      minimum: new THREE.Vector3(),
      size: new THREE.Vector3(),
      palette: Array.from({ length: 32 }, () => new THREE.Vector3()),
    });
    this.mesh = new THREE.Mesh(this.geometry, this.material);
    this.mesh.frustumCulled = false;
  }

  /** Draw the exposed sides of a frame's voxels; returns how many voxels there are of each code. */
  update({ grid, voxels }, codes, palette, shown, inMask) {
    const { corners, counts } = exposedFaces(voxels, codes, grid.shape, shown, inMask);
    const triangles = rectangleTriangles(corners.length / 16);
    this.geometry.dispose();
    this.geometry.setAttribute('corner', new THREE.BufferAttribute(corners, 4));
    this.geometry.setIndex(new THREE.BufferAttribute(triangles, 1));
    this.geometry.setDrawRange(0, triangles.length);
    const { minimum, size, palette: colours } = this.material.uniforms;
    minimum.value.fromArray(grid.minimum);
    size.value.fromArray(grid.voxel_size);
    palette.forEach((rgb, code) => colours.value[code].fromArray(rgb).divideScalar(255));
    return counts;
  }
}

/**
 * Two triangles for each group of four corners. Not one instance for each: renderers in software draw instances one by
 * one, which takes ten times as long.
 */
function rectangleTriangles(count) {
  const corners = new Uint32Array(6 * count);
  for (let i = 0, corner = 0; i < corners.length; corner += 4) {
    for (const k of [0, 1, 2, 2, 1, 3]) corners[i++] = corner + k;
  }
  return corners;
}
