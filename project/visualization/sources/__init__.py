"""Sources of frames: folders of labels and predictions, a model, samples of the data pipeline."""
