"""Where frames come from: folders of labels and predictions, a model, samples of the data pipeline."""
