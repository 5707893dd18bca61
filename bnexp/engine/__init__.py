"""Training: networks in, evaluations out; it knows no folder, no TensorBoard and no claim."""
