"""Definitions of ROS 2's messages that recordings have, as they are since Humble (2022)."""

_SEPARATOR = '=' * 80

_FIELDS = {
    'builtin_interfaces/Time': 'int32 sec; uint32 nanosec',
    'builtin_interfaces/Duration': 'int32 sec; uint32 nanosec',
    'std_msgs/Header': 'builtin_interfaces/Time stamp; string frame_id',
    'std_msgs/ColorRGBA': 'float32 r; float32 g; float32 b; float32 a',
    'geometry_msgs/Vector3': 'float64 x; float64 y; float64 z',
    'geometry_msgs/Point': 'float64 x; float64 y; float64 z',
    'geometry_msgs/Quaternion': 'float64 x; float64 y; float64 z; float64 w',
    'geometry_msgs/Pose': 'geometry_msgs/Point position; geometry_msgs/Quaternion orientation',
    'geometry_msgs/Transform': 'geometry_msgs/Vector3 translation; geometry_msgs/Quaternion rotation',
    'geometry_msgs/TransformStamped': (
        'std_msgs/Header header; string child_frame_id; geometry_msgs/Transform transform'
    ),
    'tf2_msgs/TFMessage': 'geometry_msgs/TransformStamped[] transforms',
    'sensor_msgs/PointField': 'string name; uint32 offset; uint8 datatype; uint32 count',
    'sensor_msgs/PointCloud2': (
        'std_msgs/Header header; uint32 height; uint32 width; sensor_msgs/PointField[] fields; bool is_bigendian; '
        'uint32 point_step; uint32 row_step; uint8[] data; bool is_dense'
    ),
    'sensor_msgs/CompressedImage': 'std_msgs/Header header; string format; uint8[] data',
    'sensor_msgs/RegionOfInterest': 'uint32 x_offset; uint32 y_offset; uint32 height; uint32 width; bool do_rectify',
    'sensor_msgs/CameraInfo': (
        'std_msgs/Header header; uint32 height; uint32 width; string distortion_model; float64[] d; float64[9] k; '
        'float64[9] r; float64[12] p; uint32 binning_x; uint32 binning_y; sensor_msgs/RegionOfInterest roi'
    ),
    'visualization_msgs/UVCoordinate': 'float32 u; float32 v',
    'visualization_msgs/MeshFile': 'string filename; uint8[] data',
    'visualization_msgs/Marker': (
        'std_msgs/Header header; string ns; int32 id; int32 type; int32 action; geometry_msgs/Pose pose; '
        'geometry_msgs/Vector3 scale; std_msgs/ColorRGBA color; builtin_interfaces/Duration lifetime; '
        'bool frame_locked; geometry_msgs/Point[] points; std_msgs/ColorRGBA[] colors; string texture_resource; '
        'sensor_msgs/CompressedImage texture; visualization_msgs/UVCoordinate[] uv_coordinates; string text; '
        'string mesh_resource; visualization_msgs/MeshFile mesh_file; bool mesh_use_embedded_materials'
    ),
    'visualization_msgs/MarkerArray': 'visualization_msgs/Marker[] markers',
}


def definition(kind: str) -> str:
    """The definition of a message and of all that it consists of, as MCAP's ``ros2msg`` schemas have it.

    Args:
        kind: package and name, e.g. ``sensor_msgs/PointCloud2``.
    """
    needed = [kind]
    for name in needed:  # grows meanwhile
        types = [field.split()[0].partition('[')[0] for field in _FIELDS[name].split('; ')]
        needed += [each for each in dict.fromkeys(types) if each in _FIELDS and each not in needed]
    texts = [_FIELDS[name].replace('; ', '\n') + '\n' for name in needed]
    parts = [f'{_SEPARATOR}\nMSG: {name}\n{text}' for name, text in zip(needed[1:], texts[1:], strict=True)]
    return ''.join([texts[0], *parts])
