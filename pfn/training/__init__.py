"""Training: gold cells, batches, options, calibration and the model card."""
