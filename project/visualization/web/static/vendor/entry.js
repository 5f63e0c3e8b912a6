export {
  BufferAttribute, BufferGeometry, Camera, Color, ColorManagement, DoubleSide, GLSL3, Group, LinearSRGBColorSpace,
  LineSegments, Matrix4, Mesh, PerspectiveCamera, Points, RawShaderMaterial, Scene, Texture, Vector3, WebGLRenderTarget,
  WebGLRenderer,
} from 'three';
export { OrbitControls } from 'three/addons/controls/OrbitControls.js';
