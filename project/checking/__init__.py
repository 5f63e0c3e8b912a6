"""Labels judged without ground truth: what lidar saw must agree with them."""
