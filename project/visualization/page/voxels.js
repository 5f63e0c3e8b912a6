// Voxels as instanced squares, one for each exposed side, coloured and shaded as in the project's pictures.

const VERTEX_SHADER = `
in vec2 corner;
in vec4 face;
uniform vec3 minimum, size;
uniform vec3 palette[32];
out vec2 place;
out float occlusion;
flat out vec3 colour;
flat out float light;
const float LIGHTS[6] = float[6](0.78, 0.78, 0.68, 0.68, 0.55, 1.0);
void main() {
  int packed = int(face.w);
  int side = packed & 7, axis = side >> 1;
  vec3 offset = vec3(0.0);
  offset[axis] = float(side & 1);
  offset[(axis + 1) % 3] = corner.x;
  offset[(axis + 2) % 3] = corner.y;
  int turn = 8 + 2 * int(corner.x) + 4 * int(corner.y);
  occlusion = float((packed >> turn) & 3);
  colour = palette[(packed >> 3) & 31];
  light = LIGHTS[side];
  place = corner;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(minimum + (face.xyz + offset) * size, 1.0);
}`;

const FRAGMENT_SHADER = `
in vec2 place;
in float occlusion;
flat in vec3 colour;
flat in float light;
out vec4 pixel;
void main() {
  vec2 width = fwidth(place);
  vec2 distance = min(place, 1.0 - place) / max(width, 1e-6);
  // Lines fade where they would crowd the picture.
  float line = clamp(1.3 - min(distance.x, distance.y), 0.0, 1.0);
  line *= clamp((1.0 / max(width.x, width.y) - 3.0) / 8.0, 0.0, 1.0);
  vec3 dark = vec3(90.0 / 255.0);
  vec3 lineColour = dot(colour, vec3(0.3, 0.6, 0.1)) < 40.0 / 255.0 ? dark : 0.45 * colour;
  pixel = vec4(mix(colour, lineColour, 0.8 * line) * light * (1.0 - 0.15 * occlusion), 1.0);
}`;

/** The drawn voxels; `update` replaces them. */
class Voxels {
  constructor() {
    this.geometry = new THREE.InstancedBufferGeometry();
    this.geometry.setAttribute('corner', new THREE.BufferAttribute(new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), 2));
    this.geometry.setIndex([0, 1, 2, 2, 1, 3]);
    this.geometry.instanceCount = 0;
    const uniforms = {
      minimum: { value: new THREE.Vector3() },
      size: { value: new THREE.Vector3() },
      palette: { value: Array.from({ length: 32 }, () => new THREE.Vector3()) },
    };
    this.material = new THREE.ShaderMaterial({
      vertexShader: VERTEX_SHADER,
      fragmentShader: FRAGMENT_SHADER,
      uniforms,
      glslVersion: THREE.GLSL3,
      side: THREE.DoubleSide,
    });
    this.mesh = new THREE.Mesh(this.geometry, this.material);
    this.mesh.frustumCulled = false;
  }

  /** Draw the exposed sides of a frame's voxels; returns how many voxels there are of each code. */
  update(grid, codes, palette, shown, inMask) {
    const { faces, counts } = exposedFaces(codes, grid.shape, shown, inMask);
    this.geometry.dispose();
    this.geometry.setAttribute('face', new THREE.InstancedBufferAttribute(faces, 4));
    this.geometry.instanceCount = faces.length / 4;
    const { minimum, size, palette: colours } = this.material.uniforms;
    minimum.value.fromArray(grid.minimum);
    size.value.fromArray(grid.voxel_size);
    palette.forEach((rgb, code) => colours.value[code].fromArray(rgb).divideScalar(255));
    return counts;
  }
}
