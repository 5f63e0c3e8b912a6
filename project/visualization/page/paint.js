// Paints of everything but voxels: the simplest there are, since the first picture waits until they are compiled.

const PLAIN_SHADER = `
void main() {
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

const PICTURE_SHADER = `
varying vec2 place;
void main() {
  place = uv;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

/** One colour. */
function plainPaint(colour, settings = {}) {
  return new THREE.ShaderMaterial({
    uniforms: { colour: { value: new THREE.Color(colour) } },
    vertexShader: PLAIN_SHADER,
    fragmentShader: 'uniform vec3 colour; void main() { gl_FragColor = vec4(colour, 1.0); }',
    side: THREE.DoubleSide,
    ...settings,
  });
}

/** A texture. */
function picturePaint(texture) {
  return new THREE.ShaderMaterial({
    uniforms: { picture: { value: texture } },
    vertexShader: PICTURE_SHADER,
    fragmentShader: `
      uniform sampler2D picture;
      varying vec2 place;
      void main() { gl_FragColor = vec4(texture2D(picture, place).rgb, 1.0); }`,
    side: THREE.DoubleSide,
  });
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
