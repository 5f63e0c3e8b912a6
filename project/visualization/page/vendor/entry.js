export {
  BufferAttribute, BufferGeometry, Color, DoubleSide, GLSL3, Group, InstancedBufferAttribute, InstancedBufferGeometry,
  LineBasicMaterial, LineSegments, Matrix4, Mesh, MeshBasicMaterial, PerspectiveCamera, Points, SRGBColorSpace, Scene,
  ShaderMaterial, Texture, Vector3, WebGLRenderer,
} from 'three';
export { OrbitControls } from 'three/addons/controls/OrbitControls.js';
