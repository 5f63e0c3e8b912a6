// Paints of everything but voxels: the simplest there are, since the first picture waits until they are compiled.

const PLAIN_SHADER = `
precision highp float;
uniform mat4 modelViewMatrix, projectionMatrix;
in vec3 position;
void main() {
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

const PICTURE_SHADER = `
precision highp float;
uniform mat4 modelViewMatrix, projectionMatrix;
in vec3 position;
in vec2 uv;
out vec2 place;
void main() {
  place = uv;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

/** A material of own shaders, to which three.js adds nothing. */
function rawPaint(vertexShader, fragmentShader, uniforms, settings = {}) {
  return new THREE.RawShaderMaterial({
    vertexShader,
    fragmentShader: `precision highp float;\n${fragmentShader}`,
    uniforms: Object.fromEntries(Object.entries(uniforms).map(([name, value]) => [name, { value }])),
    glslVersion: THREE.GLSL3,
    ...settings,
  });
}

/** One colour. */
function plainPaint(colour, settings = {}) {
  const fragmentShader = 'uniform vec3 colour; out vec4 pixel; void main() { pixel = vec4(colour, 1.0); }';
  const uniforms = { colour: new THREE.Color(colour) };
  return rawPaint(PLAIN_SHADER, fragmentShader, uniforms, { side: THREE.DoubleSide, ...settings });
}

/** A texture. */
function picturePaint(texture) {
  const fragmentShader = `
    uniform sampler2D picture;
    in vec2 place;
    out vec4 pixel;
    void main() { pixel = vec4(texture(picture, place).rgb, 1.0); }`;
  return rawPaint(PICTURE_SHADER, fragmentShader, { picture: texture }, { side: THREE.DoubleSide });
}

/** A rectangle for a picture, from its corners at the top left, top right, bottom left and bottom right. */
function pictureGeometry(corners) {
  const geometry = new THREE.BufferGeometry().setFromPoints(corners);
  geometry.setAttribute('uv', new THREE.BufferAttribute(new Float32Array([0, 1, 1, 1, 0, 0, 1, 0]), 2));
  geometry.setIndex([0, 2, 1, 1, 2, 3]);
  return geometry;
}

function lines(points, paint) {
  return new THREE.LineSegments(new THREE.BufferGeometry().setFromPoints(points), paint);
}
