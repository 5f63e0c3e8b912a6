"""Labels and predictions as pictures, videos and pages for the browser; only `hook` registers with mmengine."""
